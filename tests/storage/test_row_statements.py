"""Statements that take any number of rows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection

from storage.engine import Database
from storage.row_statements import STEP_MAX_ROWS, Kind, RowsStatement, stored_time
from tests.storage.people import NOW

ECHO = RowsStatement(
    "SELECT asked.number, asked.word, asked.at FROM {rows} AS asked",
    number=Kind.INTEGER,
    word=Kind.TEXT,
    at=Kind.TIME,
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 9, STEP_MAX_ROWS, STEP_MAX_ROWS + 1])
async def test_every_row_is_taken_once(database: Database, count: int) -> None:
    rows = [(number, f"word {number}", None) for number in range(count)]
    found = await database.read(lambda connection: ECHO.fetch(connection, rows))
    assert [(row.number, row.word, row.at) for row in found] == rows


async def test_fields_come_as_they_were(database: Database) -> None:
    word = "quotes ' \" \\ and :colons and ? and 🎉\n"
    rows = [(2**53, word, None), (-1, None, None), (0, "", None)]
    found = await database.read(lambda connection: ECHO.fetch(connection, rows))
    assert [(row.number, row.word, row.at) for row in found] == rows


async def test_times_are_the_same_moment(database: Database) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    found = await database.read(lambda c: ECHO.fetch(c, [(1, None, stored_time(elsewhere))]))
    assert as_utc(found[0].at) == NOW


async def test_a_statement_that_returns_nothing_is_run(database: Database) -> None:
    add = RowsStatement(
        "INSERT INTO roles (name, created_at, updated_at) SELECT name, at, at FROM {rows} AS added",
        name=Kind.TEXT,
        at=Kind.TIME,
    )
    count = RowsStatement(
        "SELECT roles.id FROM {rows} AS asked JOIN roles ON roles.name = asked.name", name=Kind.TEXT
    )
    names = [(f"role {number}",) for number in range(700)]

    def transaction(connection: Connection) -> int:
        add.run(connection, [])
        add.run(connection, [(*name, stored_time(NOW)) for name in names])
        return len(count.fetch(connection, names))

    assert await database.write(transaction) == 700


def test_a_stored_time_has_one_width() -> None:
    assert stored_time(None) is None
    assert stored_time(NOW) == "2026-01-31 12:00:00.000000"
    assert stored_time(NOW + timedelta(microseconds=5)) == "2026-01-31 12:00:00.000005"


def as_utc(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
