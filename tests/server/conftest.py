"""Servers run on the loop that they run on in production, with a clock that tests may move."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from sqlalchemy import Engine, create_engine

from server.settings import Settings
from tests.server.rest.client import settings_for
from tests.server.talking import Place, place


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], uvloop.Loop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def servers_start_quickly() -> Iterator[None]:
    """Do once what each of a thousand servers would do anew.

    Each would compile the same statements for its own SQLite, which takes longer than to run them, and sort
    out the garbage of the whole process.
    """
    gc.collect()
    gc.freeze()
    untouched = SimpleNamespace(collect=lambda: 0, freeze=lambda: None, set_threshold=gc.set_threshold)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.sqlite.create_engine", _sharing_statements())
        patch.setattr("server.app.gc", untouched)
        yield


def _sharing_statements() -> Callable[..., Engine]:
    compiled: dict[Any, Any] = {}
    first = create_engine("sqlite+pysqlite://")
    first.connect().close()
    first.dispose()

    def create(url: str, **options: Any) -> Engine:
        engine = create_engine(url, **options)
        # What is compiled is found again by its dialect.
        engine.dialect = first.dialect
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    return create


@pytest.fixture
def quick_settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Of a server on SQLite, without limits on rates."""
    return settings_for(sqlite_url, tmp_path)


@pytest.fixture
async def home(quick_settings: Settings) -> AsyncIterator[Place]:
    """A server on SQLite where nobody is yet."""
    async with place(quick_settings) as home:
        yield home
