"""The databases that tests are given."""

import subprocess

import asyncpg
import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.urls import driver_url
from tests.databases import Postgres


@pytest.mark.parametrize("round_", [1, 2])
async def test_every_test_gets_a_migrated_database_of_its_own(database_url: str, round_: int) -> None:
    engine = create_async_engine(driver_url(database_url))
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1
        await connection.execute(text("DELETE FROM alembic_version"))
    await engine.dispose()


async def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    engine = create_async_engine(driver_url(empty_database_url))
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    assert tables == []


async def test_a_postgresql_server_of_its_own_can_go_away_and_return(own_postgres: Postgres) -> None:
    own_postgres.stop()
    with pytest.raises(FileNotFoundError, match="No such file"):
        await asyncpg.connect(own_postgres.url())
    own_postgres.start()
    connection = await asyncpg.connect(own_postgres.url())
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


def test_a_statement_that_fails_is_not_overlooked(postgres: Postgres) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        postgres.run("DROP DATABASE not_there")
