"""Codec against shapes meant to hurt, random bytes and damaged commands: a refusal, and memory stays flat."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import JSON, KNOWN_TYPES, MSGPACK, Codec, Undecodable
from protocol.errors import Code
from tests.protocol.golden.examples import COMMANDS
from tests.protocol.reading import MALFORMED, read, refused

both = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
codecs = st.sampled_from((JSON, MSGPACK))


# Shapes meant to hurt


def nested(codec: Codec, depth: int) -> Iterator[bytes]:
    """Deep arrays: on top, in an unknown field, before the type, as an id, as a key, never closed."""
    if codec is JSON:
        deep = b"[" * depth + b"]" * depth
        objects = b'{"a":' * depth + b"1" + b"}" * depth
        yield from (deep, objects, b"[" * depth, b'{"a":' * depth)
        for value in (deep, objects, b"[" * depth):
            yield b'{"type":"ping","x":' + value + b"}"
            yield b'{"x":' + value + b',"type":"ping"}'
            yield b'{"type":"ping","id":' + value + b"}"
    else:
        deep = b"\x91" * depth + b"\x01"
        objects = b"\x81\xa1a" * depth + b"\x01"
        yield from (deep, objects, b"\x91" * depth)
        for value in (deep, objects):
            yield b"\x82\xa4type\xa4ping\xa1x" + value
            yield b"\x82\xa1x" + value + b"\xa4type\xa4ping"
            yield b"\x82\xa4type\xa4ping\xa2id" + value
            yield b"\x82" + value + b"\x01\xa4type\xa4ping"


@both
@pytest.mark.parametrize("depth", [10, 500, 1_000, 10_000, 30_000])
def test_deep_nesting_is_refused(codec: Codec, depth: int) -> None:
    for payload in nested(codec, depth):
        refused(codec, payload)


HUGE = [
    pytest.param(bytes.fromhex(head), id=head)
    for head in (
        *("dc ffff", "dd ffffffff", "dd 7fffffff", "dd 01000000"),
        *("de ffff", "df ffffffff", "df 7fffffff"),
        *("da ffff", "db ffffffff", "db 7fffffff"),
        *("c5 ffff", "c6 ffffffff", "c6 7fffffff"),
        *("c8 ffff 01", "c9 ffffffff 01", "c9 ffffffff ff"),
    )
]


@pytest.mark.parametrize("head", HUGE)
def test_a_huge_declared_length_is_malformed_and_takes_no_memory(head: bytes) -> None:
    tracemalloc.start()
    for before in (
        b"",
        b"\x81",
        b"\x82\xa4type",
        b"\x82\xa4type\xa4ping\xa2id",
        b"\x82\xa4type\xa4ping\xa1x",
        b"\x83\xa4type\xa5hello\xa5token",
        b"\x83\xa4type\xa5hello\xa5token\xa1t\xa6resume",
        b"\x85\xa4type\xa4send\xaaattachments",
    ):
        for after in (b"", b"\x01" * 100, b"\x82\xaachannel_id\x01\xa3seq\x01" * 100):
            assert refused(MSGPACK, before + head + after)[0] is Code.MALFORMED
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


# Fuzz


@given(codecs, st.binary(max_size=200))
def test_random_bytes_are_refused(codec: Codec, payload: bytes) -> None:
    assert refused(codec, payload) == MALFORMED


field_names = sorted({field for example in COMMANDS.values() for field in example.__struct_encode_fields__})
text = st.text(alphabet='a0-\0\n"\\é世🌍', max_size=70)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@given(
    codecs,
    st.sampled_from(sorted(KNOWN_TYPES)),
    st.dictionaries(st.sampled_from(field_names), json_values, max_size=5),
)
def test_a_known_type_with_any_fields_is_taken_or_invalid(
    codec: Codec, kind: str, fields: dict[str, Any]
) -> None:
    payload = (
        json.dumps({**fields, "type": kind}).encode() if codec is JSON else packed({**fields, "type": kind})
    )
    result = read(codec, payload)
    if isinstance(result, Undecodable):
        assert result.refusal.code is Code.INVALID


def packed(value: Any) -> bytes:
    """MessagePack of what fits into it; integers that do not are sent as its largest."""
    match value:
        case dict():
            pairs = [packed(str(key)) + packed(inner) for key, inner in value.items()]
            return bytes([0x80 | len(pairs)]) + b"".join(pairs)
        case list():
            return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
        case int() if not -(2**63) <= value < 2**64:
            return b"\xcf" + b"\xff" * 8
        case _:
            return msgspec.msgpack.encode(value)


@given(codecs, st.sampled_from(sorted(COMMANDS)), st.data())
def test_damaged_commands_are_commands_or_refused(codec: Codec, name: str, data: st.DataObject) -> None:
    payload = bytearray(codec.encode(COMMANDS[name]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(payload)))
        end = data.draw(st.integers(start, min(len(payload), start + 4)))
        payload[start:end] = data.draw(st.binary(max_size=6))
    read(codec, bytes(payload))
