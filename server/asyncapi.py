"""The AsyncAPI 3.0 description of the WebSocket protocol, generated from its structs."""

import inspect
from collections.abc import Iterable
from typing import Any, Final, get_args

import msgspec

from protocol.codec import CODECS
from protocol.commands import AnyCommand
from protocol.errors import MEANINGS, Code
from protocol.events import AnyEvent
from server.examples.socket import SOCKET_EXAMPLES

Document = dict[str, Any]
Kind = type[msgspec.Struct]

_REF: Final = "#/components/schemas/{name}"
_DESCRIPTION: Final = """\
One JSON object a text frame, or one MessagePack map a binary frame, as the subprotocol says. The first frame
is `hello`, unless the upgrade bore an Authorization header. Whatever answers a command names its `id` as
`reply_to`. Every change of a channel takes its next `seq`, so that a client knows that it has everything."""


def describe(*, version: str) -> Document:
    """The whole document. Nothing in it is written by hand but what the structs say."""
    commands, events = get_args(AnyCommand), get_args(AnyEvent)
    _, schemas = msgspec.json.schema_components([*commands, *events], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Parley", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/ws",
                "title": "The socket",
                "messages": {_name(kind): {"$ref": _message_ref(kind)} for kind in (*commands, *events)},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "command": _operation("receive", "What a client may ask.", commands),
            "event": _operation("send", "What the server says.", events),
        },
        "components": {
            "messages": {_name(kind): _message(kind) for kind in (*commands, *events)},
            "schemas": dict(schemas),
        },
        "x-subprotocols": list(CODECS),
        "x-errors": {code.value: _meaning(code) for code in Code},
    }


def _operation(action: str, summary: str, kinds: Iterable[Kind]) -> Document:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{_name(kind)}"} for kind in kinds],
    }


def _message(kind: Kind) -> Document:
    message: Document = {
        "name": _wire_type(kind),
        "payload": {"$ref": _REF.format(name=_name(kind))},
        "examples": [{"payload": msgspec.to_builtins(SOCKET_EXAMPLES[kind])}],
    }
    # A docstring that is inherited says something about all of them, not about this one.
    if kind.__doc__ and "__doc__" in vars(kind):
        message["summary"] = " ".join(inspect.cleandoc(kind.__doc__).split())
    return message


def _meaning(code: Code) -> Document:
    meaning = MEANINGS[code]
    return {"title": meaning.title, "retryable": meaning.retryable, "close": meaning.close}


def _message_ref(kind: Kind) -> str:
    return f"#/components/messages/{_name(kind)}"


def _wire_type(kind: Kind) -> str:
    return str(kind.__struct_config__.tag)


def _name(kind: Kind) -> str:
    return kind.__name__
