"""`parley migrate`, and who may change a schema without being asked."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.server.commands.conftest import Run


def test_an_sqlite_database_is_made(parley: Run, folder: Path) -> None:
    checked = parley("migrate", "--check")
    assert (checked.code, (folder / "backend.db").exists()) == (1, False)
    assert "is now up to date" in parley("migrate").out
    assert "The schema is up to date" in parley("migrate", "--check").out


def test_any_command_makes_an_sqlite_database_that_was_not_there(parley: Run) -> None:
    assert parley("user", "list") == (0, "", "")


def test_a_postgresql_database_changes_only_when_it_is_asked_for(
    parley: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    said = parley("user", "list")
    if empty_database_url.startswith("sqlite"):
        assert said.code == 0
        return
    assert said.code == 1
    assert "run `parley migrate` or `parley serve --migrate`" in said.err
    assert parley("migrate").code == 0
    assert parley("user", "list").code == 0


def test_a_database_that_cannot_be_reached_is_told_in_a_line(
    parley: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:hidden@localhost:1/y")
    for command in (["migrate"], ["user", "list"], ["serve"]):
        said = parley(*command)
        assert said.code == 1
        assert said.err.splitlines()[-1].startswith(
            f"parley {command[0]}: the postgresql database of DATABASE_URL"
        )
        assert "hidden" not in said.err


def test_a_database_that_nobody_has_made_is_told_in_a_line(
    parley: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if empty_database_url.startswith("sqlite"):
        return
    url = make_url(empty_database_url).set(database="nowhere")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    for command in (["migrate"], ["user", "list"], ["serve"], ["check"]):
        said = parley(*command)
        assert said.code == 1
        assert 'cannot be used: database "nowhere" does not exist' in said.out + said.err


def test_a_file_that_is_no_database_is_told(parley: Run, folder: Path) -> None:
    (folder / "backend.db").write_text("this is not a database at all" * 100)
    said = parley("migrate")
    assert said.code == 1
    assert said.err.startswith("parley migrate: the sqlite database of DATABASE_URL cannot be used: ")


def test_a_database_of_a_newer_version_is_left_alone(parley: Run, migrated_folder: Path) -> None:
    with closing(sqlite3.connect(migrated_folder / "backend.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    said = parley("migrate")
    assert said.code == 1
    assert said.err.startswith("parley migrate: the database is of a newer version of Parley")
