"""Checkpoints: what was committed reaches the database file while the writer goes on."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from typing_extensions import override

from storage.checkpoints import Checkpoints

WITHIN_S = 20.0


class Told(sqlite3.Connection):
    """Says when a statement was run."""

    ran = threading.Event()

    @override
    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        cursor = super().execute(sql, parameters)
        self.ran.set()
        return cursor


def write_one(path: Path) -> sqlite3.Connection:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("CREATE TABLE said (content TEXT)")
    writer.execute("INSERT INTO said VALUES ('hello')")
    return writer


def test_what_was_committed_is_copied_into_the_file_beside_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = write_one(path)
    Told.ran.clear()

    checkpoints = Checkpoints(lambda: sqlite3.connect(path, factory=Told), every_s=0.001)
    assert Told.ran.wait(WITHIN_S)
    checkpoints.close()

    alone = tmp_path / "alone.db"
    alone.write_bytes(path.read_bytes())
    copy = sqlite3.connect(alone)
    assert copy.execute("SELECT content FROM said").fetchall() == [("hello",)]
    copy.close()
    writer.close()


def test_a_database_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = write_one(path)
    Told.ran.clear()
    attempts = iter([True, False])

    def connect() -> sqlite3.Connection:
        if next(attempts, False):
            raise sqlite3.OperationalError("unable to open database file")
        return sqlite3.connect(path, factory=Told)

    checkpoints = Checkpoints(connect, every_s=0.001)
    assert Told.ran.wait(WITHIN_S)
    checkpoints.close()
    writer.close()
