"""Hostile bytes on a live socket: the contract's code, heard to the last frame, and nobody else harmed."""

import gc
import struct
import tracemalloc
import zlib
from typing import Any

import pytest

from protocol.codec import JSON, MSGPACK, Codec
from protocol.frames import BINARY, CONTINUATION, PING, PONG, TEXT, client_frame, server_frame
from tests.server.talking import MASK, Place, Talk

CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
FRAME_MAX = 65_536

DEEP_JSON = b'{"type":"ping","t":' + b"[" * 60_000
DEEP_MSGPACK = b"\x82\xa4type\xa4ping\xa1t" + b"\x91" * 60_000
HUGE_MSGPACK = b"\x82\xa4type\xa4send\xa7content\xdb\xff\xff\xff\xff"
HUGE_ARRAY = b"\x82\xa4type\xa5hello\xa6resume\xdd\xff\xff\xff\xff"


def raw(first: int, length: int, payload: bytes = b"") -> bytes:
    """A frame whose header says what it likes."""
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    return head + MASK + payload


def part(first: int, payload: bytes) -> bytes:
    """A frame with this first byte."""
    return bytes([first]) + client_frame(TEXT, payload, MASK)[1:]


async def witness(home: Place) -> Talk:
    """Somebody else's socket, to be well when all is over."""
    return await home.live(await home.person("witness"))


MALFORMED_JSON = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"ping"',
    b"{}",
    b'{"type":1}',
    b'{"type":null}',
    b'{"type":"nonsense"}',
    b'{"type":"ping"} trailing',
    b'{"type":"ping","t":NaN}',
    b'{"type":"ping","t":Infinity}',
    b'{"type":"ping","id":"\xff"}',
    b'\xef\xbb\xbf{"type":"ping"}',
    b'{"type":"ping","id":"\\ud800"}',
    b'\x00{"type":"ping"}',
    DEEP_JSON,
]
MALFORMED_MSGPACK = [
    b"",
    b"\xc0",
    b"\x80",
    b"\x90",
    b"\xc1",
    b"\x81\xa4type",
    b"\x81\xa4type\x01",
    b"\x81\xa4type\xa8nonsense",
    b"\x81\xa4type\xa4ping\xc0",
    b"\x82\xa4type\xa4ping\xa2id\xa1\xff",
    HUGE_MSGPACK,
    HUGE_ARRAY,
    DEEP_MSGPACK,
]


@CODECS
async def test_what_cannot_be_read_ends_the_socket_after_an_error(
    home: Place, codec: Codec, subtests: pytest.Subtests
) -> None:
    other, alice = await witness(home), await home.person("alice")
    for payload in MALFORMED_JSON if codec is JSON else MALFORMED_MSGPACK:
        with subtests.test(payload=payload[:40]):
            talk = await home.live(alice, codec)
            talk.say(payload, {"type": "ping"})
            assert await talk.ended() == 4400
            error = talk.events[-1]
            assert (error["type"], error["code"], error["retryable"]) == ("error", "malformed", False)
    assert await other.is_well()


@CODECS
async def test_wrong_fields_are_named_and_the_socket_stays_open(home: Place, codec: Codec) -> None:
    talk = await home.live(await home.person("alice"), codec)
    ok = {"type": "send", "channel_id": 1, "content": "x", "nonce": "n"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"type": "send", "channel_id": 1, "nonce": "n"}, "content"),
        (ok | {"surprise": 1}, "surprise"),
        (ok | {"sender_id": 1}, "sender_id"),
        (ok | {"is_superuser": True}, "is_superuser"),
        (ok | {"channel_id": "1"}, "channel_id"),
        (ok | {"channel_id": 0}, "channel_id"),
        (ok | {"channel_id": -1}, "channel_id"),
        (ok | {"channel_id": 2**53 + 1}, "channel_id"),
        (ok | {"channel_id": 1.5}, "channel_id"),
        (ok | {"channel_id": True}, "channel_id"),
        (ok | {"channel_id": {"$gt": 0}}, "channel_id"),
        (ok | {"recipient_id": 1}, "channel_id"),
        (ok | {"content": ""}, "content"),
        (ok | {"content": "x" * 16_001}, "content"),
        (ok | {"content": ["x"]}, "content"),
        (ok | {"content": {"text": "x"}}, "content"),
        (ok | {"content": "nul\0"}, "content"),
        (ok | {"nonce": ""}, "nonce"),
        (ok | {"nonce": "n" * 65}, "nonce"),
        (ok | {"attachments": [1] * 11}, "attachments"),
        (ok | {"attachments": ["1"]}, "attachments[0]"),
        ({"type": "history", "channel_id": 1, "limit": 0}, "limit"),
        ({"type": "history", "channel_id": 1, "before": -1}, "before"),
        ({"type": "sync", "channel_id": 1}, "from"),
        ({"type": "presence", "status": "gone"}, "status"),
        ({"type": "ping", "t": 2.0**60}, "t"),
        ({"type": "hello"}, "token"),
        ({"type": "auth", "token": 7}, "token"),
    ]
    for command, field in wrong:
        error = await talk.ask(command)
        assert (error["type"], error["code"], error["field"]) == ("error", "invalid", field)
    assert await talk.is_well()


async def test_an_integer_over_64_bits_is_invalid(home: Place) -> None:
    talk = await home.live(await home.person("alice"))
    talk.say(b'{"type":"read","id":"1","channel_id":%d,"seq":1}' % 2**65)
    error = await talk.next()
    assert (error["code"], error["field"], error["reply_to"]) == ("invalid", "channel_id", "1")
    assert await talk.is_well()


@pytest.mark.parametrize(("codec", "opcode"), [(JSON, BINARY), (MSGPACK, TEXT)], ids=["json", "msgpack"])
async def test_the_other_kind_of_frame_is_malformed(home: Place, codec: Codec, opcode: int) -> None:
    talk = await home.live(await home.person("alice"), codec)
    talk.wire.write(talk.frame({"type": "ping"}, opcode))
    assert await talk.ended() == 4400
    assert talk.events[-1]["code"] == "malformed"


BOMB = zlib.compress(bytes(60_000_000))
VIOLATIONS = [
    ("too large", raw(0x81, FRAME_MAX + 1, b"x" * (FRAME_MAX + 1)), 1009),
    ("too large, payload still to come", raw(0x81, FRAME_MAX + 1), 1009),
    ("a gigabyte announced", raw(0x81, 1 << 30, b"x" * 100_000), 1009),
    ("2^63 - 1 announced", raw(0x81, (1 << 63) - 1, b"x" * 1000), 1009),
    ("2^63 announced", raw(0x81, 1 << 63, b"x" * 1000), 1002),
    ("fragments that add up", raw(0x01, 40_000, b"x" * 40_000) + raw(0x80, 30_000, b"x" * 30_000), 1009),
    ("fragments for ever", raw(0x01, 1, b"x") + raw(CONTINUATION, 0) * 5_000, 1009),
    ("unmasked", server_frame(TEXT, b'{"type":"ping"}'), 1002),
    ("compressed without an agreement", raw(0xC1, 4, b"abcd"), 1002),
    ("a deflate bomb", raw(0xC1, len(BOMB), BOMB), 1002),
    ("reserved bit 2", raw(0xA1, 4, b"abcd"), 1002),
    ("reserved bit 3", raw(0x91, 4, b"abcd"), 1002),
    ("unknown opcode", raw(0x83, 0), 1002),
    ("unknown control opcode", raw(0x8B, 0), 1002),
    ("a ping too long", raw(0x89, 126, b"x" * 126), 1002),
    ("a ping in fragments", raw(0x09, 1, b"x"), 1002),
    ("a continuation of nothing", raw(0x80, 1, b"x"), 1002),
    ("a text within fragments", raw(0x01, 1, b"x") + raw(0x81, 1, b"x"), 1002),
    ("a length not in its shortest form", b"\x81\xfe\x00\x01" + MASK + b"x", 1002),
    ("a close of one byte", raw(0x88, 1, b"x"), 1002),
    ("a close with a reserved code", client_frame(0x8, b"\x03\xed", MASK), 1002),
    ("a close with a reason that is not UTF-8", client_frame(0x8, b"\x03\xe8\xff", MASK), 1007),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
]


async def test_a_violation_of_the_framing_ends_the_socket_with_its_code(
    home: Place, subtests: pytest.Subtests
) -> None:
    other, alice = await witness(home), await home.person("alice")
    for violation, data, code in VIOLATIONS:
        with subtests.test(violation):
            talk = await home.live(alice)
            talk.wire.write(data)
            assert await talk.ended() == code
    assert await other.is_well()


async def test_a_message_in_fragments_with_a_ping_in_between_is_heard(home: Place) -> None:
    talk = await home.live(await home.person("alice"))
    text = b'{"type":"ping"}'
    talk.wire.write(part(0x01, text[:8]) + part(0x89, b"in between"))
    talk.wire.write(part(CONTINUATION, text[8:9]) + part(0x80, text[9:]))
    assert (await talk.next())["type"] == "pong"
    assert await talk.pong() == b"in between"


async def test_the_largest_frame_is_taken(home: Place) -> None:
    talk = await home.live(await home.person("alice"))
    command = b'{"type":"ping"}'
    talk.say(command + b" " * (FRAME_MAX - len(command)))
    assert (await talk.next())["type"] == "pong"


async def test_a_megabyte_behind_a_violation_does_not_eat_the_answer(home: Place) -> None:
    talk = await home.live(await home.person("alice"))
    talk.say(b"{")
    talk.wire.write(b"x" * 4_000_000)
    assert await talk.ended() == 4400
    assert talk.events[-1]["code"] == "malformed"


async def test_before_hello_the_same_limits_hold(home: Place, subtests: pytest.Subtests) -> None:
    other = await witness(home)
    for violation, data, code in [*VIOLATIONS, ("no JSON", raw(0x81, 1, b"x"), 4400)]:
        with subtests.test(violation):
            talk = await home.upgraded()
            talk.wire.write(data)
            assert await talk.ended() == code
    assert await other.is_well()


# Floods.


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_a_flood_of_empty_control_frames_ends_the_socket(home: Place, opcode: int) -> None:
    other, talk = await witness(home), await home.live(await home.person("alice"))
    talk.wire.write(client_frame(opcode, b"", MASK) * 43_000)
    assert await talk.ended() == 4429
    assert len(talk.pongs) <= 1000
    assert await other.is_well()


async def test_a_flood_of_invalid_commands_ends_the_socket(home: Place) -> None:
    talk = await home.live(await home.person("alice"))
    talk.wire.write(talk.frame({"type": "read"}) * 5_000)
    assert await talk.ended() == 4429


@CODECS
async def test_memory_stays_flat_whatever_is_announced(home: Place, codec: Codec) -> None:
    """Twenty sockets that each announce all they can and keep it half said."""
    for _ in range(2):
        talk = await home.upgraded(codec=codec)
        talk.say(HUGE_MSGPACK if codec is MSGPACK else DEEP_JSON)
        await talk.ended()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for payload in [HUGE_MSGPACK, HUGE_ARRAY, DEEP_MSGPACK, DEEP_JSON] * 5:
        talk = await home.upgraded(codec=codec)
        talk.wire.write(raw(0x80 | codec.opcode, FRAME_MAX, b"x" * 1000))
        talk = await home.upgraded(codec=codec)
        talk.wire.write(raw(0xC0 | codec.opcode, len(BOMB), BOMB))
        await talk.ended()
        talk = await home.upgraded(codec=codec)
        talk.say(payload)
        await talk.ended()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 4_000_000
