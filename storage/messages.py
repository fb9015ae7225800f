"""Messages and all that happens in channels: written in commits, read back as they are now.

A commit writes the facts of many channels in one transaction, fenced and free of repeats.

Next on a message's path: `fact_rows.py` and `fact_statements.py` turn facts into rows and write them; then
the channel actor hears that its part is on disk.
"""

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from protocol.errors import Unavailable
from protocol.facts import Changes, ChannelSnapshot, Failed, Fenced, Part, PartResult, Written
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import Edit, Message
from storage.channel_rows import load_snapshot
from storage.engine import Database
from storage.fact_rows import gather
from storage.fact_statements import NotWritten, write_rows
from storage.fence import move_channels
from storage.history import load_changes, load_edits, load_history, load_replies
from storage.message_rows import load_messages
from storage.objections import Objections

BAD_ROWS = (SQLAlchemyError, NotWritten, ValueError)


class Messages:
    """Repeats are found when the insert objects: looking each nonce up first would tax every message."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._objections = Objections(database)

    def commit(self, parts: Sequence[Part]) -> Coroutine[Any, Any, list[PartResult]]:
        """Write all parts in one transaction; one result for each, in order.

        A part that cannot be written does not hold the others back. The transaction is on its way when this
        returns; awaiting it raises `Unavailable` if nothing was written, or if it is unknown whether all was.
        """
        return self._settle(parts, self._write(parts))

    async def load_channel(self, channel_id: ChannelId) -> ChannelSnapshot | None:
        """None when there is no such channel, or it was deleted."""
        return await self._database.read(lambda connection: load_snapshot(connection, channel_id))

    async def load_messages(self, channel_id: ChannelId, ids: Sequence[MessageId]) -> list[Message]:
        """Those of `ids` that are in this channel, in any order."""
        found = await self._database.read(lambda connection: load_messages(connection, ids))
        return [message for message in found if message.channel_id == channel_id]

    async def at(self, channel_id: ChannelId, seq: Seq) -> Message | None:
        """The message that was posted as this change of the channel, as it is now."""
        found = await self.history(channel_id, Seq(seq + 1), None, 1)
        return found[0] if found and found[0].seq == seq else None

    async def changes(self, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
        """At most `limit` rows, but never only some of the rows that one `seq` changed.

        `channel` is there when the channel or its memberships changed after `after`.
        """
        return await self._database.read(lambda c: load_changes(c, channel_id, after, limit))

    async def history(
        self, channel_id: ChannelId, before: Seq | None, after: Seq | None, limit: int
    ) -> list[Message]:
        """By `seq`: newest first, or oldest first when `after` is given."""
        return await self._database.read(lambda c: load_history(c, channel_id, before, after, limit))

    async def replies(
        self, parent_id: MessageId, *, before: Seq | None = None, skip: int = 0, limit: int = 50
    ) -> list[Message]:
        """Newest first."""
        return await self._database.read(lambda c: load_replies(c, parent_id, before, skip, limit))

    async def edits(self, message_id: MessageId, *, skip: int = 0, limit: int = 50) -> list[Edit]:
        """Earlier texts, newest first. Those of a deleted message are gone."""
        return await self._database.read(lambda c: load_edits(c, message_id, skip, limit))

    async def _settle(self, parts: Sequence[Part], writing: Awaitable[list[PartResult]]) -> list[PartResult]:
        try:
            return await writing
        except IntegrityError:
            return await self._sort_out(parts)
        except BAD_ROWS:
            return await self._one_by_one(parts)

    def _write(self, parts: Sequence[Part]) -> Awaitable[list[PartResult]]:
        return self._database.write(lambda connection: write_parts(connection, parts), urgent=True)

    async def _sort_out(self, parts: Sequence[Part]) -> list[PartResult]:
        """Answer the parts that hold repeats or taken names, and write the others together."""
        objections = await self._objections.find(parts)
        clean = [part for part in parts if part.channel_id not in objections]
        if len(clean) == len(parts):
            return await self._one_by_one(parts)
        try:
            written = iter(await self._write(clean) if clean else ())
        except BAD_ROWS:
            written = iter(await self._one_by_one(clean))
        return [objections.get(part.channel_id) or next(written) for part in parts]

    async def _one_by_one(self, parts: Sequence[Part]) -> list[PartResult]:
        return [await self._alone(part) for part in parts]

    async def _alone(self, part: Part) -> PartResult:
        try:
            return await self._alone_or_objected(part)
        except (*BAD_ROWS, Unavailable) as error:
            # The first line only: below it stand the rows themselves.
            return Failed(f"{type(error).__name__}: {error}".partition("\n")[0])

    async def _alone_or_objected(self, part: Part) -> PartResult:
        try:
            return (await self._write([part]))[0]
        except (IntegrityError, NotWritten):
            objections = await self._objections.find([part])
            if part.channel_id not in objections:
                raise
            return objections[part.channel_id]


def write_parts(connection: Connection, parts: Sequence[Part]) -> list[PartResult]:
    """Move the channels that stand where they should, and write the facts of those."""
    moved = move_channels(connection, parts)
    standing = [part for part in parts if part.channel_id in moved.channels]
    rows, given = gather(standing, iter(moved.message_ids))
    write_rows(connection, rows)
    written = iter(given)
    return [Written(next(written)) if part.channel_id in moved.channels else Fenced() for part in parts]
