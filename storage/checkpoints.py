"""Copies SQLite's log back into the database file beside the writer, so that no commit has to wait for it."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("storage")
EVERY_S: Final = 0.5


class Checkpoints:
    """A thread that copies what was committed, twice a second, until it is closed.

    Passive checkpoints wait for nobody and nobody waits for them. They cannot shorten the log while a writer
    is always ahead of them: past its own bound the writer checkpoints too.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, every_s: float = EVERY_S) -> None:
        self._connect = connect
        self._every_s = every_s
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sqlite-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when the thread has ended."""
        self._is_closing.set()
        self._thread.join()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._is_closing.wait(self._every_s):
            try:
                connection = connection or self._connect()
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                # The next round tries again; the writer's own bound holds meanwhile.
                LOG.debug("no checkpoint: %s", error)
        if connection is not None:
            connection.close()
