"""Every promise of `docs/promises.md` names tests, and every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = [
    line
    for line in (ROOT / "docs/promises.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| --- ", "| promise "))
]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def functions_of(path: str) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse((ROOT / "tests" / path).read_text()).body
    return frozenset(node.name for node in body if isinstance(node, functions))


def test_every_promise_names_the_tests_that_hold_it() -> None:
    assert len(ROWS) > 80
    assert [row for row in ROWS if NAMED.search(row) is None] == []


def test_every_test_that_is_named_exists() -> None:
    named = [found for row in ROWS for found in NAMED.findall(row)]
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []


def test_nothing_else_is_taken_for_a_test() -> None:
    for row in ROWS:
        _, promise, tests, _ = row.split("|")
        assert NAMED.search(promise) is None, row
        assert NAMED.sub("", tests).strip() == "", row
