"""The description says what the server refuses: NUL characters, in all that it takes and in nothing else."""

import re
from collections.abc import Iterator
from typing import Any

from server.descriptions import Descriptions
from server.examples.rest import EXAMPLES
from server.plain_text import WITHOUT_NUL
from server.rest.table import ROUTES

DOCUMENT: Any = Descriptions(ROUTES, EXAMPLES).document


def strings(node: Any, *, into: frozenset[str] = frozenset()) -> Iterator[Any]:
    """The schemas of strings in a node, and behind its references."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from strings(each, into=into)
    if isinstance(node, dict) and node.get("type") == "string":
        yield node
    if isinstance(node, dict) and "$ref" in node and node["$ref"] not in into:
        schema = DOCUMENT["components"]["schemas"][node["$ref"].rpartition("/")[2]]
        yield from strings(schema, into=into | {node["$ref"]})


def test_no_text_of_a_request_may_hold_a_nul() -> None:
    found = []
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            found += [*strings(operation.get("requestBody", {})), *strings(operation["parameters"])]
    patterns = [each["pattern"] for each in found if "pattern" in each]
    assert WITHOUT_NUL in patterns
    assert not any(re.search(pattern, "\0") for pattern in patterns)
    assert all(each.keys() & {"pattern", "enum", "const", "format", "contentMediaType"} for each in found)


def test_answers_are_described_as_they_are() -> None:
    answers = DOCUMENT["components"]["schemas"]["Message"]["properties"]["content"]
    assert "pattern" not in str(answers)


def test_the_pattern_lets_everything_else_pass() -> None:
    for text in ("", "a\nb\n", "\u2028", "\x01", "😀"):
        assert re.search(WITHOUT_NUL, text), text
