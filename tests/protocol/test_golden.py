"""The wire as it is: the bytes of every command and event in both encodings.

After a wanted change, `python -m tests.protocol.golden` writes the vectors anew.
"""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from protocol.codec import JSON, MSGPACK, Codec
from protocol.commands import AnyCommand
from protocol.events import AnyEvent
from tests.protocol.golden.examples import COMMANDS, EVENTS

VECTORS = json.loads((Path(__file__).parent / "golden" / "vectors.json").read_text(encoding="utf-8"))
EXAMPLES: dict[str, dict[str, Any]] = {"commands": dict(COMMANDS), "events": dict(EVENTS)}
UNIONS = {"commands": AnyCommand, "events": AnyEvent}

each_direction = pytest.mark.parametrize("direction", ["commands", "events"])
each_vector = pytest.mark.parametrize(
    ("direction", "name"), [(direction, name) for direction, vectors in VECTORS.items() for name in vectors]
)


def wire(direction: str, name: str, codec: Codec) -> bytes:
    vector = VECTORS[direction][name]
    return bytes.fromhex(vector["msgpack"]) if codec is MSGPACK else vector["json"].encode()


@each_direction
def test_every_member_of_the_union_has_a_vector(direction: str) -> None:
    assert {type(example) for example in EXAMPLES[direction].values()} == set(get_args(UNIONS[direction]))
    assert EXAMPLES[direction].keys() == VECTORS[direction].keys()


@each_direction
def test_every_field_of_every_type_is_seen_on_the_wire(direction: str) -> None:
    for kind in get_args(UNIONS[direction]):
        seen = {
            key
            for name, example in EXAMPLES[direction].items()
            if type(example) is kind
            for key in json.loads(VECTORS[direction][name]["json"])
        }
        optional_everywhere = {"id", "reply_to"}
        assert {*kind.__struct_encode_fields__, "type"} - optional_everywhere == seen - optional_everywhere, (
            kind
        )


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@each_vector
def test_the_bytes_are_these(direction: str, name: str, codec: Codec) -> None:
    assert codec.encode(EXAMPLES[direction][name]) == wire(direction, name, codec)


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@pytest.mark.parametrize("name", VECTORS["commands"])
def test_the_server_reads_the_command_from_these_bytes(name: str, codec: Codec) -> None:
    assert codec.decode(wire("commands", name, codec)) == COMMANDS[name]


@pytest.mark.parametrize("name", VECTORS["events"])
def test_a_client_reads_the_event_from_these_bytes(name: str) -> None:
    assert msgspec.json.decode(wire("events", name, JSON), type=AnyEvent) == EVENTS[name]
    assert msgspec.msgpack.decode(wire("events", name, MSGPACK), type=AnyEvent) == EVENTS[name]


@each_vector
def test_both_encodings_say_the_same(direction: str, name: str) -> None:
    unpacked = msgspec.to_builtins(msgspec.msgpack.decode(wire(direction, name, MSGPACK)))
    assert unpacked == json.loads(wire(direction, name, JSON))


def test_times_are_timestamps_in_msgpack() -> None:
    seconds = 1_893_585_900
    assert b"\xd6\xff" + seconds.to_bytes(4, "big") in wire("events", "message_delete", MSGPACK)
