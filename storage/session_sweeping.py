"""Removes sessions and refresh tokens that ended long ago, in chunks, between other writes."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select

from storage.engine import Database
from storage.tables import refresh_tokens, sessions

CHUNK_ROWS = 1_000


async def sweep_sessions(database: Database, before: datetime, *, chunk_rows: int = CHUNK_ROWS) -> int:
    """How many rows of what had ended or expired by then are gone for good.

    A refresh token is kept until it has expired itself: used again before, it is to end its session.
    """
    over = (refresh_tokens.c.expires_at < before, _is_over(before))
    swept = 0
    for table, is_over in zip((refresh_tokens, sessions), over, strict=True):
        swept += await _sweep(database, table, is_over, chunk_rows)
    return swept


def _is_over(before: datetime) -> ColumnElement[bool]:
    ended = ~sessions.c.is_active & (sessions.c.updated_at < before)
    return ended | (sessions.c.expires_at < before)


async def _sweep(database: Database, table: Table, is_over: ColumnElement[bool], chunk_rows: int) -> int:
    """By stretches of the id: no index says what is over."""
    swept, after = 0, 0
    while (upto := await _end_of_chunk(database, table, after, chunk_rows)) is not None:
        swept += await _sweep_chunk(database, table, (table.c.id > after) & (table.c.id <= upto) & is_over)
        after = upto
    return swept


async def _sweep_chunk(database: Database, table: Table, is_over: ColumnElement[bool]) -> int:
    # Read first: most stretches hold nothing, and a write waits for the disk.
    if not await database.read(lambda connection: _is_any(connection, table, is_over)):
        return 0
    gone = delete(table).where(is_over)
    return await database.write(lambda connection: connection.execute(gone).rowcount)


async def _end_of_chunk(database: Database, table: Table, after: int, chunk_rows: int) -> int | None:
    chunk = select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(chunk_rows).subquery()
    query = select(func.max(chunk.c.id))
    return await database.read(lambda connection: connection.execute(query).scalar())


def _is_any(connection: Connection, table: Table, condition: ColumnElement[bool]) -> bool:
    return connection.execute(select(table.c.id).where(condition).limit(1)).first() is not None
