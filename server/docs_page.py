"""The API's description as a page for people, rendered from the same document that programs get."""

import base64
import hashlib
import shlex
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from server.docs_examples import compact, example_of, indented
from server.docs_schema import kind, notes, types, words

STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent);
  --soft: color-mix(in srgb, currentColor 5%, transparent); --get: #2563eb; --post: #15803d; --put: #b45309;
  --delete: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --get: #7aa7ff; --post: #5fcf86; --put: #f0b257;
  --delete: #ff8a80; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 0 1rem 4rem; max-width: 76rem;
  display: grid; grid-template-columns: 13rem minmax(0, 1fr); gap: 0 2.5rem; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 2rem 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: 0.2rem 0.6rem; border-radius: 0.375rem; color: inherit;
  text-decoration: none; }
nav a:hover, nav a:focus-visible { background: var(--soft); text-decoration: underline; }
code, pre { font: 0.875em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: 0.75rem; border-radius: 0.375rem; background: var(--soft); }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 0.375rem; margin: 0.5rem 0; padding: 0 0.75rem; }
summary { cursor: pointer; padding: 0.5rem 0; }
summary b { display: inline-block; min-width: 4.5rem; font-size: 0.875em; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.delete { color: var(--delete); }
.note { opacity: 0.75; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 0.75rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0; }
td { border-top: 1px solid var(--line); }
@media (max-width: 50rem) { body { display: block; } nav { position: static; max-height: none;
  padding-bottom: 0; } nav ul { columns: 2; } }
@media print { nav { display: none; } body { display: block; } }
"""
STYLE_HASH: Final = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
ACCESS: Final = {
    "anyone": "Anyone may call this.",
    "user": "Needs an access token.",
    "superuser": "Needs a superuser's access token.",
    "auth0": "Needs an access token of Auth0's.",
}

Json = Mapping[str, Any]
Operation = tuple[str, str, Json]


def docs_page(document: Json) -> str:
    """The whole page: self-contained, without scripts."""
    title = escape(document["info"]["title"])
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = [tag["name"] for tag in document["tags"]]
    examples = document["components"].get("examples", {})
    sections = "".join(
        _section(tag, [each for each in operations if tag in each[2]["tags"]], examples) for tag in tags
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{_contents(tags)}<main><h1>{title} API <small>{escape(document['info']['version'])}</small>"
        f"</h1><p>{words(document['info']['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1) and, for the WebSocket at '
        '<code>/ws</code>, <a href="asyncapi.json">asyncapi.json</a> (AsyncAPI 3).</p>'
        f'{sections}<h2 id="types">Types</h2>{"".join(types(document["components"]["schemas"]))}'
        "</main></body></html>"
    )


def _contents(tags: Iterable[str]) -> str:
    links = "".join(f'<li><a href="#{_anchor(tag)}">{escape(tag)}</a></li>' for tag in tags)
    return f'<nav aria-label="Sections"><ul>{links}<li><a href="#types">Types</a></li></ul></nav>'


def _anchor(tag: str) -> str:
    return "section-" + escape(tag.lower().replace(" ", "-"))


def _section(tag: str, operations: Iterable[Operation], examples: Json) -> str:
    shown = "".join(_operation(*each, examples) for each in operations)
    return f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{shown}'


def _operation(path: str, method: str, operation: Json, examples: Json) -> str:
    parts = (
        _details(operation),
        f'<p class="note">{_access(operation["x-access"])}</p>',
        f"<pre>{escape(_curl(path, method, operation, examples))}</pre>",
        _answer(operation["responses"], examples),
        _parameters(operation["parameters"]),
        _body(operation.get("requestBody")),
        _responses(operation["responses"]),
    )
    return (
        f'<details><summary><b class="{escape(method)}">{escape(method.upper())}</b> '
        f'<code>{escape(path)}</code> <span class="note">{words(operation["summary"])}</span></summary>'
        f'<div id="{escape(operation["operationId"])}">{"".join(parts)}</div></details>'
    )


def _details(operation: Json) -> str:
    """What the summary does not say already."""
    about = operation["description"]
    return f"<p>{words(about)}</p>" if about != operation["summary"] else ""


def _access(access: str) -> str:
    return escape(ACCESS.get(access, access))


def _curl(path: str, method: str, operation: Json, examples: Json) -> str:
    """How to call it from a shell."""
    token = "" if operation["x-access"] == "anyone" else ' -H "Authorization: Bearer $TOKEN"'
    content = (operation.get("requestBody") or {}).get("content", {})
    body = "".join(_curl_body(kind, example_of(body, examples)) for kind, body in content.items())
    return f'curl -X {method.upper()} "$PARLEY{path}"{token}{body}'


def _curl_body(media_type: str, example: Any) -> str:
    if media_type == "application/json":
        return f" -H 'Content-Type: application/json' -d {shlex.quote(compact(example))}"
    option = "-F" if media_type == "multipart/form-data" else "--data-urlencode"
    return "".join(f" {option} {shlex.quote(f'{name}={value}')}" for name, value in (example or {}).items())


def _answer(responses: Mapping[str, Json], examples: Json) -> str:
    """What the first success answers."""
    for status, response in responses.items():
        for body in response.get("content", {}).values() if status.startswith("2") else ():
            example = example_of(body, examples)
            return "" if example is None else f"<pre>{escape(indented(example))}</pre>"
    return ""


def _table(*columns: str, rows: Iterable[str]) -> str:
    heads = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(rows)
    return f'<div class="scroll"><table><tr>{heads}</tr>{body}</table></div>' if body else ""


def _parameters(parameters: Iterable[Json]) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{kind(each['schema'])}</td><td>{words(each.get('description', ''))} "
        f"{notes(each['schema'])}</td></tr>"
        for each in parameters
    ]
    return _table("Parameter", "In", "Type", "", rows=rows)


def _body(body: Json | None) -> str:
    if body is None:
        return ""
    needed = "" if body["required"] else " (may be left out)"
    return f"<p>Body{needed}: {_content(body['content'])}</p>"


def _responses(responses: Mapping[str, Json]) -> str:
    rows = [
        f"<tr><td>{escape(status)}</td><td>{words(response['description'])}</td>"
        f"<td>{_content(response.get('content', {}))}</td></tr>"
        for status, response in responses.items()
    ]
    return _table("Status", "Means", "Answers", rows=rows)


def _content(content: Json) -> str:
    return ", ".join(f"{kind(body['schema'])}" for body in content.values())
