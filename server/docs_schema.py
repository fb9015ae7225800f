"""Schemas of the API's description as tables and words for people, with links between them."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

import msgspec

Json = Mapping[str, Any]

CODE: Final = re.compile(r"`([^`]+)`")
LIMITS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "format": "{}",
}


def words(text: str) -> str:
    """Text as markup: what stands in backticks is code."""
    return CODE.sub(r"<code>\1</code>", escape(" ".join(text.split())))


def kind(schema: Json) -> str:
    """A schema in a word, with a link where it has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(kind(each) for each in schema[word])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items') or {})}"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    return escape(str(schema.get("type", "anything")))


def notes(schema: Json) -> str:
    """What else there is to know of a field: its description, its limits and an example."""
    parts = [words(schema["description"])] if schema.get("description") else []
    limits = [text.format(schema[name]) for name, text in LIMITS.items() if name in schema]
    if limits:
        parts.append(f"({escape(', '.join(limits))})")
    parts += [f"For example <code>{json(example)}</code>." for example in schema.get("examples", ())[:1]]
    return " ".join(parts)


def types(schemas: Mapping[str, Json]) -> Iterable[str]:
    """Every named type, to be unfolded."""
    for name, schema in sorted(schemas.items()):
        # What is linked to is inside: browsers unfold what holds the target of a link.
        yield (
            f"<details><summary><code>{escape(name)}</code></summary>"
            f'<div id="type-{escape(name)}">{_type(schema)}</div></details>'
        )


def _type(schema: Json) -> str:
    about = f"<p>{words(schema['description'])}</p>" if schema.get("description") else ""
    if "properties" not in schema:
        return f"{about}<p>{kind(schema)}</p><p>{notes({**schema, 'description': ''})}</p>"
    rows = [
        _row(name, each, is_required=name in schema.get("required", ()))
        for name, each in schema["properties"].items()
    ]
    return f"{about}<table><tr><th>Field</th><th>Type</th><th></th></tr>{''.join(rows)}</table>"


def _row(name: str, schema: Json, *, is_required: bool) -> str:
    default = f" Left out: <code>{json(schema['default'])}</code>." if "default" in schema else ""
    needed = "" if is_required else '<span class="note">may be left out</span> '
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{kind(schema)}</td>"
        f"<td>{needed}{notes(schema)}{default}</td></tr>"
    )


def json(value: object) -> str:
    return escape(msgspec.json.encode(value).decode())
