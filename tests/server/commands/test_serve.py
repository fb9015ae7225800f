"""`parley serve` as a process: it starts, listens, drains when told to, and says why when it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from loadtest.own_server import SOURCE
from protocol.errors import Unavailable
from server.commands import serve
from server.settings import Settings
from tests.server.commands.conftest import Run


@contextmanager
def serving(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def listening(process: subprocess.Popen[str]) -> int:
    """The port, once the server says that it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError("the server ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_makes_its_database_and_stops_in_order(folder: Path, number: signal.Signals) -> None:
    with serving("--port", "0") as process:
        with socket.create_connection(("127.0.0.1", listening(process))) as connection:
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert (folder / "backend.db").exists()
        process.send_signal(number)
        assert process.wait(timeout=20) == 0


def test_a_port_that_is_taken_is_told(parley: Run, migrated_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = parley("serve", "--host", "127.0.0.1", "--port", str(port))
    assert said.code == 1
    words = "address already in use - try another --host or --port"
    assert said.err.splitlines()[-1] == f"parley serve: cannot listen on 127.0.0.1:{port}: {words}"


def test_a_data_folder_that_cannot_be_written_is_told(
    parley: Run, migrated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migrated_folder / "occupied").write_text("")
    monkeypatch.setenv("DATA_FOLDER", "occupied")
    said = parley("serve", "--port", "0")
    assert said.code == 1
    assert said.err == "parley serve: occupied: File exists - `parley check` says which setting names it\n"


def test_a_certificate_that_cannot_be_used_is_told(parley: Run, migrated_folder: Path) -> None:
    (migrated_folder / "ssl").mkdir()
    for name in ("cert.pem", "key.pem"):
        (migrated_folder / "ssl" / name).write_text("no PEM")
    said = parley("serve", "--port", "0")
    assert said.code == 2
    assert said.err.startswith("parley serve: AI_MESSAGE_SSL_CERT, AI_MESSAGE_SSL_KEY: got ssl/cert.pem and ")


def test_signals_end_it_in_order(parley: Run, migrated_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    @asynccontextmanager
    async def run_until_told(settings: Settings) -> AsyncIterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield
        ended.append((settings.host, settings.port))

    monkeypatch.setattr(serve, "running", run_until_told)
    assert parley("serve", "--host", "127.0.0.1", "--port", "7").code == 0
    assert ended == [("127.0.0.1", 7)]


def test_a_database_that_goes_away_meanwhile_is_told(
    parley: Run, migrated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Settings) -> NoReturn:
        raise Unavailable("gone")

    monkeypatch.setattr(serve, "running", fail)
    said = parley("serve")
    assert said.code == 1
    assert said.err.endswith("parley serve: the sqlite database of DATABASE_URL cannot be used: gone\n")


def test_a_logs_folder_that_cannot_be_written_is_told(
    parley: Run, migrated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migrated_folder / "occupied").write_text("")
    monkeypatch.setenv("AI_MESSAGE_LOGS_FOLDER", "occupied")
    said = parley("serve", "--port", "0")
    assert said.code == 2
    assert said.err.startswith("parley serve: AI_MESSAGE_LOGS_FOLDER: ")


def test_a_signing_key_that_cannot_be_used_is_told(parley: Run, migrated_folder: Path) -> None:
    (migrated_folder / "data").mkdir()
    (migrated_folder / "data" / "secret.key").write_text("short")
    said = parley("serve", "--port", "0")
    assert said.code == 2
    assert "secret.key: got 5 bytes" in said.err
