"""Pages, their cursors, and lists that are at hand whole."""

import base64
import contextlib
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from protocol.errors import Code, Refused
from server.paging import PageQuery, page_in_memory, page_of, read_cursor, write_cursor

Positive = Annotated[int, Meta(ge=1, le=2**53)]


@given(st.integers(1, 2**53))
def test_a_cursor_reads_as_what_was_written(key: int) -> None:
    assert read_cursor(write_cursor(key), Positive) == key


def test_no_cursor_is_no_key() -> None:
    assert read_cursor(None, Positive) is None


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "\0", "é", "AAAA====", "a b", packed("1"), packed(0), packed(-1), packed(2**63), packed([1])],
)
def test_whatever_else_is_sent_as_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        read_cursor(cursor, Positive)
    assert (caught.value.refusal.code, caught.value.refusal.field) == (Code.INVALID, "cursor")


@given(st.text(max_size=50))
def test_no_text_makes_reading_a_cursor_fail_otherwise(cursor: str) -> None:
    with contextlib.suppress(Refused):
        assert 1 <= (read_cursor(cursor, Positive) or 0) <= 2**53


Moment = tuple[Annotated[datetime, Meta(tz=True)], Positive]


def test_a_moment_in_a_cursor_reads_as_what_was_written() -> None:
    for year in (1, 2026, 9999):
        key = (datetime(year, 1, 2, 3, 4, 5, 678, tzinfo=UTC), 7)
        assert read_cursor(write_cursor(key), Moment) == key


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-01-02T03:04:05Z"]
)
def test_a_moment_that_was_spelled_elsewhere_is_refused(moment: str) -> None:
    with pytest.raises(Refused):
        read_cursor(packed([moment, 7]), Moment)


def test_there_is_a_next_page_only_when_one_more_was_found() -> None:
    assert page_of([3, 2], 2, lambda item: item).next is None
    page = page_of([3, 2, 1], 2, lambda item: item)
    assert (page.items, read_cursor(page.next, Positive)) == ([3, 2], 2)


@given(st.lists(st.integers(), max_size=20), st.integers(1, 7))
def test_the_pages_of_a_list_are_the_list(items: list[int], limit: int) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = page_in_memory(items, PageQuery(limit=limit, cursor=cursor))
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
        assert len(page.items) == limit
    assert seen == items


def test_a_limit_beyond_the_largest_is_clamped() -> None:
    assert PageQuery(limit=10**9).size == 200
