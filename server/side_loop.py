"""An event loop in a thread of its own, for what would keep everybody else waiting on the server's.

The two share the interpreter in slices of the switch interval, and nothing else: what is made over there is
handed over here, many pieces at a time.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

LOG: Final = logging.getLogger("server")
HAND_OVER_EVERY_S: Final = 0.04
"""The first pieces come at once, and those that follow soon together: half of what people are shown by."""
CLOSE_WITHIN_S: Final = 1.0
STOP_WITHIN_S: Final = 5.0


class SideLoopStopped(Exception):  # noqa: N818 - it is what has happened
    """What was under way there has come to no end."""


class Batch(Struct, Generic[T], frozen=True):
    """Pieces in their order. With the last of them comes how it ended: by itself, or by an exception."""

    pieces: tuple[T, ...]
    is_last: bool = False
    error: BaseException | None = None


class SideLoop:
    """Its thread starts with the first use. `close` it in the loop that used it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_over = asyncio.Event()

    async def batches(self, make: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[tuple[T, ...]]:
        """What a generator that is made over there yields, in its order; what it raises is raised here.

        Closing this, or cancelling whoever waits for it, ends that one, which is waited for a moment.
        """
        loop, heard = self._started(), asyncio.Queue[Batch[T]]()
        relay = Relay(make, asyncio.get_running_loop(), heard.put_nowait)
        loop.call_soon_threadsafe(relay.start)
        batch = Batch[T](())
        try:
            while not batch.is_last:
                batch = await heard.get()
                if batch.pieces:
                    yield batch.pieces
            if batch.error is not None:
                raise batch.error
        finally:
            if not batch.is_last:
                await _cancel(loop, relay, heard)

    async def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do this over there as the last thing, end what is left, and the thread. If it was ever started."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        done = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(last(), loop))
        with suppress(TimeoutError):
            await asyncio.wait_for(done, STOP_WITHIN_S)
        loop.call_soon_threadsafe(self._is_over.set)
        await asyncio.to_thread(thread.join, STOP_WITHIN_S)
        if thread.is_alive():
            LOG.warning("the thread %r does not come to its end", self._name)
        self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        """A loop of the same kind as the one that asks."""
        if self._loop is None:
            self._loop = type(asyncio.get_running_loop())()
            self._is_over = asyncio.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(_until(self._is_over))


class Relay(Generic[T]):
    """Runs a generator and hands its pieces over to the other loop. Used in the side loop only."""

    def __init__(
        self,
        make: Callable[[], AsyncGenerator[T]],
        home: asyncio.AbstractEventLoop,
        hear: Callable[[Batch[T]], None],
    ) -> None:
        self._make = make
        self._home = home
        self._hear = hear
        self._pieces: list[T] = []
        self._timer: asyncio.TimerHandle | None = None
        self._handed_over_at_s = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="relay")
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        async with aclosing(self._make()) as pieces:
            async for piece in pieces:
                self._add(piece)

    def _add(self, piece: T) -> None:
        self._pieces.append(piece)
        loop = asyncio.get_running_loop()
        wait_s = self._handed_over_at_s + HAND_OVER_EVERY_S - loop.time()
        if wait_s <= 0:
            self._hand_over()
        elif self._timer is None:
            self._timer = loop.call_later(wait_s, self._hand_over)

    def _hand_over(self) -> None:
        self._send(Batch(self._taken()))
        self._handed_over_at_s = asyncio.get_running_loop().time()

    def _end(self, task: asyncio.Task[None]) -> None:
        error = SideLoopStopped("it was cancelled") if task.cancelled() else task.exception()
        self._send(Batch(self._taken(), is_last=True, error=error))

    def _taken(self) -> tuple[T, ...]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pieces, self._pieces = tuple(self._pieces), []
        return pieces

    def _send(self, batch: Batch[T]) -> None:
        # The other loop may be closed: then nobody is left to hear it.
        with suppress(RuntimeError):
            self._home.call_soon_threadsafe(self._hear, batch)


async def _cancel(loop: asyncio.AbstractEventLoop, relay: Relay[T], heard: asyncio.Queue[Batch[T]]) -> None:
    """Wait a moment for the last batch; what else comes is not wanted any more."""
    # The loop may be closed by now.
    with suppress(RuntimeError, TimeoutError):
        loop.call_soon_threadsafe(relay.cancel)
        async with asyncio.timeout(CLOSE_WITHIN_S):
            while not (await heard.get()).is_last:
                pass


async def _until(is_over: asyncio.Event) -> None:
    await is_over.wait()
