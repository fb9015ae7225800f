"""The system of actors: activates them on first mail, lets idle ones sleep, ends failing ones, stops."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from actors.actor import BROKEN, Actor, Address, Cell, refuse
from actors.ports import Clock
from protocol.errors import Code, Refusal

log = logging.getLogger("actors")

OVERLOADED = Refusal(Code.OVERLOADED, "The server is busy. Try again in a moment.", retry_after_ms=1000)
DRAINING = Refusal(Code.DRAINING, "The server is shutting down. Reconnect.", retry_after_ms=1000)

BACKOFF_MAX_S = 30.0


class Kind(Struct, frozen=True):
    """How the actors of one kind are made. `max_mail` bounds each one's mailbox."""

    make: Callable[[int], Actor]
    max_mail: int
    restarts: bool


class Trouble:
    """Repeated failures of one address, and until when it is left alone."""

    __slots__ = ("failures", "until_s")

    def __init__(self) -> None:
        self.failures = 0
        self.until_s = 0.0


class Wake(Struct, frozen=True):
    """Mail that asks for nothing but to be awake."""


class System:
    """All actors of the process. `idle_after_s`: how long an actor without work stays in memory."""

    def __init__(self, clock: Clock, *, idle_after_s: float = 120.0) -> None:
        self._clock = clock
        self._call_soon = asyncio.get_running_loop().call_soon
        self._kinds: dict[str, Kind] = {}
        self._cells: dict[Address, Cell] = {}
        self._troubles: dict[Address, Trouble] = {}
        self._tasks: dict[asyncio.Task[None], Coroutine[Any, Any, Any] | None] = {}
        self._is_stopping = False
        self.idle_after_s = idle_after_s

    def register(
        self, kind: str, make: Callable[[int], Actor], *, max_mail: int = 10_000, restarts: bool = False
    ) -> None:
        """`restarts`: one that failed is woken again by itself, not only by its next mail."""
        self._kinds[kind] = Kind(make, max_mail, restarts)

    def offer(self, address: Address, mail: Any) -> None:
        """Give client mail to an actor, or answer it at once: overloaded, draining or in trouble."""
        cell = self._cells.get(address)
        if cell is None or self._is_stopping or self._troubles:
            self._offer_guarded(address, mail)
        elif not cell.offer(mail):
            refuse([mail], OVERLOADED)

    def _offer_guarded(self, address: Address, mail: Any) -> None:
        refusal = self._refusal(address)
        if refusal is None and not self._cell(address).offer(mail):
            refusal = OVERLOADED
        if refusal is not None:
            refuse([mail], refusal)

    def put(self, address: Address, mail: Any) -> None:
        """Give an actor mail that is never refused."""
        self._cell(address).put(mail)

    def wake(self, address: Address) -> None:
        """Activate an actor that nobody has written to."""
        self.put(address, Wake())

    def wake_later(self, address: Address, delay_s: float) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay_s)
            self.wake(address)

        if not self._is_stopping:
            self.spawn(f"wake:{address[0]}:{address[1]}", wait())

    def actor(self, address: Address) -> Actor | None:
        """The actor at an address, if it is awake: to look at, never to change."""
        cell = self._cells.get(address)
        return None if cell is None else cell.actor

    def __len__(self) -> int:
        return len(self._cells)

    def depths(self) -> dict[str, list[int]]:
        """How much mail waits in each awake actor, by kind."""
        depths: dict[str, list[int]] = {kind: [] for kind in self._kinds}
        for (kind, _), cell in self._cells.items():
            depths[kind].append(cell.waiting)
        return depths

    def _refusal(self, address: Address) -> Refusal | None:
        if self._is_stopping:
            return DRAINING
        trouble = self._troubles.get(address)
        if trouble is not None and trouble.until_s > self.monotonic():
            return BROKEN
        return None

    def _cell(self, address: Address) -> Cell:
        cell = self._cells.get(address)
        if cell is None:
            kind = self._kinds[address[0]]
            cell = Cell(address, kind.make(address[1]), self, kind.max_mail)
            self._cells[address] = cell
        return cell

    # What a cell asks of its host.

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def schedule(self, turn: Callable[[], None]) -> None:
        self._call_soon(turn)

    def run(self, name: str, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> None:
        """Run `work` in a task of its own and hand its result, or its exception, to `done`."""

        async def finish() -> None:
            try:
                result: Any = await work
            except Exception as error:
                result = error
            done(result)

        self._hold(name, finish(), work)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Hold a task until it ends; stopping the system cancels it."""
        self._hold(name, work, None)

    def _hold(
        self, name: str, work: Coroutine[Any, Any, None], inner: Coroutine[Any, Any, Any] | None
    ) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = inner
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        inner = self._tasks.pop(task, None)
        if task.cancelled():
            if inner is not None:
                # A task that was cancelled before its first step never came to wait for this.
                inner.close()
        elif (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)

    def failed(self, cell: Cell, mail: Any, error: Exception) -> None:
        """Supervision: end this activation only; the next mail loads a fresh one from storage.

        An actor of no kind, such as the journal, there is only one of: it goes on with an empty mailbox.
        """
        log.error("%s failed on %s", cell.name, type(mail).__name__, exc_info=error)
        self._remove(cell)
        cell.actor.abandon(BROKEN)
        refuse(cell.take_mail(), BROKEN)
        kind = self._kinds.get(cell.address[0])
        if kind is None:
            Cell(cell.address, cell.actor, self, cell.max_mail)
            return
        delay_s = self._back_off(cell.address)
        if kind.restarts:
            self.wake_later(cell.address, delay_s)

    def _back_off(self, address: Address) -> float:
        """Leave an address alone for a while, longer with every failure; for how many seconds."""
        trouble = self._troubles.setdefault(address, Trouble())
        trouble.failures += 1
        delay_s = (
            min(BACKOFF_MAX_S, 0.1 * 2 ** min(trouble.failures - 1, 10)) if trouble.failures > 1 else 0.0
        )
        trouble.until_s = self.monotonic() + delay_s
        return delay_s

    def end(self, cell: Cell) -> None:
        """End an activation; its unread mail goes to the next one."""
        self._remove(cell)
        for mail in cell.take_mail():
            if getattr(mail, "answer", None) is not None:
                self.put(cell.address, mail)

    def _remove(self, cell: Cell) -> None:
        cell.is_alive = False
        if self._cells.get(cell.address) is cell:
            del self._cells[cell.address]

    def sweep(self) -> None:
        """Let actors sleep that have been idle for long. To be called every few seconds."""
        now_s = self.monotonic()
        deadline_s = now_s - self.idle_after_s
        for cell in [cell for cell in self._cells.values() if cell.last_turn_s <= deadline_s]:
            if cell.is_quiet:
                self._remove(cell)
                cell.actor.sleep()
        for address, trouble in list(self._troubles.items()):
            if trouble.until_s + BACKOFF_MAX_S < now_s:
                del self._troubles[address]

    def refuse_new(self) -> None:
        """From now on client mail is answered with `draining`; what was accepted goes on."""
        self._is_stopping = True

    async def stop(self) -> None:
        """Cancel what still waits for the outside and answer everybody who is left."""
        self.refuse_new()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kind in self._kinds:
            self.end_all(kind)

    def end_all(self, kind: str) -> None:
        """End every activation of a kind, and answer `draining` to whoever waits for one."""
        for cell in [cell for cell in self._cells.values() if cell.address[0] == kind]:
            self._remove(cell)
            cell.actor.abandon(DRAINING)
            refuse(cell.take_mail(), DRAINING)
