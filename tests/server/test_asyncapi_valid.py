"""The description of the socket is valid AsyncAPI, and what goes over the wire is as it says.

`asyncapi_schema/` holds the official JSON Schema of AsyncAPI 3.0.0, unchanged, under its own licence.
"""

import gzip
import json
from pathlib import Path
from typing import Any, Final, get_args

import jsonschema_rs
import msgspec
import pytest

from protocol.commands import AnyCommand
from protocol.events import AnyEvent
from server.asyncapi import describe
from server.examples.socket import SOCKET_EXAMPLES
from tests.protocol.golden.examples import COMMANDS, EVENTS

SCHEMA: Any = json.loads(
    gzip.decompress((Path(__file__).parent / "asyncapi_schema/3.0.0.json.gz").read_bytes())
)
DOCUMENT: Any = msgspec.json.decode(msgspec.json.encode(describe(version="1.2.3")))
VALIDATOR: Final = jsonschema_rs.Draft7Validator(SCHEMA)
EXAMPLES: Final = {
    f"{name}, {type(example).__name__}": example for name, example in [*COMMANDS.items(), *EVENTS.items()]
}


def test_the_document_is_valid() -> None:
    assert [error.message for error in VALIDATOR.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "broken",
    [
        DOCUMENT | {"info": {}},
        DOCUMENT | {"operations": {"command": {"action": "shout", "channel": {"$ref": "#/channels/socket"}}}},
        DOCUMENT | {"channels": {"socket": {"messages": []}}},
    ],
    ids=["info", "action", "messages"],
)
def test_a_broken_document_would_not_be(broken: Any) -> None:
    assert not VALIDATOR.is_valid(broken)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_goes_over_the_wire_is_as_described(name: str) -> None:
    example = EXAMPLES[name]
    schema = {"$ref": f"#/components/schemas/{type(example).__name__}", "components": DOCUMENT["components"]}
    said = msgspec.json.decode(msgspec.json.encode(example))
    jsonschema_rs.Draft202012Validator(schema).validate(said)


def test_all_that_goes_over_the_wire_has_an_example() -> None:
    kinds = {type(example) for example in EXAMPLES.values()}
    assert kinds >= {*get_args(AnyCommand), *get_args(AnyEvent)}


@pytest.mark.parametrize("kind", [*get_args(AnyCommand), *get_args(AnyEvent)], ids=lambda kind: kind.__name__)
def test_every_command_and_event_shows_an_example_that_is_one(kind: Any) -> None:
    (example,) = DOCUMENT["components"]["messages"][kind.__name__]["examples"]
    union: Any = AnyCommand if kind in get_args(AnyCommand) else AnyEvent
    read = msgspec.json.decode(msgspec.json.encode(example["payload"]), type=union)
    assert (type(read), read) == (kind, SOCKET_EXAMPLES[kind])
    schema = {"$ref": f"#/components/schemas/{kind.__name__}", "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(example["payload"])
