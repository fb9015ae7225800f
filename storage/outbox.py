"""The outbox as its workers use it: jobs are taken for a while, by one process, and settled.

A job that is taken is `sending`, and `next_attempt_at` is when the lease on it ends: whoever took it has
until then to settle it or to extend the lease. After that it is due again, as one that may have got through.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select, update

from protocol.facts import JobQueued
from protocol.jobs import Backlog, Due, Job, JobId, JobKind, JobState, Settlement
from storage.engine import Database
from storage.job_rows import QUEUE_JOBS, job_of, job_row
from storage.tables import outbox

OPEN_STATES: tuple[JobState, ...] = ("pending", "sending")
ERROR_MAX_CHARS = 1_000

_earlier = outbox.alias("earlier")
# As literals: the index on lanes is of open rows only, and is found by these very words.
_OPEN: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in OPEN_STATES]
IS_OPEN: ColumnElement[bool] = outbox.c.state.in_(_OPEN)
IS_BEHIND: ColumnElement[bool] = exists().where(
    _earlier.c.lane == outbox.c.lane, _earlier.c.id < outbox.c.id, _earlier.c.state.in_(_OPEN)
)
"""An earlier job of its lane is not settled yet."""


class Outbox:
    """Every time is the server's clock, given by the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be working on it; beside one on SQLite there is none."""
        return self._database.dialect != "sqlite"

    async def add(self, jobs: Sequence[JobQueued]) -> None:
        """Queue jobs that no message causes; a repeated key changes nothing."""
        rows = [job_row(job) for job in jobs]
        await self._database.write(lambda connection: QUEUE_JOBS.run(connection, rows))

    async def take(
        self, kind: JobKind, limit: int, now: datetime, until: datetime, holding: Collection[JobId] = ()
    ) -> Due:
        """At most `limit` due jobs, leased until then, those that are due longest first.

        Of a lane the first open job only, and none of `holding`. With several processes on PostgreSQL each
        job goes to one of them.
        """
        ids, next_at = await self._database.read(lambda c: _find_due(c, kind, limit, now, holding))
        if not ids:
            return Due((), next_at)
        jobs = await self._database.write(lambda connection: _claim(connection, ids, now, until))
        return Due(jobs, next_at, is_more=len(jobs) < len(ids))

    async def extend(self, jobs: Sequence[Job], until: datetime, now: datetime) -> frozenset[JobId]:
        """Extend the leases of these; the ids of those that are still the caller's."""
        return await self._database.write(
            lambda c: frozenset(j.id for j in jobs if _extend(c, j, until, now))
        )

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
        """Write down what became of attempts; the ids of those jobs that were still the caller's."""
        return await self._database.write(
            lambda c: frozenset(each.job.id for each in settlements if _settle(c, each, now))
        )

    async def reclaim(self, kind: JobKind, now: datetime) -> int:
        """End all leases, of which there can be none when no other process is there: how many were left."""
        left = update(outbox).where(
            outbox.c.kind == kind, outbox.c.state == "sending", outbox.c.next_attempt_at > now
        )
        left = left.values(next_attempt_at=now, updated_at=now)
        return await self._database.write(lambda connection: connection.execute(left).rowcount)

    async def backlogs(self) -> list[Backlog]:
        """What is not done, by kind and state: for metrics."""
        counted = func.count().label("jobs"), func.min(outbox.c.created_at).label("oldest_at")
        query = (
            select(outbox.c.kind, outbox.c.state, *counted)
            .where(outbox.c.state.in_(("pending", "sending", "failed", "unknown")))
            .group_by(outbox.c.kind, outbox.c.state)
            .order_by(outbox.c.kind, outbox.c.state)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Backlog(row.kind, row.state, row.jobs, row.oldest_at) for row in rows]


def _find_due(
    connection: Connection, kind: JobKind, limit: int, now: datetime, holding: Collection[JobId]
) -> tuple[list[JobId], datetime | None]:
    """Looked for beside the writer: a long queue behind one job takes a while to look through."""
    found = [
        row for state in OPEN_STATES for row in connection.execute(_due(kind, state, now, holding, limit))
    ]
    found.sort(key=lambda row: (row.next_attempt_at, row.id))
    times: list[datetime | None] = [
        connection.execute(_next(kind, state, now)).scalar() for state in OPEN_STATES
    ]
    next_at = min((at for at in times if at is not None), default=None)
    return [JobId(row.id) for row in found[:limit]], next_at


def _due(
    kind: JobKind, state: JobState, now: datetime, holding: Collection[JobId], limit: int
) -> Select[Any]:
    """One state at a time, so that the index gives them in order."""
    return (
        select(outbox.c.id, outbox.c.next_attempt_at)
        .where(outbox.c.kind == kind, outbox.c.state == state, outbox.c.next_attempt_at <= now)
        .where(outbox.c.id.not_in(list(holding)), ~IS_BEHIND)
        .order_by(outbox.c.next_attempt_at, outbox.c.id)
        .limit(limit)
    )


def _next(kind: JobKind, state: JobState, now: datetime) -> Select[Any]:
    later = outbox.c.next_attempt_at > now
    return select(func.min(outbox.c.next_attempt_at)).where(
        outbox.c.kind == kind, outbox.c.state == state, later
    )


def _claim(connection: Connection, ids: Sequence[JobId], now: datetime, until: datetime) -> tuple[Job, ...]:
    """Looked at once more under lock: others may have been faster."""
    query = select(outbox).where(outbox.c.id.in_(ids), IS_OPEN, outbox.c.next_attempt_at <= now, ~IS_BEHIND)
    query = query.order_by(outbox.c.next_attempt_at, outbox.c.id)
    rows = connection.execute(query.with_for_update(skip_locked=True, of=outbox)).all()
    claimed = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
    claimed = claimed.values(
        state="sending", attempts=outbox.c.attempts + 1, next_attempt_at=until, updated_at=now
    )
    connection.execute(claimed)
    return tuple(job_of(row) for row in rows)


def _is_held(job: Job) -> ColumnElement[bool]:
    """Whether nobody has taken it since: each taking counts as an attempt."""
    return (outbox.c.id == job.id) & (outbox.c.state == "sending") & (outbox.c.attempts == job.attempt)


def _extend(connection: Connection, job: Job, until: datetime, now: datetime) -> bool:
    extended = update(outbox).where(_is_held(job)).values(next_attempt_at=until, updated_at=now)
    return connection.execute(extended).rowcount == 1


def _settle(connection: Connection, settlement: Settlement, now: datetime) -> bool:
    settled = update(outbox).where(_is_held(settlement.job))
    settled = settled.values(
        state=settlement.state,
        next_attempt_at=settlement.next_at,
        last_error=_storable(settlement.error),
        updated_at=now,
    )
    return connection.execute(settled).rowcount == 1


def _storable(error: str | None) -> str | None:
    """Other servers' words may hold what no database takes as text, and must not keep a job from its end."""
    if error is None:
        return None
    return error[:ERROR_MAX_CHARS].replace("\0", "").encode(errors="replace").decode()
