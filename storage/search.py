"""Finding what was said: by its words, in what a user may see now, the best matches first.

`search_index.py` keeps up what is searched in.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import Connection, TextClause, bindparam, func, select, text

from protocol.errors import Unavailable
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Message
from storage.engine import Database
from storage.excerpts import excerpt
from storage.message_rows import load_messages
from storage.search_dialect import SearchDialect
from storage.search_postgresql import PostgresqlSearch
from storage.search_sqlite import SqliteSearch
from storage.search_terms import Terms
from storage.tables import UtcDateTime, messages

TAKES_MAX_S: Final = 2.0
"""How long one search may take: readers are few, and others wait for them."""
AT_ONCE: Final = 1
"""How many may search at once: SQLite has two readers, and one is for everybody else."""
WAITING_MAX: Final = 100

DIALECTS: Final[dict[str, SearchDialect]] = {"sqlite": SqliteSearch(), "postgresql": PostgresqlSearch()}

NEWEST: Final = select(func.coalesce(func.max(messages.c.id), 0))
CONDITIONS: Final = {
    "channel_id": "messages.channel_id = :channel_id",
    "sender_id": "messages.sender_id = :sender_id",
    "before": "messages.created_at < :before",
    "after": "messages.created_at > :after",
    "before_seq": "messages.seq < :before_seq",
    "after_seq": "messages.seq > :after_seq",
    "up_to_id": "messages.id <= :up_to_id",
}
"""What narrows a search, by the field of `Narrowing`."""


class Narrowing(Struct, frozen=True, kw_only=True):
    """Where to look. `before` and `after` leave out themselves; `up_to_id` leaves out what came later."""

    channel_id: ChannelId | None = None
    sender_id: UserId | None = None
    before: datetime | None = None
    after: datetime | None = None
    before_seq: Seq | None = None
    after_seq: Seq | None = None
    up_to_id: MessageId | None = None


class Hit(Struct, frozen=True):
    """A message that was found. `excerpt` is HTML, the matches in `<mark>`; a higher `rank` fits better."""

    message: Message
    excerpt: str
    rank: float


class Found(Struct, frozen=True):
    """Some hits, the best first. With `up_to_id` another page is of the same ones, whatever came since."""

    hits: list[Hit]
    up_to_id: MessageId


class TooBusy(Struct, frozen=True):
    """Others are searching; try again soon."""


class TooMuch(Struct, frozen=True):
    """So much matches that looking through it takes too long."""


class Search:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = DIALECTS[database.dialect]
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def find(
        self, user_id: UserId, terms: Terms, where: Narrowing, *, skip: int = 0, limit: int = 50
    ) -> Found | TooBusy | TooMuch:
        """What matches in the channels that the user is a member of now."""
        if self._waiting >= WAITING_MAX:
            return TooBusy()
        self._waiting += 1
        try:
            async with self._turn:
                return await self._find(user_id, terms, where, skip, limit)
        finally:
            self._waiting -= 1

    async def _find(
        self, user_id: UserId, terms: Terms, where: Narrowing, skip: int, limit: int
    ) -> Found | TooMuch:
        began_s = time.monotonic()
        page = {"user_id": user_id, "skip": skip, "limit": limit}
        try:
            return await self._database.read(lambda c: _find(self._dialect, c, terms, where, page))
        except Unavailable:
            if time.monotonic() - began_s >= TAKES_MAX_S:
                return TooMuch()
            raise


def _find(
    dialect: SearchDialect, connection: Connection, terms: Terms, where: Narrowing, page: dict[str, int]
) -> Found:
    if where.up_to_id is None:
        where = structs.replace(where, up_to_id=connection.execute(NEWEST).scalar_one())
    given = {name: value for name in CONDITIONS if (value := getattr(where, name)) is not None}
    parameters = {**dialect.parameters(terms, where.channel_id), **page, **given}
    dialect.set_deadline(connection, TAKES_MAX_S)
    rows = connection.execute(_query(dialect, given), parameters).all()
    dialect.lift_deadline(connection)
    found = {message.id: message for message in load_messages(connection, [row.id for row in rows])}
    return Found([_hit(found[row.id], row.rank, terms) for row in rows], given["up_to_id"])


def _query(dialect: SearchDialect, given: Iterable[str]) -> TextClause:
    conditions = "".join(f" AND {CONDITIONS[name]}" for name in given)
    times = [bindparam(name, type_=UtcDateTime()) for name in ("before", "after") if name in given]
    return text(dialect.find_sql(conditions)).bindparams(*times)


def _hit(message: Message, rank: float, terms: Terms) -> Hit:
    return Hit(message, excerpt(message.content or "", terms), rank)
