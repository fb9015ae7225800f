"""Lists in pages: the envelope, the parameters, and cursors that mean nothing to clients."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from server.fields import CURSOR

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
CURSOR_MAX_CHARS: Final = 1000
NO_CURSOR: Final = Refusal(Code.INVALID, "This is not a cursor of this list.", field="cursor")

Item = TypeVar("Item")

Limit = Annotated[
    int, Meta(ge=1, description=f"How many items at most: 1 to {LIMIT_MAX}. More is taken for {LIMIT_MAX}.")
]
CursorText = Annotated[
    str,
    Meta(
        max_length=CURSOR_MAX_CHARS,
        pattern=CURSOR,
        description="`next` of the page before: goes on where that one ended.",
    ),
]
Skip = Annotated[int, Meta(ge=0, le=MAX_INT, description="How many items to leave out at the beginning.")]
Offset = Annotated[int, Meta(ge=0, le=MAX_INT)]
Needle = Annotated[str, Meta(min_length=1, max_length=100, description="Only what begins with this.")]


class Page(Struct, Generic[Item], frozen=True):
    """One page of a list. `next` is the cursor of the page after it; null: this is the last."""

    items: list[Item]
    next: str | None


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every list takes."""

    limit: Limit = LIMIT_DEFAULT
    cursor: CursorText | None = None
    skip: Skip = 0

    @property
    def size(self) -> int:
        return min(self.limit, LIMIT_MAX)


class SearchQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list that can be narrowed to what begins with `q`."""

    q: Needle | None = None


def read_cursor(cursor: str | None, kind: Any) -> Any:
    """The key of type `kind` that a cursor stands for, None without one.

    Anybody can write a cursor, so `kind` says what is allowed. Raises Refused `invalid`.
    """
    if cursor is None:
        return None
    try:
        padding = "=" * (-len(cursor) % 4)
        packed = base64.b64decode(cursor + padding, altchars=b"-_", validate=True)
        key = msgspec.msgpack.decode(packed, type=kind)
        # Otherwise spelled it was not written here: a time in text may be one that there is not in UTC.
        if write_cursor(key) != cursor:
            raise Refused(NO_CURSOR)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError, OverflowError):
        raise Refused(NO_CURSOR) from None
    return key


def write_cursor(key: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode()


def page_of(found: Sequence[Item], size: int, key: Callable[[Item], Any]) -> Page[Item]:
    """The page of at most `size` items, of a query that asked for one more: is there a next page?"""
    items = list(found[:size])
    more = len(found) > size
    return Page(items, write_cursor(key(items[-1])) if more else None)


def read_offset(query: PageQuery) -> int:
    """Where a page begins in a list whose cursor is a position. Raises Refused."""
    return (read_cursor(query.cursor, Offset) or 0) + query.skip


def page_by_offset(found: Sequence[Item], size: int, start: int) -> Page[Item]:
    """The page of a query for one item more than `size`, from `start` on."""
    return Page(list(found[:size]), write_cursor(start + size) if len(found) > size else None)


def page_in_memory(items: Sequence[Item], query: PageQuery) -> Page[Item]:
    """A page of a list that is at hand whole."""
    start = read_offset(query)
    return page_by_offset(items[start : start + query.size + 1], query.size, start)
