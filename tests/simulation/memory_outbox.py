"""The outbox of the in-memory store: the same rules as the databases, over its rows."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from protocol.facts import JobQueued
from protocol.jobs import Due, Job, JobId, JobKind, Settlement
from tests.simulation.memory_rows import JobRow, Tables

OPEN_STATES = ("pending", "sending")


def queue(tables: Tables, fact: JobQueued) -> None:
    if fact.key not in tables.jobs:
        tables.last_job_id += 1
        tables.jobs[fact.key] = JobRow(JobId(tables.last_job_id), fact, fact.at, fact.at)


class MemoryOutbox:
    """Fits the port `Jobs`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.is_shared = False

    async def take(
        self, kind: JobKind, limit: int, now: datetime, until: datetime, holding: Collection[JobId] = ()
    ) -> Due:
        rows = [row for row in self._open() if row.queued.kind == kind]
        due = [
            row for row in rows if row.next_at <= now and row.id not in holding and not self._is_behind(row)
        ]
        due = sorted(due, key=lambda row: (row.next_at, row.id))[:limit]
        later = [row.next_at for row in rows if row.next_at > now]
        return Due(tuple(self._take(row, until, now) for row in due), min(later, default=None))

    async def extend(self, jobs: Sequence[Job], until: datetime, now: datetime) -> frozenset[JobId]:
        held = [(job, row) for job in jobs if (row := self._held(job)) is not None]
        for _, row in held:
            row.next_at, row.updated_at = until, now
        return frozenset(job.id for job, _ in held)

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
        held = [(each, row) for each in settlements if (row := self._held(each.job)) is not None]
        for settlement, row in held:
            row.state, row.error = settlement.state, settlement.error
            row.next_at, row.updated_at = settlement.next_at or now, now
        return frozenset(row.id for _, row in held)

    async def reclaim(self, kind: JobKind, now: datetime) -> int:
        left = [row for row in self._open() if (row.queued.kind, row.state) == (kind, "sending")]
        left = [row for row in left if row.next_at > now]
        for row in left:
            row.next_at = row.updated_at = now
        return len(left)

    def _open(self) -> list[JobRow]:
        return [row for row in self._tables.jobs.values() if row.state in OPEN_STATES]

    def _is_behind(self, row: JobRow) -> bool:
        lane = row.queued.lane
        return lane is not None and any(o.queued.lane == lane and o.id < row.id for o in self._open())

    def _held(self, job: Job) -> JobRow | None:
        row = self._tables.jobs[job.key]
        return row if row.state == "sending" and row.attempts == job.attempt else None

    def _take(self, row: JobRow, until: datetime, now: datetime) -> Job:
        is_again, idle_since = row.state == "sending", row.updated_at
        row.state, row.next_at, row.attempts, row.updated_at = "sending", until, row.attempts + 1, now
        return Job(
            id=row.id,
            kind=row.queued.kind,
            key=row.queued.key,
            lane=row.queued.lane,
            payload=msgspec.to_builtins(row.queued.payload),
            attempt=row.attempts,
            is_again=is_again,
            queued_at=row.queued.at,
            idle_since=idle_since,
        )
