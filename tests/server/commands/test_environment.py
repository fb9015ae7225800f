"""What commands stand on, where people meet it."""

import getpass
import io
import sys
from pathlib import Path

import pytest

from protocol.errors import Unavailable
from server.commands.environment import open_database, read_password, settings_of_environment
from server.commands.failure import USAGE, Failure
from server.settings import Settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def type_twice(monkeypatch: pytest.MonkeyPatch, *passwords: str) -> None:
    answers = iter(passwords)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))


def test_a_password_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    type_twice(monkeypatch, "secret", "secret")
    assert read_password(from_stdin=False) == "secret"


def test_a_mistyped_password_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    type_twice(monkeypatch, "secret", "secert")
    with pytest.raises(Failure, match="are not the same") as failed:
        read_password(from_stdin=False)
    assert failed.value.exit_code == USAGE


def test_settings_that_cannot_be_read_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", ".env")

    monkeypatch.setattr("server.commands.environment.read_settings", refuse)
    with pytest.raises(Failure, match=r"^\.env cannot be read: Permission denied$"):
        settings_of_environment()


async def test_a_database_that_goes_away_while_it_is_used_is_told(sqlite_url: str) -> None:
    with pytest.raises(Failure, match="cannot be used: no answer"):
        async with open_database(Settings(database_url=sqlite_url)):
            raise Unavailable("no answer")
