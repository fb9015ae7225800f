"""SQLite: one writer and a few readers of one file, in threads."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, pool
from sqlalchemy.pool import ConnectionPoolEntry

from protocol.errors import Unavailable
from storage.checkpoints import Checkpoints
from storage.transactions import TransactionThreads

T = TypeVar("T")

BUSY_TIMEOUT_S = 3.0
READERS = 2
WAITING_MAX = 10_000
CACHED_STATEMENTS = 256


class SqliteBackend:
    """All writes of the process go through one connection: separate writers wait for each other for seconds.

    A read sees the database as it was when its transaction began, whatever is written meanwhile.
    """

    def __init__(self, url: URL) -> None:
        path = Path(url.database or "").absolute()
        writer, reader = _engine(path, _WRITER_PRAGMAS), _engine(path, _READER_PRAGMAS)
        begin = partial(_begin, path, "BEGIN IMMEDIATE")
        self._writer = TransactionThreads(
            writer, begin, name="sqlite-writer", count=1, waiting_max=WAITING_MAX
        )
        begin = partial(_begin, path, "BEGIN")
        self._readers = TransactionThreads(
            reader, begin, name="sqlite-reader", count=READERS, waiting_max=WAITING_MAX
        )

        self._checkpoints = Checkpoints(partial(_connect, path))

    def write(self, transaction: Callable[[Connection], T], *, urgent: bool) -> Awaitable[T]:
        return self._writer.run(transaction, urgent=urgent)

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        return await self._readers.run(transaction)

    async def ping(self) -> None:
        """A transaction of the writer, empty: nothing less shows that writes would succeed."""
        await self.write(lambda _connection: None, urgent=False)

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()
        await asyncio.to_thread(self._checkpoints.close)


_WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # A thread beside the writer makes the checkpoints; past 100 MB of log the writer makes one itself.
    "wal_autocheckpoint=25000",
    # What undoes a statement of many rows would be a file of its own in each commit.
    "temp_store=MEMORY",
    # 8 MiB: the ends of all the indexes that a busy server writes to.
    "cache_size=-8192",
)
_READER_PRAGMAS = ("query_only=ON",)


def _engine(path: Path, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: _connect(path),
        poolclass=pool.NullPool,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(path)

    return engine


def _begin(path: Path, statement: str, connection: Connection) -> sqlite3.Connection:
    # SQLite goes on writing to a file that was deleted or replaced under it: nobody would find it again.
    if connection.info["file"] != _identity(path):
        raise Unavailable(f"{path} is no longer the file that was opened")
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    driver.execute(statement)
    return driver


def _connect(path: Path) -> sqlite3.Connection:
    # mode=rw: a database that is not there is an error, not a new and empty one.
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
    )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
