"""All outboxes of the process, and the workers that they hand jobs to."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final

from actors.jobs import Worker
from actors.outbox import CUT_OFF_AFTER_S, Outbox
from actors.outbox_mail import OutboxSurroundings, Stop, Timer
from actors.ports import Clock, Jobs
from actors.system import System
from protocol.jobs import JOB_KINDS, JobKind

STOP_WITHIN_S: Final = 2 * CUT_OFF_AFTER_S

Later = Callable[[float, Callable[[], None]], Timer]


class Outboxes:
    """Make it inside the running loop. Jobs of a kind that nobody works on wait in the database."""

    def __init__(
        self,
        system: System,
        jobs: Jobs,
        clock: Clock,
        *,
        chance: Callable[[], float] | None = None,
        later: Later | None = None,
    ) -> None:
        later = later or asyncio.get_running_loop().call_later
        self._system = system
        self._around = OutboxSurroundings(jobs, clock, chance or random.random, later)
        self._workers: dict[int, Worker] = {}
        self._is_stopped = False
        system.register("outbox", self._make, restarts=True)

    def employ(self, worker: Worker) -> None:
        """From now on this worker does the jobs of its kind, those that wait already first."""
        self._workers[JOB_KINDS.index(worker.kind)] = worker
        self.poke(worker.kind)

    def poke(self, kind: JobKind) -> None:
        """A job of this kind was queued: it is looked for at once."""
        key = JOB_KINDS.index(kind)
        if key in self._workers and not self._is_stopped:
            self._system.wake(("outbox", key))

    def working(self) -> dict[JobKind, int]:
        """How many jobs of each kind are under way in this process."""
        found = {JOB_KINDS[key]: self._system.actor(("outbox", key)) for key in self._workers}
        return {kind: actor.working for kind, actor in found.items() if isinstance(actor, Outbox)}

    async def stop(self) -> None:
        """Take nothing more and let what is under way come to its end, for a while; then interrupt it.

        What is interrupted is done again by whoever starts next.
        """
        self._is_stopped = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN_S):
                await asyncio.gather(*(self._stop(key) for key in self._workers))
        self._system.end_all("outbox")

    async def _stop(self, key: int) -> None:
        stopped = asyncio.Event()
        self._system.put(("outbox", key), Stop(stopped.set))
        await stopped.wait()

    def _make(self, key: int) -> Outbox:
        return Outbox(self._workers[key], self._around)
