"""Times in the database: aware, UTC, to the microsecond, in order."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import StatementError

from storage.engine import Database
from storage.tables import roles, users

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def add_role(connection: Connection, name: str, at: datetime) -> None:
    connection.execute(insert(roles).values(name=name, created_at=at, updated_at=at))


@pytest.mark.parametrize(
    "at", [NOON, NOON + timedelta(microseconds=1), NOON.astimezone(timezone(timedelta(hours=-7)))]
)
async def test_a_time_comes_back_as_it_was_in_utc(database: Database, at: datetime) -> None:
    await database.write(lambda connection: add_role(connection, "one", at))
    stored = await database.read(lambda connection: connection.scalar(select(roles.c.created_at)))
    assert stored == at
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)


async def test_no_time_comes_back_as_none(database: Database) -> None:
    add = insert(users).values(username="a", email="a@b.c", created_at=NOON, updated_at=NOON, deleted_at=None)
    await database.write(lambda connection: connection.execute(add).rowcount)
    assert await database.read(lambda connection: connection.scalar(select(users.c.deleted_at))) is None


async def test_times_sort_to_the_microsecond(database: Database) -> None:
    moments = [NOON + timedelta(microseconds=n) for n in (0, 1, 10, 999_999, 1_000_000)]

    def add(connection: Connection) -> None:
        for number, at in enumerate(reversed(moments)):
            add_role(connection, f"role {number}", at)

    await database.write(add)
    query = select(roles.c.created_at).order_by(roles.c.created_at)
    assert await database.read(lambda connection: list(connection.scalars(query))) == moments
    later = select(roles.c.created_at).where(roles.c.created_at > NOON).order_by(roles.c.created_at)
    assert await database.read(lambda connection: list(connection.scalars(later))) == moments[1:]


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(StatementError, match="zone"):
        await database.write(lambda connection: add_role(connection, "one", naive))
