"""From the upgrade to `ready`: who is let in, who is not, and what is not lost on the way."""

import asyncio
from typing import Any

import pytest

from protocol.codec import JSON, MSGPACK, Codec
from server.settings import Settings
from tests.server.rest.client import Api
from tests.server.talking import Place, Talk, place, upgrade_request

CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])


async def disable(home: Place, person: Api) -> None:
    await home.context.accounts.disable(person.user["id"], home.clock.now())


# Credentials on the upgrade.


@CODECS
async def test_a_token_on_the_upgrade_brings_ready_at_once(home: Place, codec: Codec) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    ready = await (await home.upgraded(alice.token, codec)).next()
    assert ready["type"] == "ready"
    assert ready["user"]["id"] == alice.id
    assert [(each["id"], each["last_seq"], each["my_role"]) for each in ready["channels"]] == [
        (channel_id, 1, "owner")
    ]
    assert ready["heartbeat_ms"] == 25_000
    limits = {"frame_bytes": 65_536, "content_chars": 16_000, "unsent_bytes": 1_048_576}
    assert ready["limits"] == limits | {"commands_per_s": None, "burst": None}


async def test_bad_credentials_on_the_upgrade_open_no_socket(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    await alice.post("/auth/logout", expect=204)
    await disable(home, bob)
    assert alice.token is not None
    for authorization, answer in [
        ("Bearer nonsense", (401, "unauthenticated")),
        ("Bearer ", (401, "unauthenticated")),
        ("Basic YTpi", (401, "unauthenticated")),
        ("", (401, "unauthenticated")),
        (f"Bearer {alice.token[:-4]}AAAA", (401, "unauthenticated")),
        (f"Bearer {alice.token}", (401, "token_revoked")),
        (f"Bearer {bob.token}", (403, "account_disabled")),
    ]:
        assert await home.refused(upgrade_request(Authorization=authorization)) == answer
    home.clock.moved_s += 31 * 60
    assert await home.refused(upgrade_request(alice.token)) == (401, "token_expired")
    assert len(home.registry) == 0


async def test_a_token_in_the_url_lets_nobody_in(home: Place) -> None:
    alice = await home.person("alice")
    request = upgrade_request().replace(b"/ws ", f"/ws?token={alice.token} ".encode())
    wire = await home.wire()
    wire.write(request)
    assert (await wire.response()).status == 101
    talk = Talk(wire, JSON)
    talk.say({"type": "ping"})
    assert await talk.ended() == 4401


# Credentials in `hello`.


@CODECS
async def test_hello_brings_ready_and_a_sync_for_each_channel_that_it_resumes(
    home: Place, codec: Codec
) -> None:
    alice = await home.person("alice")
    channels = [await home.channel(alice) for _ in range(2)]
    talk = await home.upgraded(codec=codec)
    resume = [{"channel_id": channel_id, "seq": 1} for channel_id in channels]
    talk.say({"type": "hello", "token": alice.token, "resume": resume})
    events = [await talk.next() for _ in range(3)]
    assert [event["type"] for event in events] == ["ready", "sync", "sync"]
    assert {event["channel_id"] for event in events[1:]} == set(channels)


async def test_bad_credentials_in_hello_end_the_socket_after_an_error(home: Place) -> None:
    alice, bob, carol = [await home.person(name) for name in ("alice", "bob", "carol")]
    await alice.post("/auth/logout", expect=204)
    await disable(home, bob)
    for token, code, close in [
        ("nonsense", "unauthenticated", 4401),
        ("", "unauthenticated", 4401),
        (alice.token, "token_revoked", 4401),
        (bob.token, "account_disabled", 4403),
    ]:
        talk = await home.upgraded()
        talk.say({"type": "hello", "id": "1", "token": token})
        assert await talk.ended() == close
        (error,) = talk.events
        assert (error["type"], error["code"], error["reply_to"]) == ("error", code, "1")
    home.clock.moved_s += 31 * 60
    talk = await home.upgraded()
    talk.say({"type": "hello", "token": carol.token})
    assert await talk.ended() == 4401
    assert talk.events[0]["code"] == "token_expired"


async def test_a_command_before_hello_ends_the_socket(home: Place) -> None:
    alice = await home.person("alice")
    talk = await home.upgraded()
    talk.say({"type": "ping", "id": "1"}, {"type": "hello", "token": alice.token})
    assert await talk.ended() == 4401
    assert [(event["code"], event["reply_to"]) for event in talk.events] == [("unauthenticated", "1")]


async def test_whoever_says_no_hello_within_ten_seconds_is_let_go(home: Place) -> None:
    alice = await home.person("alice")
    silent, polite, live = await home.upgraded(), await home.resumed(alice), await home.live(alice)
    chatty = await home.upgraded()
    chatty.wire.write(chatty.frame(b"", 0x9))
    assert await chatty.pong() == b""
    home.seconds_pass(9)
    assert len(home.registry) == 4
    home.seconds_pass(1)
    assert await silent.ended() == await chatty.ended() == 4408
    assert await polite.is_well()
    assert await live.is_well()


async def test_a_second_hello_is_refused_and_changes_nothing(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    for talk in (await home.resumed(alice), await home.live(alice)):
        error = await talk.ask({"type": "hello", "token": bob.token})
        assert (error["type"], error["code"]) == ("error", "invalid")
        talk.say({"type": "presence", "status": "away", "id": "p"})
        assert (await talk.hear("ack"))["reply_to"] == "p"
    assert (await bob.get(f"/users/{bob.id}"))["presence"] == "offline"


async def test_two_hellos_at_once_log_in_once(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    talk = await home.upgraded()
    talk.say(*({"type": "hello", "token": person.token, "id": person.name} for person in (alice, bob)))
    assert (await talk.next())["user"]["id"] == alice.id
    error = await talk.next()
    assert (error["code"], error["reply_to"]) == ("invalid", "bob")
    assert await talk.is_well()


# What comes early is not lost.


def early_commands(channel_id: int) -> list[dict[str, Any]]:
    sends = [
        {"type": "send", "id": str(n), "channel_id": channel_id, "content": f"{n}", "nonce": f"{n}"}
        for n in range(20)
    ]
    return [*sends, {"type": "ping", "id": "last"}]


async def answers_in_order(talk: Talk) -> None:
    """Checks that `ready` came first, then an answer to each of the early commands, in order."""
    assert (await talk.next())["type"] == "ready"
    answers: list[str] = []
    while not answers or answers[-1] != "19":
        event = await talk.next()
        if event["type"] == "ack":
            answers.append(event["reply_to"])
    assert answers == [str(n) for n in range(20)]
    seqs = [event["seq"] for event in talk.events if event["type"] == "new_message"]
    contents = [event["message"]["content"] for event in talk.events if event["type"] == "new_message"]
    assert seqs == sorted(seqs)
    assert contents == [str(n) for n in range(len(contents))]


@CODECS
async def test_commands_in_one_packet_with_hello_are_acted_on_in_order(home: Place, codec: Codec) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.upgraded(codec=codec)
    talk.say({"type": "hello", "token": alice.token}, *early_commands(channel_id))
    await answers_in_order(talk)


@CODECS
@pytest.mark.parametrize("by_header", [True, False], ids=["header", "hello"])
async def test_commands_in_one_packet_with_the_upgrade_are_acted_on_in_order(
    home: Place, codec: Codec, by_header: bool
) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    wire = await home.wire()
    talk = Talk(wire, codec)
    hello = () if by_header else ({"type": "hello", "token": alice.token},)
    frames = [talk.frame(command) for command in (*hello, *early_commands(channel_id))]
    wire.write(upgrade_request(alice.token if by_header else None, codec) + b"".join(frames))
    assert (await wire.response()).status == 101
    await answers_in_order(talk)


async def test_bytes_that_come_while_the_token_is_looked_up_are_not_lost(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    asked, may_answer = asyncio.Event(), asyncio.Event()
    authenticate = home.context.authenticator.authenticate

    async def slowly(token: str) -> Any:
        asked.set()
        await may_answer.wait()
        return await authenticate(token)

    monkeypatch.setattr(home.context.authenticator, "authenticate", slowly)
    wire = await home.wire()
    wire.write(upgrade_request(alice.token))
    await asked.wait()
    talk = Talk(wire, JSON)
    padded = b'{"type":"ping"}' + b" " * 60_000
    talk.say(*[padded] * 20)
    may_answer.set()
    assert (await wire.response()).status == 101
    assert (await talk.next())["type"] == "ready"
    assert [(await talk.next())["type"] for _ in range(20)] == ["pong"] * 20


async def test_the_head_of_a_request_may_come_byte_by_byte(home: Place) -> None:
    alice = await home.person("alice")
    wire = await home.wire()
    for byte in upgrade_request(alice.token):
        wire.write(bytes([byte]))
        await asyncio.sleep(0)
    assert (await wire.response()).status == 101
    assert (await Talk(wire, JSON).next())["type"] == "ready"


# Subprotocols, origins, requests that are not upgrades.


@pytest.mark.parametrize(
    ("offer", "codec", "answer"),
    [
        (None, JSON, None),
        ("parley.v1.msgpack", MSGPACK, "parley.v1.msgpack"),
        ("other, parley.v1.msgpack, parley.v1.json", MSGPACK, "parley.v1.msgpack"),
        ("parley.v1.json,parley.v1.msgpack", JSON, "parley.v1.json"),
    ],
)
async def test_the_first_subprotocol_that_we_speak_is_chosen(
    home: Place, offer: str | None, codec: Codec, answer: str | None
) -> None:
    alice = await home.person("alice")
    wire = await home.wire()
    wire.write(upgrade_request(alice.token, Sec_WebSocket_Protocol=offer))
    head = await wire.response()
    assert (head.status, head.headers.get("sec-websocket-protocol")) == (101, answer)
    assert "sec-websocket-extensions" not in head.headers
    assert (await Talk(wire, codec).next())["type"] == "ready"


async def test_no_extension_is_agreed_to(home: Place) -> None:
    wire = await home.wire()
    wire.write(upgrade_request(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"))
    head = await wire.response()
    assert (head.status, head.headers.get("sec-websocket-extensions")) == (101, None)


NOT_UPGRADES = [
    (upgrade_request(Sec_WebSocket_Protocol="chat"), (400, "malformed")),
    (upgrade_request(Origin="https://evil.example"), (403, "forbidden")),
    (upgrade_request(Origin="null"), (403, "forbidden")),
    (upgrade_request(Upgrade=None), (426, "unsupported")),
    (upgrade_request(Upgrade="websocket, other"), (400, "malformed")),
    (upgrade_request(Upgrade="other, websocket"), (400, "malformed")),
    (upgrade_request(Upgrade="h2c\r\nUpgrade: websocket"), (400, "malformed")),
    (upgrade_request().replace(b"HTTP/1.1", b"HTTP/1.0"), (400, "malformed")),
    (upgrade_request(Sec_WebSocket_Version="8"), (426, "unsupported")),
    (upgrade_request(Sec_WebSocket_Key="short"), (400, "malformed")),
    (upgrade_request(Content_Length="5") + b"hello", (400, "malformed")),
    (upgrade_request(Transfer_Encoding="chunked") + b"0\r\n\r\n", (400, "malformed")),
    (upgrade_request().replace(b"GET", b"POST"), (405, "unsupported")),
]


@pytest.mark.parametrize(("request_", "answer"), NOT_UPGRADES)
async def test_what_is_no_upgrade_is_refused_as_a_problem(
    home: Place, request_: bytes, answer: tuple[int, str]
) -> None:
    assert await home.refused(request_) == answer
    assert len(home.registry) == 0


async def test_a_page_of_this_host_and_one_that_is_allowed_may_connect(quick_settings: Settings) -> None:
    async with place(quick_settings, cors_origins=("https://app.example",)) as home:
        for origin in ("http://localhost", "https://app.example"):
            await home.upgraded(Origin=origin)
        assert await home.refused(upgrade_request(Origin="https://other.example")) == (403, "forbidden")


async def test_our_own_pages_may_connect_though_a_proxy_changes_the_host(
    quick_settings: Settings,
) -> None:
    async with place(quick_settings, public_url="https://chat.example/parley") as home:
        await home.upgraded(Origin="https://chat.example")
        assert await home.refused(upgrade_request(Origin="https://app.example")) == (403, "forbidden")
    async with place(quick_settings, domain="chat.example") as home:
        for origin in ("https://chat.example", "http://chat.example"):
            await home.upgraded(Origin=origin)
        assert await home.refused(upgrade_request(Origin="https://chat.example:8443")) == (403, "forbidden")


async def test_a_request_behind_a_refused_upgrade_is_answered_as_what_it_is(home: Place) -> None:
    wire = await home.wire()
    wire.write(upgrade_request("nonsense") + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [(await wire.response()).status for _ in range(2)] == [401, 200]


async def test_a_request_behind_an_accepted_upgrade_is_no_request(home: Place) -> None:
    wire = await home.wire()
    wire.write(upgrade_request() + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await wire.response()).status == 101
    assert await Talk(wire, JSON).ended() == 1002


async def test_an_upgrade_behind_another_request_is_answered_after_it(home: Place) -> None:
    alice = await home.person("alice")
    wire = await home.wire()
    talk = Talk(wire, JSON)
    upgrade = upgrade_request(Connection="keep-alive, Upgrade", Upgrade="WebSocket")
    wire.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + upgrade)
    talk.say({"type": "hello", "token": alice.token}, {"type": "ping"})
    assert [(await wire.response()).status for _ in range(2)] == [200, 101]
    assert [(await talk.next())["type"] for _ in range(2)] == ["ready", "pong"]


# Room.


async def test_over_the_total_a_connection_is_refused_until_another_leaves(quick_settings: Settings) -> None:
    async with place(quick_settings, max_total_websocket_connections=2) as home:
        alice = await home.person("alice")
        first, _ = await home.live(alice), await home.upgraded()
        assert await home.refused(upgrade_request(alice.token)) == (503, "overloaded")
        first.say(b"")
        await first.ended()
        await home.live(alice)


async def test_many_upgrades_at_once_do_not_exceed_the_total(quick_settings: Settings) -> None:
    async with place(quick_settings, max_total_websocket_connections=3) as home:
        people = [await home.person(f"user{n}") for n in range(8)]
        wires = [await home.wire() for _ in people]
        for wire, person in zip(wires, people, strict=True):
            wire.write(upgrade_request(person.token))
        statuses = sorted([(await wire.response()).status for wire in wires])
        assert statuses == [101] * 3 + [503] * 5
        assert len(home.registry) == 3


@pytest.mark.parametrize("by_header", [True, False], ids=["header", "hello"])
async def test_over_the_limit_of_a_user_a_socket_is_closed_until_another_leaves(
    quick_settings: Settings, by_header: bool
) -> None:
    async with place(quick_settings, max_websocket_connections_per_user=2) as home:
        alice, bob = await home.person("alice"), await home.person("bob")
        enter = home.live if by_header else home.resumed
        first, second = await enter(alice), await enter(alice)
        third = await home.upgraded(alice.token if by_header else None)
        if not by_header:
            third.say({"type": "hello", "token": alice.token})
        assert await third.ended() == 4429
        await enter(bob)
        assert await first.is_well()
        first.say(b"")
        await first.ended()
        await enter(alice)
        assert await second.is_well()
