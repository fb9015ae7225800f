"""The upgrade: the RFC's example, every refusal, origins, and a library as the client."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from protocol.codec import JSON, MSGPACK
from protocol.handshake import UpgradeAccepted, UpgradeRefused, accept_key, check_upgrade

REQUEST = {
    "Host": "chat.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def answer(
    *more: tuple[str, str], method: str = "GET", without: str = "", allowed: frozenset[str] = frozenset()
) -> UpgradeAccepted | UpgradeRefused:
    """What a good request gets when `more` replaces headers of it and `without` is left out."""
    replaced = {name.lower() for name, _ in more} | {without.lower()}
    headers = CIMultiDict([(name, value) for name, value in REQUEST.items() if name.lower() not in replaced])
    for name, value in more:
        headers.add(name, value)
    return check_upgrade(method, CIMultiDictProxy(headers), allowed)


def status(result: UpgradeAccepted | UpgradeRefused) -> int:
    return result.status if isinstance(result, UpgradeRefused) else 101


def test_the_example_of_the_rfc_is_answered_byte_for_byte() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer() == UpgradeAccepted(
        JSON,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )


def test_a_plain_mapping_with_names_in_any_case_will_do() -> None:
    assert (
        status(check_upgrade("GET", {name.upper(): value for name, value in REQUEST.items()}, frozenset()))
        == 101
    )


# Subprotocols


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (["parley.v1.json"], JSON),
        (["parley.v1.msgpack"], MSGPACK),
        (["parley.v1.msgpack, parley.v1.json"], MSGPACK),
        (["parley.v1.json", "parley.v1.msgpack"], JSON),
        (["graphql-ws, parley.v1.msgpack"], MSGPACK),
    ],
)
def test_the_first_offered_subprotocol_that_we_speak_is_chosen_and_named(
    offer: list[str], chosen: object
) -> None:
    result = answer(*(("Sec-WebSocket-Protocol", names) for names in offer))
    assert isinstance(result, UpgradeAccepted)
    assert result.codec is chosen
    assert f"\r\nSec-WebSocket-Protocol: {result.codec.subprotocol}\r\n\r\n".encode() in result.response


@pytest.mark.parametrize("offer", [(), (("Sec-WebSocket-Protocol", ""),)])
def test_without_an_offer_json_is_spoken_and_not_named(offer: tuple[tuple[str, str], ...]) -> None:
    result = answer(*offer)
    assert isinstance(result, UpgradeAccepted)
    assert result.codec is JSON
    assert b"Sec-WebSocket-Protocol" not in result.response


@pytest.mark.parametrize("offer", ["graphql-ws", "parley.v2.json, chat", "PARLEY.V1.JSON"])
def test_an_offer_with_none_that_we_speak_is_refused(offer: str) -> None:
    assert status(answer(("Sec-WebSocket-Protocol", offer))) == 400


def test_no_extension_is_ever_agreed_to() -> None:
    result = answer(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"))
    assert isinstance(result, UpgradeAccepted)
    assert b"Extensions" not in result.response


# What is no upgrade


@pytest.mark.parametrize("method", ["POST", "HEAD", "CONNECT", "get"])
def test_only_get_upgrades(method: str) -> None:
    refusal = answer(method=method)
    assert isinstance(refusal, UpgradeRefused)
    assert (refusal.status, refusal.headers) == (405, (("Allow", "GET"),))


@pytest.mark.parametrize(
    "header",
    [("Upgrade", "h2c"), ("Upgrade", ""), ("Connection", "keep-alive"), ("Connection", "close")],
)
def test_a_request_that_asks_for_no_websocket_is_told_to_upgrade(header: tuple[str, str]) -> None:
    for refusal in (answer(header), answer(without=header[0])):
        assert isinstance(refusal, UpgradeRefused)
        assert (refusal.status, refusal.headers[0]) == (426, ("Upgrade", "websocket"))


@pytest.mark.parametrize("header", [("Connection", "keep-alive, UPGRADE"), ("Upgrade", "h2c, WebSocket")])
def test_tokens_are_found_in_lists_and_in_any_case(header: tuple[str, str]) -> None:
    assert status(answer(header)) == 101


def test_a_token_may_stand_in_a_repeated_header() -> None:
    assert status(answer(("Connection", "keep-alive"), ("Connection", "Upgrade"))) == 101


@pytest.mark.parametrize("version", [("8",), ("",), ("14",), ("13, 8",), ("13", "13"), ("013",), ()])
def test_any_version_but_13_is_told_which_one_we_speak(version: tuple[str, ...]) -> None:
    refusal = answer(*(("Sec-WebSocket-Version", one) for one in version), without="Sec-WebSocket-Version")
    assert isinstance(refusal, UpgradeRefused)
    assert (refusal.status, refusal.headers) == (426, (("Sec-WebSocket-Version", "13"),))


@pytest.mark.parametrize(
    "key",
    [
        (),
        ("",),
        ("dGhlIHNhbXBsZSBub25jZQ",),
        ("dGhlIHNhbXBsZSBub25jZQ==" * 2,),
        ("dGhlIHNhbXBsZSBub25j",),
        ("dGhlIHNhbXBsZSBub25jZWFh",),
        ("dGhlIHNhbXBsZSBub25j*Q==",),
        ("dGhlIHNhbXBsZSBub25j\u00e9Q==",),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="),
    ],
)
def test_a_key_is_one_header_of_16_bytes_in_base64(key: tuple[str, ...]) -> None:
    assert status(answer(*(("Sec-WebSocket-Key", one) for one in key), without="Sec-WebSocket-Key")) == 400


@pytest.mark.parametrize(
    "host", [(), ("",), ("a.example", "b.example"), ("a.example/path",), ("user@a.example",)]
)
def test_one_plain_host_is_named(host: tuple[str, ...]) -> None:
    assert status(answer(*(("Host", one) for one in host), without="Host")) == 400


@pytest.mark.parametrize(
    "header",
    [
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "identity"),
        ("Content-Length", "5"),
        ("Content-Length", "0, 5"),
    ],
)
def test_an_upgrade_with_a_body_is_refused(header: tuple[str, str]) -> None:
    assert status(answer(header)) == 400


def test_an_upgrade_may_say_that_it_has_no_body() -> None:
    assert status(answer(("Content-Length", "0"))) == 101


# Origins


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("chat.example", "https://chat.example"),
        ("chat.example", "http://chat.example"),
        ("chat.example", "https://chat.example:443"),
        ("chat.example:443", "https://chat.example"),
        ("chat.example:80", "http://chat.example"),
        ("CHAT.example", "https://chat.EXAMPLE"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[2001:db8::1]", "https://[2001:DB8::1]"),
    ],
)
def test_pages_of_this_host_may_connect(host: str, origin: str) -> None:
    assert status(answer(("Host", host), ("Origin", origin))) == 101


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://chat.example.evil.example",
        "https://evil.example#chat.example",
        "https://chat.example@evil.example",
        "https://chat.example/path",
        "https://chat.example:8443",
        "https://chat.example:99999999",
        "http://chat.example:443",
        "https://sub.chat.example",
        "ftp://chat.example",
        "chat.example",
        "https://chat\t.example",
        "https://chat.example, https://chat.example",
        "null",
        "",
    ],
)
def test_pages_of_any_other_origin_may_not(origin: str) -> None:
    assert status(answer(("Origin", origin))) == 403


def test_a_page_on_another_port_of_this_host_may_not() -> None:
    assert status(answer(("Host", "localhost:8000"), ("Origin", "http://localhost:3000"))) == 403
    assert status(answer(("Host", "localhost:8000"), ("Origin", "http://localhost"))) == 403


def test_a_second_origin_does_not_hide_the_first() -> None:
    assert status(answer(("Origin", "https://chat.example"), ("Origin", "https://evil.example"))) == 403


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example/", "https://app.example"),
        ("https://APP.example:443", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("tauri://localhost", "tauri://localhost"),
        ("null", "null"),
        ("*", "https://anywhere.example"),
    ],
)
def test_pages_on_the_allow_list_may_connect(entry: str, origin: str) -> None:
    assert status(answer(("Origin", origin), allowed=frozenset({entry, "https://other.example"}))) == 101


@pytest.mark.parametrize(
    "origin", ["http://app.example", "https://app.example:444", "null", "https://xapp.example"]
)
def test_the_allow_list_lets_in_no_more_than_it_names(origin: str) -> None:
    assert status(answer(("Origin", origin), allowed=frozenset({"https://app.example", "nonsense"}))) == 403


# Another implementation as the client


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        (None, None),
        (["parley.v1.msgpack"], "parley.v1.msgpack"),
        (["chat", "parley.v1.json"], "parley.v1.json"),
    ],
)
def test_a_library_accepts_the_answer(offer: list[str] | None, agreed: str | None) -> None:
    names = [Subprotocol(name) for name in offer] if offer else None
    client = ClientProtocol(parse_uri("ws://chat.example:8000/ws"), origin=None, subprotocols=names)
    request = client.connect()
    result = check_upgrade("GET", dict(request.headers.raw_items()), frozenset())
    assert isinstance(result, UpgradeAccepted)
    client.send_request(request)
    client.receive_data(result.response)
    assert client.handshake_exc is None
    assert client.state is State.OPEN
    assert client.subprotocol == agreed
