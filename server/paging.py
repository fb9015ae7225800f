"""Lists in pages: the envelope, the parameters, and cursors that mean nothing to clients."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
CURSOR_MAX_CHARS: Final = 1000

Item = TypeVar("Item")
Key = TypeVar("Key")

Limit = Annotated[
    int, Meta(ge=1, description=f"How many items at most: 1 to {LIMIT_MAX}. More is taken for {LIMIT_MAX}.")
]
CursorText = Annotated[
    str,
    Meta(max_length=CURSOR_MAX_CHARS, description="`next` of the page before: goes on where that one ended."),
]
Skip = Annotated[int, Meta(ge=0, le=MAX_INT, description="How many items to leave out at the beginning.")]
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


def read_cursor(cursor: str | None, kind: type[Key]) -> Key | None:
    """The key that a cursor stands for. Raises Refused `invalid` for what is no cursor of this list."""
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor.encode() + b"==", altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        refusal = Refusal(Code.INVALID, "This is not a cursor of this list.", field="cursor")
        raise Refused(refusal) from None


def write_cursor(key: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode()


def page_of(found: Sequence[Item], size: int, key: Callable[[Item], Any]) -> Page[Item]:
    """The page of at most `size` items, of a query that asked for one more: is there a next page?"""
    items = list(found[:size])
    more = len(found) > size
    return Page(items, write_cursor(key(items[-1])) if more else None)


def page_in_memory(items: Sequence[Item], query: PageQuery) -> Page[Item]:
    """A page of a list that is at hand whole; its cursor is a position."""
    start = (read_cursor(query.cursor, int) or 0) + query.skip
    end = start + query.size
    return Page(list(items[start:end]), write_cursor(end) if end < len(items) else None)
