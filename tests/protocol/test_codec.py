"""Codec: whatever a client sends becomes a command or a refusal that names the field, in either encoding."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from protocol.codec import CODECS, JSON, MSGPACK, Codec
from protocol.commands import Auth, Ping, Send
from protocol.errors import Code
from protocol.events import Ack, AnyEvent, Pong
from protocol.frames import BINARY, TEXT, FrameParser
from tests.protocol.golden.examples import COMMANDS
from tests.protocol.reading import MALFORMED, read, refused

both = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
SEND = {"type": "send", "channel_id": 7, "content": "hi", "nonce": "n"}


def test_the_two_codecs_are_found_by_subprotocol() -> None:
    assert CODECS == {"parley.v1.json": JSON, "parley.v1.msgpack": MSGPACK}
    assert (JSON.opcode, MSGPACK.opcode) == (TEXT, BINARY)


@both
def test_frames_are_joined_in_order_and_hold_what_was_encoded(codec: Codec) -> None:
    events: list[AnyEvent] = [Pong(t=1), Ack(reply_to="a"), Pong(t=2)]
    wire = codec.frames(events)
    assert wire == b"".join(map(codec.frame, events))
    received = FrameParser(1000, masked=False).feed(wire)
    assert received == [(codec.opcode, codec.encode(event)) for event in events]


# Malformed: closes the socket


@both
@pytest.mark.parametrize("content", [None, True, 1, 1.5, "send", [], ["send"], {}, {"a": 1}])
def test_what_is_no_object_with_a_type_is_malformed(codec: Codec, content: object) -> None:
    assert refused(codec, content) == MALFORMED


@both
@pytest.mark.parametrize("kind", [None, 1, ["send"], {"send": 1}, "", "Send", "nope", "n" * 60_000])
def test_an_unknown_type_is_malformed(codec: Codec, kind: object) -> None:
    assert refused(codec, {"type": kind, "id": "a"}) == MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"hello",
        b'{"type":"ping"',
        b'{"type":"ping",}',
        b"{'type':'ping'}",
        b'{"type":"ping"}{"type":"ping"}',
        b'\xef\xbb\xbf{"type":"ping"}',
        '{"type":"ping"}'.encode("utf-16"),
        b'{"type":"ping","t":NaN}',
        b'{"type":"ping","t":-Infinity}',
        b'{"type":"ping","t":01}',
        b'{"type":"auth","token":"\xff"}',
        b'{"type":"auth","token":"\xc0\xaf"}',
        b'{"type":"auth","token":"\xed\xa0\x80"}',
        b'{"type":"auth","token":"\\ud800"}',
        b'{"type":"auth","token":"\\udc00\\ud800"}',
        b'{"type":"auth","token":"\\x"}',
        b'{"type":"auth","token":"\x00"}',
        b'{"type":"auth","token":"\n"}',
        b'{"type":"\xff"}',
        b'{"\xff":"ping"}',
    ],
)
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    assert refused(JSON, text) == MALFORMED


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xc1",
        b"\x81\xa4type",
        b"\x81\xa4type\xa4ping\x00",
        b"\x81\xa4type\xa4pin",
        b"\x82\xa4type\xa4auth\xa5token\xa1\xff",
        b"\x82\xa4type\xa4auth\xa5token\xa3\xed\xa0\x80",
        b"\x81\xa4type\xa1\xff",
        b"\x81\xa1\xff\xa4ping",
        b"\x81\xa4type\xc4\x04ping",
        b"\x81\xc4\x04type\xa4ping",
        b"\x82\xa4type\xa4ping\x01\x01",
        b"\xd6\xff\x00\x00\x00\x00",
    ],
)
def test_what_is_no_msgpack_is_malformed(packed: bytes) -> None:
    assert refused(MSGPACK, packed) == MALFORMED


@both
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_cut_anywhere_is_malformed(codec: Codec, name: str) -> None:
    whole = codec.encode(COMMANDS[name])
    for end in range(len(whole)):
        assert refused(codec, whole[:end]) == MALFORMED


# Invalid: names the field, and the socket stays open


def fields_of(kind: type) -> Iterator[tuple[str, inspect.Type, bool]]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        yield field.encode_name, field.type, field.required


def kinds_in(kind: inspect.Type) -> set[str]:
    """The kinds of plain data that a type takes; a literal is taken for a type without any."""
    match kind:
        case inspect.UnionType(types=types):
            return set().union(*map(kinds_in, types))
        case inspect.IntType():
            return {"int"}
        case inspect.FloatType():
            return {"int", "float"}
        case inspect.StrType():
            return {"str"}
        case inspect.NoneType():
            return {"null"}
        case inspect.ListType():
            return {"list"}
        case _:
            return set()


SAMPLES: dict[str, Any] = {
    "null": None,
    "bool": True,
    "int": 1,
    "float": 1.5,
    "str": "x",
    "list": [],
    "dict": {},
    "bytes": b"x",
}
FIELDS = [
    (name, field, kind) for name, example in COMMANDS.items() for field, kind, _ in fields_of(type(example))
]


def required_of(name: str) -> set[str]:
    return {field for field, _, required in fields_of(type(COMMANDS[name])) if required}


def fields_taking(kind: str) -> list[tuple[str, str]]:
    return [(name, field) for name, field, type_ in FIELDS if kind in kinds_in(type_)]


def plain(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(JSON.encode(COMMANDS[name]))
    return data


@both
@pytest.mark.parametrize(("name", "field", "kind"), FIELDS)
def test_a_value_of_the_wrong_type_is_invalid_and_named(
    codec: Codec, name: str, field: str, kind: inspect.Type
) -> None:
    unfit = SAMPLES.keys() - kinds_in(kind)
    if codec is JSON and "str" in kinds_in(kind):
        unfit -= {"bytes"}  # which is text in base64
    assert unfit
    for sample in unfit:
        reply_to = None if field == "id" else "q"
        content = {**plain(name), "id": "q", field: SAMPLES[sample]}
        assert refused(codec, content) == (Code.INVALID, field, reply_to), sample


@both
@pytest.mark.parametrize(("name", "field"), fields_taking("int"))
def test_an_integer_beyond_2_to_the_53_is_invalid_everywhere(codec: Codec, name: str, field: str) -> None:
    for number in (2**53 + 1, 2**63, 2**64 - 1, -(2**53) - 1, -(2**63)):
        assert refused(codec, {**plain(name), field: number})[:2] == (Code.INVALID, field)


@pytest.mark.parametrize(("name", "field"), fields_taking("int"))
def test_an_integer_of_any_length_is_invalid_in_json(name: str, field: str) -> None:
    for digits in (20, 400, 5_000, 60_000):
        text = JSON.encode({**plain(name), field: "#"}).replace(b'"#"', b"9" * digits)
        assert refused(JSON, text)[:2] == (Code.INVALID, field)


@both
@pytest.mark.parametrize(("name", "field"), fields_taking("str"))
def test_a_nul_character_is_invalid_in_every_text(codec: Codec, name: str, field: str) -> None:
    reply_to = None if field == "id" else "q"
    for text in ("\0", "a\0b", "ab\0"):
        content = {**plain(name), "id": "q", field: text}
        if field == "join_code":
            content.pop("channel_id", None)
        assert refused(codec, content) == (Code.INVALID, field, reply_to)


def test_what_only_looks_like_a_nul_passes() -> None:
    literal = read(JSON, b'{"type":"auth","token":"\\\\u0000"}')
    assert literal == Auth(token="\\u0000")
    assert read(MSGPACK, MSGPACK.encode(Ping(t=2**40))) == Ping(t=2**40)


@both
@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, field, _ in FIELDS if field in required_of(name)]
)
def test_a_missing_field_is_invalid_and_named(codec: Codec, name: str, field: str) -> None:
    content = {key: value for key, value in plain(name).items() if key != field}
    assert refused(codec, {**content, "id": "q"}) == (Code.INVALID, field, "q")


@both
@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_field_is_invalid_and_named(codec: Codec, name: str) -> None:
    for extra in ("is_superuser", "sender_id", "tag", "x`y", "from_", ""):
        assert refused(codec, {**plain(name), "id": "q", extra: [1]}) == (Code.INVALID, extra or None, "q")


@both
def test_an_unknown_field_is_named_in_short(codec: Codec) -> None:
    assert refused(codec, {**SEND, "x" * 60_000: 1}) == (Code.INVALID, "x" * 64, None)


@both
@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({**SEND, "content": ""}, "content"),
        ({**SEND, "content": "x" * 16_001}, "content"),
        ({**SEND, "nonce": ""}, "nonce"),
        ({**SEND, "nonce": "n" * 65}, "nonce"),
        ({**SEND, "channel_id": 0}, "channel_id"),
        ({**SEND, "recipient_id": 2}, "channel_id"),
        ({key: value for key, value in SEND.items() if key != "channel_id"}, "channel_id"),
        ({**SEND, "attachments": [1, "2"]}, "attachments[1]"),
        ({**SEND, "attachments": [0]}, "attachments[0]"),
        ({**SEND, "attachments": [1] * 11}, "attachments"),
        ({"type": "join"}, "channel_id"),
        ({"type": "join", "channel_id": 1, "join_code": "x"}, "channel_id"),
        ({"type": "join", "join_code": ""}, "join_code"),
        ({"type": "history", "channel_id": 1, "limit": 0}, "limit"),
        ({"type": "read", "channel_id": 1, "seq": -1}, "seq"),
        ({"type": "presence", "status": "offline"}, "status"),
        ({"type": "hello", "token": "t", "resume": [{"channel_id": 1}]}, "resume[0].seq"),
        ({"type": "hello", "token": "t", "resume": [{"channel_id": 1, "seq": -1}]}, "resume[0].seq"),
        ({"type": "hello", "token": "t", "resume": [{"channel_id": 1, "seq": 1, "x": 1}]}, "resume[0].x"),
        ({"type": "hello", "token": "t", "resume": [{"channel_id": 1, "seq": 1}] * 1001}, "resume"),
    ],
)
def test_a_value_out_of_range_is_invalid_and_named(codec: Codec, content: object, field: str) -> None:
    assert refused(codec, content) == (Code.INVALID, field, None)


@both
def test_the_limits_themselves_are_within(codec: Codec) -> None:
    longest = Send(
        id="i" * 64, channel_id=2**53, content="\u4e16" * 16_000, nonce="n" * 64, attachments=[1] * 10
    )
    assert read(codec, codec.encode(longest)) == longest


@both
def test_an_id_too_long_is_not_echoed(codec: Codec) -> None:
    assert refused(codec, {"type": "ping", "id": "i" * 65}) == (Code.INVALID, "id", None)
    assert refused(codec, {"type": "ping", "id": "i" * 65, "t": "x"})[2] is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1e300])
def test_a_number_that_json_cannot_answer_is_invalid(number: float) -> None:
    packed = b"\x82\xa4type\xa4ping\xa1t\xcb" + struct.pack(">d", number)
    assert refused(MSGPACK, packed) == (Code.INVALID, "t", None)


def test_a_float_out_of_range_is_invalid_in_json() -> None:
    assert refused(JSON, b'{"type":"ping","t":1e400}') == (Code.INVALID, "t", None)


def test_the_last_of_repeated_fields_counts_but_not_a_second_type() -> None:
    assert read(JSON, b'{"type":"auth","token":"a","token":"b"}') == Auth(token="b")
    assert refused(JSON, b'{"type":"ping","type":"auth","token":"b"}') == (Code.INVALID, "type", None)
