"""The page for people: everything in it comes from the document, and nothing in it runs."""

import base64
import hashlib
import re
from typing import Any

import msgspec

from server.descriptions import Descriptions
from server.docs_page import STYLE_HASH, docs_page
from server.rest.table import ROUTES

DESCRIPTIONS = Descriptions(ROUTES, "")


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
                            "content": {"application/json": {"schema": schema}},
                        },
                        "responses": {"200": {"description": evil}},
                    }
                }
            },
            "components": {"schemas": {evil: {"description": evil}}},
        }
    )
    assert "<img" not in page
    assert "&lt;img" in page
    assert "list of anything" in page
