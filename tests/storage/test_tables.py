"""What the tables refuse on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from storage.engine import Database
from storage.tables import channels, metadata, roles, server_state, users

TIMES = {
    "created_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "updated_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
}


def add_user(connection: Connection, username: str, email: str) -> None:
    connection.execute(insert(users).values(username=username, email=email, **TIMES))


def test_every_row_says_when_it_was_made_and_changed() -> None:
    for table in metadata.tables.values():
        assert {"created_at", "updated_at"} <= set(table.c.keys())


async def test_an_id_is_never_given_twice(database: Database) -> None:
    def add_and_remove(connection: Connection) -> int:
        connection.execute(insert(roles).values(name="one", **TIMES))
        given = connection.execute(select(roles.c.id)).scalar_one()
        connection.execute(roles.delete())
        return int(given)

    first = await database.write(add_and_remove)
    assert await database.write(add_and_remove) > first


@pytest.mark.parametrize(("username", "email"), [("aLICE", "new@x.org"), ("new", "Alice@X.org")])
async def test_user_names_and_addresses_are_unique_without_case(
    database: Database, username: str, email: str
) -> None:
    await database.write(lambda connection: add_user(connection, "Alice", "alice@x.org"))
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: add_user(connection, username, email))


async def test_an_unknown_kind_of_channel_is_refused(database: Database) -> None:
    add = insert(channels).values(kind="room", **TIMES)
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(add).rowcount)


async def test_a_row_that_refers_to_nothing_is_refused(database: Database) -> None:
    add = insert(channels).values(kind="channel", owner_id=404, **TIMES)
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(add).rowcount)


async def test_the_state_of_the_server_has_one_value_per_key(database: Database) -> None:
    add = insert(server_state).values(key="epoch", value="another", **TIMES)
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(add).rowcount)
