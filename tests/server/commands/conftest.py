"""Commands in a folder and an environment of their own."""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from server.__main__ import main
from server.settings import Settings, variable_of


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: empty; and no setting is set but a low cost of hashing."""
    for field in Settings.__struct_fields__:
        monkeypatch.delenv(variable_of(field), raising=False)
    for other in ("DB_URL", "PARLEY_URL", "PARLEY_PASSWORD"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("BCRYPT_ROUNDS", "4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def migrated_folder(folder: Path, sqlite_template: Path) -> Path:
    """The current folder, with a database that is up to date."""
    shutil.copyfile(sqlite_template, folder / "backend.db")
    return folder


@pytest.fixture
def parley(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command there, with this text on standard input."""

    def run(*arguments: str, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
