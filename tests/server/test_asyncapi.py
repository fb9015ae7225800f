"""The description of the socket: every command and event, with nothing that leads nowhere."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from protocol.commands import AnyCommand
from protocol.errors import Code
from protocol.events import AnyEvent
from server.asyncapi import describe
from tests.server.commands.conftest import Run, folder, parley

__all__ = ["folder", "parley"]


@pytest.fixture
def document() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(json.dumps(describe(version="1.2.3")))
    return described


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_command_is_received_and_every_event_is_sent(document: dict[str, Any]) -> None:
    operations = document["operations"]
    for operation, action, union in (("command", "receive", AnyCommand), ("event", "send", AnyEvent)):
        assert operations[operation]["action"] == action
        named = {message["$ref"].rpartition("/")[2] for message in operations[operation]["messages"]}
        assert named == {kind.__name__ for kind in get_args(union)}


def test_messages_bear_the_name_that_is_on_the_wire(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    assert messages["EditCommand"]["name"] == "edit"
    assert messages["NewMessage"]["name"] == "new_message"
    schema = document["components"]["schemas"]["NewMessage"]
    assert schema["properties"]["type"] == {"enum": ["new_message"]}
    assert {"type", "channel_id", "seq", "message"} <= set(schema["required"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_what_every_error_means_is_told(document: dict[str, Any]) -> None:
    assert document["x-errors"].keys() == {code.value for code in Code}
    assert document["x-errors"]["rate_limited"] == {
        "title": "Too many requests",
        "retryable": True,
        "close": 4429,
    }


def test_the_commands_print_the_descriptions(parley: Run) -> None:
    assert json.loads(parley("asyncapi").out)["asyncapi"] == "3.0.0"
    assert "/auth/login" in json.loads(parley("openapi").out)["paths"]
