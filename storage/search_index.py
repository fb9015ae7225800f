"""Keeps up what is searched in: it follows each channel's changes, behind the commits.

A channel's changes are numbered without gaps in the order of their commits, whoever makes them, so one number
for each channel says how far the index is. Next: `server/search_indexing.py` says when.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, bindparam, func, select

from protocol.ids import ChannelId, Seq
from storage.engine import Database
from storage.row_statements import Kind, RowsStatement, stored_time
from storage.search import DIALECTS
from storage.tables import channels, search_positions

_position = func.coalesce(search_positions.c.seq, 0)
BEHIND: Final = (
    select(channels.c.id, _position.label("after"), channels.c.last_seq)
    .outerjoin(search_positions, search_positions.c.channel_id == channels.c.id)
    .where(channels.c.last_seq > _position, channels.c.deleted_at.is_(None))
    .where(channels.c.id > bindparam("channel_id"))
    .order_by(channels.c.id)
    .limit(bindparam("limit"))
)

# Joined, since a channel may be gone meanwhile.
MOVE: Final = RowsStatement(
    """
    INSERT INTO search_positions (channel_id, seq, created_at, updated_at)
    SELECT page.channel_id, page.to_seq, page.at, page.at
    FROM {rows} AS page JOIN channels ON channels.id = page.channel_id
    WHERE true
    ON CONFLICT (channel_id) DO UPDATE SET seq = excluded.seq, updated_at = excluded.updated_at
    WHERE search_positions.seq < excluded.seq
    """,
    channel_id=Kind.INTEGER,
    to_seq=Kind.INTEGER,
    at=Kind.TIME,
)


FIRST: Final = ChannelId(0)
"""Before every channel."""


class Range(Struct, frozen=True):
    """The changes of a channel after one `seq` and up to another."""

    channel_id: ChannelId
    after: Seq
    to: Seq


class SearchIndex:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = DIALECTS[database.dialect]

    async def behind(self, *, after: ChannelId = FIRST, limit: int = 1_000) -> list[Range]:
        """Where the index is behind: channels by id, those after the cursor `after`."""
        parameters = {"channel_id": after, "limit": limit}
        rows = await self._database.read(lambda connection: connection.execute(BEHIND, parameters).all())
        return [Range(row.id, row.after, row.last_seq) for row in rows]

    async def follow(self, ranges: Sequence[Range], now: datetime) -> bool:
        """Index these ranges in one transaction, each from where its channel stands; safe to repeat.

        False: nothing was done, for another process is at it.
        """

        def transaction(connection: Connection) -> bool:
            if not self._dialect.may_index(connection):
                return False
            self._dialect.index(connection, [(each.channel_id, each.after, each.to) for each in ranges])
            MOVE.run(connection, [(each.channel_id, each.to, stored_time(now)) for each in ranges])
            return True

        return await self._database.write(transaction)


def pages(ranges: Iterable[Range], size: int) -> Iterator[list[Range]]:
    """The same ranges in pages of `size` changes at most, in order; long ones are cut."""
    page: list[Range] = []
    room = size
    for each in ranges:
        after = each.after
        while after < each.to:
            to = Seq(min(each.to, after + room))
            page.append(Range(each.channel_id, after, to))
            room -= to - after
            after = to
            if not room:
                yield page
                page, room = [], size
    if page:
        yield page
