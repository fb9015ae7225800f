"""A server of the run's own: it answers when it is said to, and says why when it does not."""

from pathlib import Path

import pytest

from loadtest import own_server
from loadtest.own_server import OwnServer, OwnServerError


def new_server(folder: Path, url: str = "", **settings: str) -> OwnServer:
    return OwnServer(folder / "server", url or f"sqlite:///{folder}/load.db", settings)


async def test_it_starts_again_on_the_same_port_after_a_kill(tmp_path: Path, sqlite_url: str) -> None:
    server = new_server(tmp_path, sqlite_url)
    assert (server.cpu_s(), server.rss_bytes()) == (0.0, 0)
    await server.start()
    assert server.cpu_s() > 0
    assert server.rss_bytes() > 10 * 2**20
    await server.kill()
    assert server.rss_bytes() == 0
    await server.start()
    await server.stop()
    await server.stop()
    await server.kill()


async def test_a_command_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    server = new_server(tmp_path)
    with pytest.raises(OwnServerError, match=r"^parley user list: BCRYPT_ROUNDS: got '0'"):
        await new_server(tmp_path, BCRYPT_ROUNDS="0").command("user", "list")
    await server.command("migrate")


async def test_a_server_that_ends_at_once_tells_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(OwnServerError, match="the server ended at once: parley serve: LOG_LEVEL"):
        await new_server(tmp_path, LOG_LEVEL="loud").start()


async def test_a_server_that_does_not_become_ready_is_ended(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_server, "START_WITHIN_S", 0.2)
    server = new_server(tmp_path, sqlite_url)
    with pytest.raises(OwnServerError, match=r"not ready within 0 s: it said nothing"):
        await server.start()
    assert server.rss_bytes() == 0


async def test_a_server_that_does_not_stop_is_ended(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_server, "STOP_WITHIN_S", 0.0)
    server = new_server(tmp_path, sqlite_url)
    await server.start()
    await server.stop()
    assert server.rss_bytes() == 0


async def test_the_callers_settings_are_not_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCRYPT_ROUNDS", "nonsense")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOG_LEVEL=nonsense\n")
    await new_server(tmp_path).command("migrate")
