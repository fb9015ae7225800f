"""Statements that take any number of rows at once.

SQLite gives the interpreter up at every step of a statement and has to win it back from a busy event loop:
400 rows in one step were measured to take a sixteenth of the time of 400 steps of one row. There the rows are
bound as values, in statements for 1, 2, 4, … rows filled up with empty ones, so that few are prepared.
PostgreSQL takes one JSON document, which costs us a quarter of the processor time that its arrays do.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import make_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]

STEP_MAX_ROWS = 512
SQLITE_ROWS = "(SELECT {columns} FROM (VALUES {values}) WHERE column1 IS NOT NULL)"
POSTGRESQL_ROWS = "(SELECT {columns} FROM jsonb_array_elements(CAST(:rows AS jsonb)))"

_encoder = msgspec.json.Encoder()


class Kind(Enum):
    """What a field of a row is, and how PostgreSQL reads it out of the document. SQLite needs no telling."""

    INTEGER = "CAST(value ->> {position} AS bigint)"
    TEXT = "value ->> {position}"
    TIME = "CAST(value ->> {position} AS timestamp) AT TIME ZONE 'UTC'"
    DOCUMENT = "CAST(value ->> {position} AS jsonb)"


class RowsStatement:
    """`{rows}` in the statement stands for a subquery with the named fields, in the order of the tuples.

    It may be there once only. The first field of a row is never empty. Times are given through `stored_time`.
    """

    def __init__(self, sql: str, **fields: Kind) -> None:
        self._sql = sql
        self._width = len(fields)
        self._columns = ", ".join(f"column{number} AS {name}" for number, name in enumerate(fields, 1))
        self._by_size: dict[int, str] = {}
        self._found: Callable[[Iterable[Any]], Any] | None = None
        self._postgresql = text(sql.replace("{rows}", _postgresql_rows(fields)))

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        for _ in self._execute(connection, rows):
            pass

    def fetch(self, connection: Connection, rows: Sequence[Row]) -> list[Any]:
        """What the statement returns, by column name; its order holds within a few hundred rows only."""
        return [found for result in self._execute(connection, rows) for found in result]

    def _execute(self, connection: Connection, rows: Sequence[Row]) -> Iterator[Iterable[Any]]:
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            for start in range(0, len(rows), STEP_MAX_ROWS):
                yield self._step(connection, rows[start : start + STEP_MAX_ROWS])
        else:
            yield connection.execute(self._postgresql, {"rows": _encoder.encode(rows).decode()})

    def _step(self, connection: Connection, rows: Sequence[Row]) -> Iterable[Any]:
        size = 1 << (len(rows) - 1).bit_length()
        empty = (None,) * (self._width * (size - len(rows)))
        cursor = execute_driver(connection, self._sqlite(size), (*chain.from_iterable(rows), *empty))
        if cursor.description is None:
            return ()
        if self._found is None:
            self._found = _named([column[0] for column in cursor.description])
        return map(self._found, cursor)

    def _sqlite(self, size: int) -> str:
        """The same string each time: the driver finds the prepared statement by it."""
        if size not in self._by_size:
            row = f"({', '.join('?' * self._width)})"
            values = SQLITE_ROWS.replace("{columns}", self._columns).replace(
                "{values}", ", ".join([row] * size)
            )
            self._by_size[size] = self._sql.replace("{rows}", values)
        return self._by_size[size]


def _named(columns: list[str]) -> Callable[[Iterable[Any]], Any]:
    """Makes rows whose values are read by column name, as SQLAlchemy's are."""
    kind = make_dataclass("Found", columns, slots=True)
    return lambda values: kind(*values)


def execute_driver(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
    """Run SQL on SQLite's own connection, for what every commit does.

    SQLAlchemy's way through its layers was measured to cost more than the statement, and every step of it is
    taken beside an event loop that wants the interpreter. Errors are SQLAlchemy's.
    """
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    try:
        return driver.execute(sql, parameters)
    except sqlite3.Error as error:
        raise DBAPIError.instance(sql, (), error, sqlite3.Error, dialect=connection.dialect) from error


@lru_cache(64)
def stored_time(at: datetime | None) -> str | None:
    """A time as `UtcDateTime` keeps it on SQLite; one commit mostly holds the same few."""
    if at is None:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _postgresql_rows(fields: dict[str, Kind]) -> str:
    columns = (
        f"{kind.value.format(position=position)} AS {name}"
        for position, (name, kind) in enumerate(fields.items())
    )
    return POSTGRESQL_ROWS.replace("{columns}", ", ".join(columns))
