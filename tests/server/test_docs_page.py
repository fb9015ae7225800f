"""The page for people: everything in it comes from the document, and nothing in it runs."""

import base64
import hashlib
import re
from html import escape
from typing import Any

import msgspec

from server.descriptions import Descriptions
from server.docs_examples import example_of, indented
from server.docs_page import STYLE_HASH, docs_page
from server.docs_schema import types
from server.examples.rest import EXAMPLES
from server.rest.table import ROUTES

DESCRIPTIONS = Descriptions(ROUTES, EXAMPLES)


def test_every_operation_and_type_has_its_place() -> None:
    document: Any = msgspec.json.decode(DESCRIPTIONS.openapi)
    ids = set(re.findall(r' id="([^"]+)"', DESCRIPTIONS.page))
    assert {route.name for route in ROUTES} <= ids
    assert {f"type-{name}" for name in document["components"]["schemas"]} <= ids
    linked = set(re.findall(r' href="#([^"]+)"', DESCRIPTIONS.page))
    assert linked <= ids


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", DESCRIPTIONS.page, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in STYLE_HASH


def test_nothing_in_the_document_becomes_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    schema = {"oneOf": [{"enum": [evil]}, {"type": "array"}, {}, {"$ref": f"#/components/schemas/{evil}"}]}
    page = docs_page(
        {
            "info": {"title": evil, "version": evil, "description": evil},
            "tags": [{"name": evil}],
            "paths": {
                f"/{evil}": {
                    "get": {
                        "operationId": evil,
                        "tags": [evil],
                        "summary": evil,
                        "description": evil,
                        "x-access": evil,
                        "parameters": [{"name": evil, "in": "query", "schema": schema, "description": evil}],
                        "requestBody": {
                            "required": False,
                            "content": {"application/json": {"schema": schema, "example": {evil: evil}}},
                        },
                        "responses": {
                            "200": {
                                "description": evil,
                                "content": {"text/html": {"schema": schema, "example": evil}},
                            }
                        },
                    }
                }
            },
            "components": {"schemas": {evil: {"description": evil}}},
        }
    )
    assert "<img" not in page
    assert "&lt;img" in page
    assert "list of anything" in page


def test_types_are_tables_of_fields_with_their_limits() -> None:
    schema = {
        "description": "A `thing`.",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "description": "Its number."},
            "name": {"type": "string", "maxLength": 80, "examples": ["x"], "default": "none"},
        },
    }
    (page,) = types({"Thing": schema})
    assert "<p>A <code>thing</code>.</p>" in page
    assert "<td><code>id</code></td><td>integer</td><td>Its number. (from 1)</td>" in page
    assert "may be left out" in page
    assert "(at most 80 characters) For example <code>&quot;x&quot;</code>." in page
    assert "Left out: <code>&quot;none&quot;</code>." in page


def test_a_type_without_fields_is_told_in_words() -> None:
    pages = "".join(
        types(
            {
                "Color": {"enum": ["red", "green"]},
                "One": {"const": 1},
                "Either": {"anyOf": [{}, {"enum": [2]}]},
            }
        )
    )
    assert "<code>red</code> or <code>green</code>" in pages
    assert "<p><code>1</code></p>" in pages
    assert "anything or <code>2</code>" in pages


def test_each_operation_shows_how_to_call_it() -> None:
    assert (
        "curl -X POST &quot;$PARLEY/auth/login&quot; -H &#x27;Content-Type: application/json&#x27; "
        "-d &#x27;{&quot;username&quot;:&quot;alice&quot;,&quot;password&quot;:&quot;" in DESCRIPTIONS.page
    )
    assert "$PARLEY/twilio_webhook&quot; --data-urlencode MessageSid=SM" in DESCRIPTIONS.page
    assert "-F code=party_parrot -F &#x27;image=(the bytes" in DESCRIPTIONS.page
    assert (
        "curl -X GET &quot;$PARLEY/auth/me&quot; -H &quot;Authorization: Bearer $TOKEN&quot;</pre>"
        in DESCRIPTIONS.page
    )


def test_each_operation_shows_what_it_answers() -> None:
    document: Any = msgspec.json.decode(DESCRIPTIONS.openapi)
    for route in ROUTES:
        content = document["paths"][route.path][route.method.lower()]["responses"][str(route.status)]
        for body in content.get("content", {}).values():
            example = example_of(body, document["components"]["examples"])
            if example is not None:
                assert f"<pre>{escape(indented(example))}</pre>" in DESCRIPTIONS.page, route.name


def test_nothing_is_loaded_from_anywhere_and_nothing_runs() -> None:
    assert not re.search(
        r"<script|<link|<img|<iframe|\bsrc=|\bstyle=|\bon\w+=|url\(|@import", DESCRIPTIONS.page
    )
    assert not re.search(r'href="(?!#|openapi\.json|asyncapi\.json)', DESCRIPTIONS.page)
