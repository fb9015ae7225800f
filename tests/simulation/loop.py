"""An event loop on virtual time whose scheduler is a seeded generator: the same seed, the same run.

Whatever is ready runs in an order drawn from the seed: between different actors, tasks and sockets nothing
may rest on the order in which callbacks were scheduled, since completions of real I/O come in any order. Time
stands still while anything is ready, and then jumps to the next timer. There are no threads and no sockets.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from math import ceil
from random import Random
from typing import Any, TypeVar, TypeVarTuple

STEPS_MAX = 400_000

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Ready(list[asyncio.Handle]):
    """What can run now. The base class appends here and takes nothing out."""

    def take(self, position: int) -> asyncio.Handle:
        """Remove one without moving the others."""
        self[position], self[-1] = self[-1], self[position]
        return self.pop()


class SimulationLoop(asyncio.BaseEventLoop):
    """`first_come` of the callbacks run in the order in which they came, the others in any order.

    Timers fire on multiples of `grid_s`, where there is one: so that much is ready at the same time.
    """

    def __init__(self, random: Random, *, first_come: float = 0.0, grid_s: float = 0.0) -> None:
        super().__init__()
        self._random = random
        self._first_come = first_come
        self._grid_s = grid_s
        self._now_s = 0.0
        self._ready: Any = Ready()
        self.steps = 0
        self._broken: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self._broken.append(context))

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    def time(self) -> float:
        return self._now_s

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if self._grid_s:
            when = ceil(when / self._grid_s) * self._grid_s
        return super().call_at(when, callback, *args, context=context)

    def _process_events(self, event_list: object) -> None:
        """There is no I/O."""

    def _write_to_self(self) -> None:
        """There are no other threads to wake the loop."""

    def _run_once(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # of the base
        if not self._ready:
            if not scheduled:
                raise RuntimeError("everybody waits for something that will never happen")
            self._now_s = max(self._now_s, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now_s:
            self._ready.append(heapq.heappop(scheduled))
        self._step()

    def _step(self) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise RuntimeError(f"no rest after {STEPS_MAX} steps: something goes round in circles")
        handle = self._next()
        if not handle.cancelled():
            handle._run()
        self.check()

    def forgive(self) -> None:
        """Forget what went wrong so far."""
        self.steps = 0
        self._broken.clear()

    def check(self) -> None:
        """Raise the first exception that nobody caught in a callback or task."""
        for context in self._broken:
            raise context.get("exception") or RuntimeError(context["message"])

    def _next(self) -> asyncio.Handle:
        ready: Ready = self._ready
        if len(ready) == 1:
            return ready.pop()
        if self._first_come and self._random.random() < self._first_come:
            return ready.pop(0)
        return ready.take(int(self._random.random() * len(ready)))


def run(
    work: Callable[[], Coroutine[Any, Any, T]],
    random: Random,
    *,
    first_come: float = 0.0,
    grid_s: float = 0.0,
) -> T:
    """Run `work` to its end on a fresh loop; whatever it left behind is cancelled.

    Raises what it raised, or what nobody caught in a callback, as soon as that happens.
    """
    loop = SimulationLoop(random, first_come=first_come, grid_s=grid_s)
    try:
        result = loop.run_until_complete(work())
    finally:
        _cancel_all(loop)
        loop.close()
    loop.check()
    return result


def _cancel_all(loop: SimulationLoop) -> None:
    """Let every task end, and all who wait for that hear of it.

    What a broken run raises is the news, not what its leftovers have to say.
    """
    while (tasks := asyncio.all_tasks(loop)) or loop.has_ready:
        for task in tasks:
            task.cancel()
        with suppress(Exception):
            loop.forgive()
            loop.run_until_complete(_end_of(tasks))


async def _end_of(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
