"""The handshake from the client's side."""

import pytest

from loadtest.upgrade import Address, NotWebSocket, http_url, parse_url, read_answer, upgrade_request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8000", Address("localhost", 8000, False, "localhost:8000", "")),
        ("https://chat.example.org/", Address("chat.example.org", 443, True, "chat.example.org", "")),
        ("wss://[::1]:9/a/", Address("::1", 9, True, "[::1]:9", "/a")),
        ("localhost:81", Address("localhost", 81, False, "localhost:81", "")),
    ],
)
def test_urls_are_read(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:port", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not the URL|Port could not"):
        parse_url(url)


def test_the_url_of_the_rest_api_is_http() -> None:
    assert http_url(parse_url("wss://chat.example.org/a/")) == "https://chat.example.org/a"
    assert http_url(parse_url("ws://localhost:1")) == "http://localhost:1"


def test_a_token_goes_into_a_header_and_never_into_the_url() -> None:
    request = upgrade_request(parse_url("http://h:1/p"), KEY, "parley.v1.json", "secret").decode()
    assert request.startswith("GET /p/ws HTTP/1.1\r\nHost: h:1\r\n")
    assert "\r\nAuthorization: Bearer secret\r\n" in request
    assert request.endswith("\r\n\r\n")
    assert (
        "Authorization" not in upgrade_request(parse_url("http://h:1"), KEY, "parley.v1.json", None).decode()
    )


def test_an_answer_is_read_once_its_head_is_whole() -> None:
    for cut in range(len(ACCEPTED)):
        assert read_answer(ACCEPTED[:cut], KEY) is None
    answer = read_answer(ACCEPTED + b"frames", KEY)
    assert answer is not None
    assert (answer.status, answer.rest) == (101, b"frames")


def test_a_refusal_says_when_to_come_back() -> None:
    answer = read_answer(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", KEY)
    assert answer is not None
    assert (answer.status, answer.retry_after_s) == (503, 7.0)


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        ACCEPTED.replace(b"s3p", b"S3P"),
        b"x" * 20_000,
    ],
)
def test_what_is_no_websocket_server_is_found_out(received: bytes) -> None:
    with pytest.raises(NotWebSocket):
        read_answer(received, KEY)
