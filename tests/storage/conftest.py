"""An open database on each of the two kinds."""

from collections.abc import AsyncIterator

import pytest

from storage.engine import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Migrated, open and empty but for what the migrations put there."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
