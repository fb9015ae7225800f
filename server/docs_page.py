"""The API's description as a page for people, rendered from the same document that programs get."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

import msgspec

STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.875em/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid var(--line); border-radius: 0.375rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 0.375rem; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; }
.note { opacity: 0.75; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
td { border-top: 1px solid var(--line); }
"""
STYLE_HASH: Final = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"

Json = Mapping[str, Any]


def docs_page(document: Json) -> str:
    """The whole page: self-contained, without scripts."""
    title = escape(document["info"]["title"])
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    sections = "".join(
        _section(tag["name"], [each for each in operations if tag["name"] in each[2]["tags"]])
        for tag in document["tags"]
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{title} API <small>{escape(document['info']['version'])}</small></h1>"
        f"<p>{escape(document['info']['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
        f"{sections}<h2>Types</h2>{''.join(_types(document['components']['schemas']))}</body></html>"
    )


def _section(tag: str, operations: Iterable[tuple[str, str, Json]]) -> str:
    return f"<h2>{escape(tag)}</h2>" + "".join(_operation(*each) for each in operations)


def _operation(path: str, method: str, operation: Json) -> str:
    details = "".join(
        part
        for part in (
            f"<p>{escape(operation['description'])}</p>",
            f'<p class="note">Access: {escape(operation["x-access"])}</p>',
            _parameters(operation["parameters"]),
            _body(operation.get("requestBody")),
            _responses(operation["responses"]),
        )
    )
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b> '
        f'<code>{escape(path)}</code> <span class="note">{escape(operation["summary"])}</span></summary>'
        f"{details}</details>"
    )


def _parameters(parameters: Iterable[Json]) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{_kind(each['schema'])}</td>"
        f"<td>{escape(each.get('description') or each['schema'].get('description', ''))}</td></tr>"
        for each in parameters
    ]
    return (
        f"<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>{''.join(rows)}</table>"
        if rows
        else ""
    )


def _body(body: Json | None) -> str:
    if body is None:
        return ""
    needed = "" if body["required"] else " (may be left out)"
    return f"<p>Body{needed}: {_content(body['content'])}</p>"


def _responses(responses: Mapping[str, Json]) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(response['description'])}</td>"
        f"<td>{_content(response.get('content', {}))}</td></tr>"
        for status, response in responses.items()
    )
    return f"<table><tr><th>Status</th><th>Means</th><th>Answers</th></tr>{rows}</table>"


def _content(content: Json) -> str:
    return ", ".join(f"{_kind(body['schema'])}" for body in content.values())


def _kind(schema: Json) -> str:
    """A schema in a word, with a link where it has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(_kind(each) for each in schema[word])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    return escape(str(schema.get("type", "anything")))


def _types(schemas: Mapping[str, Json]) -> Iterable[str]:
    for name, schema in sorted(schemas.items()):
        text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        yield (
            f'<details id="type-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<pre>{escape(text)}</pre></details>"
        )
