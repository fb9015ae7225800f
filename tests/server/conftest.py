"""Servers run on the loop that they run on in production, with a clock that tests may move."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from server.settings import Settings
from tests.server.rest.client import settings_for
from tests.server.talking import Place, place


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], uvloop.Loop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def quick_settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Of a server on SQLite, without limits on rates."""
    return settings_for(sqlite_url, tmp_path)


@pytest.fixture
async def home(quick_settings: Settings) -> AsyncIterator[Place]:
    """A server on SQLite where nobody is yet."""
    async with place(quick_settings) as home:
        yield home
