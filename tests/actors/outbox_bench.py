"""Outboxes over the in-memory store, with time, chance and the database in the hands of a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from actors.jobs import Finished, Outcome, Retries
from actors.outboxes import Outboxes
from actors.system import System
from protocol.errors import Unavailable
from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import AgentJob, Due, Job, JobId, JobKind, Settlement
from tests.actors.scene import StillClock
from tests.simulation.memory_outbox import MemoryOutbox, queue
from tests.simulation.memory_rows import JobRow, Tables


class Unsteady(MemoryOutbox):
    """`is_away` fails every call; `is_unclear` fails those that write after they have written."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.is_away = False
        self.is_unclear = False
        self.calls: list[str] = []

    async def take(
        self, kind: JobKind, limit: int, now: datetime, until: datetime, holding: Collection[JobId] = ()
    ) -> Due:
        self._pass("take")
        return await super().take(kind, limit, now, until, holding)

    async def extend(self, jobs: Sequence[Job], until: datetime, now: datetime) -> frozenset[JobId]:
        self._pass("extend")
        return await super().extend(jobs, until, now)

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
        self._pass("settle")
        result = await super().settle(settlements, now)
        if self.is_unclear:
            raise Unavailable("the answer was lost")
        return result

    async def reclaim(self, kind: JobKind, now: datetime) -> int:
        self._pass("reclaim")
        return await super().reclaim(kind, now)

    def _pass(self, call: str) -> None:
        self.calls.append(call)
        if self.is_away:
            raise Unavailable("the database is away")


class Alarm:
    def __init__(self, at_s: float, ring: Callable[[], None]) -> None:
        self.at_s = at_s
        self.ring = ring
        self.is_over = False

    def cancel(self) -> None:
        self.is_over = True


class Hand:
    """A worker whose jobs end when a test says so, or at once with what `answers` or `usual` say."""

    def __init__(self, kind: JobKind = "agent", concurrency: int = 3, retries: Retries | None = None) -> None:
        self.kind: JobKind = kind
        self.concurrency = concurrency
        self.retries = retries or Retries(first_s=10, factor=2, max_s=60, attempts=4)
        self.answers: dict[str, Outcome | Exception] = {}
        self.usual: Outcome | None = None
        self.begun: list[Job] = []
        self.interrupted: list[str] = []
        self.was_interrupted = asyncio.Event()
        self._open: dict[str, asyncio.Future[Outcome]] = {}

    @property
    def open(self) -> list[str]:
        """The keys of what is being worked on."""
        return list(self._open)

    @property
    def last(self) -> Job:
        return self.begun[-1]

    async def work(self, job: Job) -> Outcome:
        self.begun.append(job)
        answer = self.answers.get(job.key, self.usual)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._open[job.key] = future
        try:
            return await future
        except asyncio.CancelledError:
            self.interrupted.append(job.key)
            self.was_interrupted.set()
            raise
        finally:
            del self._open[job.key]

    def end(self, key: str, outcome: Outcome | Exception | None = None) -> None:
        if isinstance(outcome, Exception):
            self._open[key].set_exception(outcome)
        else:
            self._open[key].set_result(outcome or Finished())


class Bench:
    """One process; `chance` 0 lets every wait have its full length."""

    def __init__(self, tables: Tables, clock: StillClock) -> None:
        self.tables = tables
        self.clock = clock
        self.jobs = Unsteady(tables)
        self.chance = 0.0
        self.alarms: list[Alarm] = []
        self.system = System(clock)
        self.outboxes = Outboxes(self.system, self.jobs, clock, chance=lambda: self.chance, later=self._later)

    def _later(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.clock.passed_s + seconds, ring)
        self.alarms.append(alarm)
        return alarm

    async def settle(self) -> None:
        for _ in range(40):
            await asyncio.sleep(0)

    async def pass_s(self, seconds: float) -> None:
        """Time passes; whatever is due on the way happens at its time."""
        await self.settle()
        end_s = self.clock.passed_s + seconds
        while (alarm := self._next(end_s)) is not None:
            alarm.is_over = True
            self.clock.passed_s = max(self.clock.passed_s, alarm.at_s)
            alarm.ring()
            await self.settle()
        self.clock.passed_s = end_s
        await self.settle()

    def _next(self, end_s: float) -> Alarm | None:
        due = [alarm for alarm in self.alarms if not alarm.is_over and alarm.at_s <= end_s]
        return min(due, key=lambda alarm: alarm.at_s, default=None)

    async def add(self, *keys: str, lane: str | None = None, kind: JobKind = "agent") -> None:
        """Queue jobs and say so."""
        for key in keys:
            queue(self.tables, job(key, lane, kind, self.clock.now()))
        self.outboxes.poke(kind)
        await self.settle()

    async def employ(self, hand: Hand) -> Hand:
        self.outboxes.employ(hand)
        await self.settle()
        return hand

    def row(self, key: str) -> JobRow:
        return self.tables.jobs[key]

    def begin_stop(self) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(self.outboxes.stop())

    async def kill(self) -> None:
        """The process is gone: nothing of it is heard any more."""
        self.jobs.is_away = True
        await self.system.stop()


def job(key: str, lane: str | None, kind: JobKind, at: datetime) -> JobQueued:
    payload = AgentJob(UserId(1), ChannelId(2), Seq(3))
    return JobQueued(at=at, kind=kind, key=key, lane=lane, payload=payload)


@asynccontextmanager
async def bench(tables: Tables | None = None, clock: StillClock | None = None) -> AsyncIterator[Bench]:
    made = Bench(tables or Tables(), clock or StillClock())
    try:
        yield made
    finally:
        await made.system.stop()


def states(on: Bench) -> dict[str, Any]:
    return {key: row.state for key, row in on.tables.jobs.items()}
