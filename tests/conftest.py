"""What every test may ask for: databases, empty or migrated, on SQLite and on PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Postgres, migrate, postgres_server

DIALECTS = ("sqlite", "postgresql")
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
"""What all sessions' temporary files may fill."""
SLOW = (
    "tests/simulation/",
    "tests/end_to_end/",
    "tests/server/test_schemathesis.py",
    "tests/server/test_model.py",
    "tests/server/agents/test_process.py",
    "tests/storage/test_schema.py",
)


def pytest_configure() -> None:
    """Keep temporary files in memory, if there is room for them and nobody named another place.

    A test asks what was committed and waits for no disk.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        tempfile.tempdir = str(MEMORY)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for processes and sockets as well."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: begun last, it would leave the other workers without work."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL server. Never stop it: `own_postgres` is for that."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test's own, which it may stop and start."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated database to copy."""
    with postgres.database() as name:
        migrate(postgres.url(name))
        yield name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """A fresh migrated PostgreSQL database."""
    with postgres.database(postgres_template) as name:
        yield postgres.url(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh migrated SQLite database."""
    path = tmp_path / "test.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated database; the test runs once on each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=DIALECTS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database without tables; the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as name:
        yield server.url(name)
