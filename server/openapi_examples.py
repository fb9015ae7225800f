"""Examples in the OpenAPI description: those of the types, and of lists and choices made of them."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Final, get_args, get_origin

import msgspec

from server.paging import Page

Document = dict[str, Any]

_REF: Final = "#/components/examples/{name}"


class Examples:
    """`values` are by type; `components` gathers, by name, those that have been asked for."""

    def __init__(self, values: Mapping[Any, Any]) -> None:
        self._values = values
        self.components: Document = {}

    def of_body(self, kind: Any) -> Document:
        """For the media type of a body: without what may as well be left out."""
        return self._referred({kind.__name__: _brief(self._values[kind])} if kind in self._values else {})

    def of_answer(self, kind: Any) -> Document:
        """For the media type of an answer."""
        return self._referred(dict(self._named(kind)))

    def _named(self, kind: Any) -> Iterator[tuple[str, Any]]:
        if get_origin(kind) is UnionType:
            for each in get_args(kind):
                yield from self._named(each)
        elif get_origin(kind) is Page:
            (item,) = get_args(kind)
            for name, value in self._named(item):
                yield f"Page_{name}_", {"items": [value], "next": None}
        elif kind in self._values:
            yield kind.__name__, msgspec.to_builtins(self._values[kind])

    def _referred(self, named: Document) -> Document:
        self.components.update({name: {"value": value} for name, value in named.items()})
        references = {name: {"$ref": _REF.format(name=name)} for name in named}
        return {"examples": references} if references else {}


def _brief(value: Any) -> Any:
    """A body without the fields that have their defaults."""
    if not isinstance(value, msgspec.Struct):
        return value
    told = msgspec.to_builtins(value)
    return {
        field.encode_name: told[field.encode_name]
        for field in msgspec.structs.fields(value)
        if field.encode_name in told and getattr(value, field.name) != field.default
    }
