"""Transactions: whole or not at all, the journal's first, and what happens when the database goes away."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.util import await_only

from protocol.errors import Unavailable
from storage import schema, sqlite
from storage.engine import Database
from storage.sqlite import SqliteBackend
from storage.tables import roles
from storage.urls import driver_url
from tests.databases import Postgres

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def add_role(name: str) -> Callable[[Connection], None]:
    def transaction(connection: Connection) -> None:
        connection.execute(insert(roles).values(name=name, created_at=NOW, updated_at=NOW))

    return transaction


def role_names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(roles.c.name).order_by(roles.c.id)))


def pragma(name: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(f"PRAGMA {name}")).scalar_one()


async def test_what_is_written_is_read(database: Database) -> None:
    await database.write(add_role("one"))
    await database.write(add_role("two"), urgent=True)
    assert await database.read(role_names) == ["one", "two"]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        add_role("half")(connection)
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        await database.write(half)
    assert await database.read(role_names) == []


async def test_a_broken_constraint_comes_through(database: Database) -> None:
    await database.write(add_role("one"))
    with pytest.raises(IntegrityError):
        await database.write(add_role("one"))
    await database.write(add_role("two"))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((Unavailable, StatementError)):
        await database.read(add_role("one"))
    assert await database.read(role_names) == []


async def test_a_read_sees_one_moment(database: Database) -> None:
    loop = asyncio.get_running_loop()

    async def add_meanwhile() -> None:
        await database.write(add_role("meanwhile"))

    def read_twice(connection: Connection) -> tuple[list[str], list[str]]:
        first = role_names(connection)
        if database.dialect == "sqlite":
            asyncio.run_coroutine_threadsafe(add_meanwhile(), loop).result(10)
        else:
            await_only(add_meanwhile())
        return first, role_names(connection)

    assert await database.read(read_twice) == ([], [])
    assert await database.read(role_names) == ["meanwhile"]


async def test_a_ping_is_a_round_trip(database: Database) -> None:
    assert 0 < await database.ping() < 5000


async def test_the_writer_syncs_every_commit_and_checks_keys(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    assert await database.write(pragma("synchronous")) == 2
    assert await database.write(pragma("journal_mode")) == "wal"
    assert await database.write(pragma("foreign_keys")) == 1
    assert await database.write(pragma("busy_timeout")) == sqlite.BUSY_TIMEOUT_S * 1000
    await database.close()


async def test_the_journal_overtakes_all_that_wait(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    order: list[str] = []
    go = threading.Event()

    def note(name: str) -> Callable[[Connection], None]:
        return lambda _connection: order.append(name)

    first = asyncio.ensure_future(database.write(lambda _connection: go.wait(10)))
    ordinary = [asyncio.ensure_future(database.write(note(f"ordinary {n}"))) for n in range(3)]
    await asyncio.sleep(0)
    urgent = asyncio.ensure_future(database.write(note("journal"), urgent=True))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, urgent, *ordinary)
    assert order == ["journal", "ordinary 0", "ordinary 1", "ordinary 2"]
    await database.close()


async def test_a_caller_that_gives_up_takes_its_write_back(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    go = threading.Event()
    running = asyncio.ensure_future(database.write(lambda _connection: go.wait(10)))
    waiting = asyncio.ensure_future(database.write(add_role("unwanted")))
    await asyncio.sleep(0)
    waiting.cancel()
    running.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    go.set()
    await database.write(add_role("wanted"))
    assert await database.read(role_names) == ["wanted"]
    await database.close()


async def test_one_that_fails_after_its_caller_gave_up_harms_nobody(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    go = threading.Event()

    def fail(_connection: Connection) -> None:
        go.wait(10)
        raise LookupError

    running = asyncio.ensure_future(database.write(fail))
    await asyncio.sleep(0)
    await asyncio.to_thread(wait_until_taken, database)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    go.set()
    await database.write(add_role("after"))
    await database.close()


def wait_until_taken(database: Database) -> None:
    backend = database._backend
    assert isinstance(backend, SqliteBackend)
    while backend._writer._ordinary.qsize():
        threading.Event().wait(0.001)


async def test_too_many_waiting_transactions_are_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAITING_MAX", 1)
    database = await Database.open(sqlite_url)
    go = threading.Event()
    running = asyncio.ensure_future(database.write(lambda _connection: go.wait(10)))
    await asyncio.sleep(0)
    await asyncio.to_thread(wait_until_taken, database)
    waiting = asyncio.ensure_future(database.write(add_role("one")))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await database.write(add_role("two"))
    journal = asyncio.ensure_future(database.write(add_role("three"), urgent=True))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(running, waiting, journal)
    await database.close()


async def test_closing_finishes_what_was_asked_before(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    writing = asyncio.ensure_future(database.write(add_role("one")))
    await asyncio.sleep(0)
    await database.close()
    await writing
    with pytest.raises(Unavailable):
        await database.write(add_role("two"))


async def test_a_locked_database_is_unavailable_until_it_is_let_go(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    database = await Database.open(sqlite_url)
    await database.write(add_role("before"))
    with contextlib.closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            await database.write(add_role("meanwhile"))
        with pytest.raises(Unavailable):
            await database.ping()
        other.execute("ROLLBACK")
    await database.write(add_role("after"))
    assert await database.read(role_names) == ["before", "after"]
    await database.close()


async def test_a_file_that_is_taken_away_is_unavailable_until_it_returns(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await database.write(add_role("before"))
    await database.read(role_names)
    path = path_of(sqlite_url)
    aside = path.with_suffix(".aside")
    path.rename(aside)
    for attempt in (database.write(add_role("lost")), database.read(role_names), database.ping()):
        with pytest.raises(Unavailable):
            await attempt
    assert not path.exists()
    aside.rename(path)
    await database.write(add_role("after"))
    assert await database.read(role_names) == ["before", "after"]
    await database.close()


async def test_a_replaced_file_is_not_written_to_unseen(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await database.write(add_role("before"))
    path_of(sqlite_url).unlink()
    await schema.upgrade(sqlite_url)
    with pytest.raises(Unavailable):
        await database.write(add_role("lost"))
    await database.write(add_role("in the new file"))
    assert await database.read(role_names) == ["in the new file"]
    await database.close()


async def test_postgresql_is_found_again_after_a_restart(own_postgres: Postgres) -> None:
    url = own_postgres.url()
    await schema.upgrade(url)
    database = await Database.open(url)
    await database.write(add_role("before"))
    await database.write(add_role("journal"), urgent=True)
    await asyncio.to_thread(own_postgres.stop)
    for attempt in (
        database.write(add_role("lost")),
        database.write(add_role("lost"), urgent=True),
        database.read(role_names),
        database.ping(),
    ):
        with pytest.raises(Unavailable):
            await attempt
    await asyncio.to_thread(own_postgres.start)
    await database.write(add_role("after"), urgent=True)
    assert await database.read(role_names) == ["before", "journal", "after"]
    await database.close()


async def test_a_postgresql_that_is_down_may_come_up_later(own_postgres: Postgres) -> None:
    url = own_postgres.url()
    await schema.upgrade(url)
    await asyncio.to_thread(own_postgres.stop)
    database = await Database.open(url)
    with pytest.raises(Unavailable):
        await database.ping()
    await asyncio.to_thread(own_postgres.start)
    await database.ping()
    await database.close()


async def test_a_statement_that_takes_too_long_is_unavailable(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.postgresql.COMMAND_TIMEOUT_S", 0.05)
    database = await Database.open(postgres_url)
    with pytest.raises(Unavailable):
        await database.write(lambda connection: connection.execute(text("SELECT pg_sleep(10)")))
    assert await database.read(role_names) == []
    await database.close()


async def test_a_connection_cut_by_the_administrator_is_replaced(postgres_url: str) -> None:
    database = await Database.open(postgres_url)
    cut = text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Unavailable):
        await database.write(lambda connection: connection.execute(cut).all())
    await database.write(add_role("after"))
    await database.close()


def path_of(url: str) -> Path:
    return Path(driver_url(url).database or "")


async def test_an_error_never_quotes_what_was_written(database: Database) -> None:
    await database.write(add_role("a secret"))
    with pytest.raises(IntegrityError) as refused:
        await database.write(add_role("a secret"))
    assert "secret" not in str(refused.value).partition("\n")[0]
    assert refused.value.hide_parameters
