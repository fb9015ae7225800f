"""Refusals to those who are no members, as far as memory knows: it may be older than their membership.

Another owner may have let them in: a process that is being replaced, or a commit that landed late.
"""

from collections.abc import Callable

from actors.database_reads import UNREADABLE, DatabaseReads, Reader
from actors.pipeline import Pipeline
from actors.ports import Channels
from protocol.errors import Refusal
from protocol.facts import Changes


class Strangers:
    """`restart` ends the activation, when another owner has written."""

    __slots__ = ("_database", "_pipeline", "_restart", "_store")

    def __init__(
        self, store: Channels, database: DatabaseReads, pipeline: Pipeline, restart: Callable[[], None]
    ) -> None:
        self._store = store
        self._database = database
        self._pipeline = pipeline
        self._restart = restart

    def refuse(self, reader: Reader, refusal: Refusal) -> None:
        """Answer members at once, and strangers after a look whether the database is ahead of memory."""
        state = self._pipeline.committed
        if reader.by.user_id in state.members or refusal.meaning.retryable:
            reader.answer(refusal)
            return
        self._database.start(
            reader,
            lambda: self._store.changes(state.base.id, state.last_seq, 1),
            lambda changes: self._confirm(reader, refusal, changes),
        )

    def _confirm(self, reader: Reader, refusal: Refusal, changes: Changes) -> None:
        if changes.last_seq > self._pipeline.decided.last_seq:
            self.give_way(reader)
        else:
            reader.answer(refusal)

    def give_way(self, reader: Reader) -> None:
        """Another owner has written: nothing that memory says is certain."""
        reader.answer(UNREADABLE)
        self._restart()
