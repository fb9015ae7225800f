"""A server of a test's own: a real process, which may be killed and started again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.own_server import OwnServer


@pytest.fixture
async def own_server(tmp_path: Path, sqlite_url: str) -> AsyncIterator[OwnServer]:
    """It runs, on SQLite."""
    server = OwnServer(tmp_path / "server", sqlite_url, {"BCRYPT_ROUNDS": "4"})
    await server.start()
    yield server
    await server.stop()
