"""Removes what nobody can see any more: the rows of deleted channels, in chunks, between other writes."""

from sqlalchemy import Connection, delete, select

from protocol.ids import ChannelId
from storage.engine import Database
from storage.search import DIALECTS
from storage.tables import channels, messages

CHUNK_ROWS = 100


async def sweep_deleted_channels(database: Database, *, chunk_rows: int = CHUNK_ROWS) -> int:
    """How many channels are gone for good. Each chunk is a transaction of its own, so that others get in."""
    swept = 0
    while (channel_id := await database.read(_next_deleted)) is not None:
        await _sweep(database, channel_id, chunk_rows)
        swept += 1
    return swept


async def _sweep(database: Database, channel_id: ChannelId, chunk_rows: int) -> None:
    def sweep_chunk(connection: Connection) -> int:
        return _sweep_messages(connection, channel_id, chunk_rows)

    while await database.write(sweep_chunk):
        pass
    gone = delete(channels).where(channels.c.id == channel_id)
    await database.write(lambda connection: connection.execute(gone).rowcount)


def _next_deleted(connection: Connection) -> ChannelId | None:
    deleted = select(channels.c.id).where(channels.c.deleted_at.is_not(None))
    return connection.execute(deleted.order_by(channels.c.id).limit(1)).scalar()


def _sweep_messages(connection: Connection, channel_id: ChannelId, chunk_rows: int) -> int:
    """How many messages went. The newest go first: replies before what they reply to."""
    query = select(messages.c.id).where(messages.c.channel_id == channel_id)
    newest = connection.execute(query.order_by(messages.c.seq.desc()).limit(chunk_rows)).scalars().all()
    DIALECTS[connection.dialect.name].forget(connection, newest)
    return connection.execute(delete(messages).where(messages.c.id.in_(newest))).rowcount
