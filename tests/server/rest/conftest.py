"""A real server for each test, on a fresh database of either kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.settings import Settings
from tests.server.rest.client import Api, Running, serving, settings_for


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_for(sqlite_url, tmp_path)


@pytest.fixture
async def running(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """On both kinds of database."""
    async with serving(settings_for(database_url, tmp_path)) as running:
        yield running


@pytest.fixture
async def sqlite_running(settings: Settings) -> AsyncIterator[Running]:
    """On SQLite only: for what does not depend on the database."""
    async with serving(settings) as running:
        yield running


@pytest.fixture
def nobody(running: Running) -> Api:
    return running.nobody


@pytest.fixture
async def alice(nobody: Api) -> Api:
    return await nobody.newcomer("alice")


@pytest.fixture
async def bob(nobody: Api) -> Api:
    return await nobody.newcomer("bob")


@pytest.fixture
async def carol(nobody: Api) -> Api:
    return await nobody.newcomer("carol")


@pytest.fixture
async def superuser(running: Running) -> Api:
    person = await running.nobody.newcomer("root")
    await running.context.accounts.set_superuser(
        person.user["id"], running.context.clock.now(), is_superuser=True
    )
    return person


@pytest.fixture
async def sqlite_alice(sqlite_running: Running) -> Api:
    return await sqlite_running.nobody.newcomer("alice")
