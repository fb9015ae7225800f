"""Tools: methods of an agent that a model may use. What they take is said by types, like a route's body.

A tool is an async method marked with `@tool`. Behind `self` and `call` its parameters are its arguments; its
docstring tells the model what it does. It answers anything that msgspec can encode, and raises `Refused`.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from actors.channel_commands import Identity
from protocol.agents import CallKey

ToolMethod = TypeVar("ToolMethod", bound=Callable[..., Awaitable[Any]])
Schema = dict[str, Any]

_MARK: Final = "is_tool"


class ToolCall(Struct, frozen=True):
    """On whose behalf a tool acts, and which call this is: what it changes is changed once for each key."""

    by: Identity
    key: CallKey


class Tool(Struct, frozen=True):
    """A tool as a model is told of it, and how it is used. `schema` is JSON Schema of its arguments."""

    name: str
    description: str
    schema: Schema
    arguments: msgspec.json.Decoder[Any]
    method: Callable[..., Awaitable[Any]]


def tool(method: ToolMethod) -> ToolMethod:
    """Let models use this method."""
    method.__dict__[_MARK] = True
    return method


def tools_of(kind: type) -> Mapping[str, Tool]:
    """The tools of a class of agents, by name."""
    methods = [getattr(kind, name) for name in dir(kind)]
    return {each.__name__: _tool_of(each) for each in methods if getattr(each, _MARK, False)}


def make_tool(name: str, description: str, method: Callable[..., Awaitable[Any]], fields: list[Any]) -> Tool:
    """A tool of these fields, as `msgspec.defstruct` takes them."""
    arguments = msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)
    return Tool(name, description, schema_of(arguments), msgspec.json.Decoder(arguments), method)


def schema_of(arguments: type[Struct]) -> Schema:
    """With the definitions that it refers to inside, as models take it."""
    (reference,), definitions = msgspec.json.schema_components((arguments,), ref_template="#/$defs/{name}")
    schema: Schema = definitions.pop(reference["$ref"].rpartition("/")[2])
    schema.pop("title", None)
    return schema | ({"$defs": definitions} if definitions else {})


def _tool_of(method: Callable[..., Awaitable[Any]]) -> Tool:
    hints = get_type_hints(method, include_extras=True)
    parameters = list(inspect.signature(method).parameters.values())[2:]
    fields = [_field(parameter, hints[parameter.name]) for parameter in parameters]
    return make_tool(method.__name__, inspect.getdoc(method) or "", method, fields)


def _field(parameter: inspect.Parameter, kind: Any) -> Any:
    if parameter.default is inspect.Parameter.empty:
        return parameter.name, kind
    return parameter.name, kind, parameter.default
