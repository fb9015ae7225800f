"""Reads of one channel that go past memory: each is answered once, even if the activation ends meanwhile."""

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from actors.actor import Cell
from actors.channel_commands import Ask, Resume
from actors.system import OVERLOADED
from protocol.errors import Code, Refusal

READS_MAX = 1_000
"""How many readers of one channel may wait for the database."""

UNREADABLE = Refusal(Code.UNAVAILABLE, "The channel cannot be read now. Try again.", retry_after_ms=1000)

Reader = Ask | Resume


class ReadDone(Struct, frozen=True):
    """What the database said, or an exception, for `use` to make something of."""

    reader: Reader
    use: Callable[[Any], None]
    result: Any


class DatabaseReads:
    """Who waits for the database."""

    __slots__ = ("_cell", "_readers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._readers: dict[int, Reader] = {}

    @property
    def is_idle(self) -> bool:
        return not self._readers

    def start(
        self, reader: Reader, work: Callable[[], Coroutine[Any, Any, Any]], use: Callable[[Any], None]
    ) -> None:
        """Have `work` done for `reader`; `use` gets its result in a later turn and answers."""
        if len(self._readers) >= READS_MAX:
            reader.answer(OVERLOADED)
            return
        self._readers[id(reader)] = reader
        self._cell.run(work(), lambda result: ReadDone(reader, use, result))

    def finish(self, mail: ReadDone) -> None:
        if self._readers.pop(id(mail.reader), None) is None:
            return
        if isinstance(mail.result, Exception):
            mail.reader.answer(UNREADABLE)
        else:
            mail.use(mail.result)

    def give_up(self) -> list[Reader]:
        """Nobody waits any more: those who did."""
        readers, self._readers = list(self._readers.values()), {}
        return readers
