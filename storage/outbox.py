"""The outbox as its workers use it: jobs are taken for a while, by one process, and settled.

A job that is taken is `sending`, and `next_attempt_at` is when the lease on it ends: whoever took it has
until then to settle it or to extend the lease. After that it is due again, as one that may have got through.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, text, update

from protocol.facts import JobQueued
from protocol.jobs import Backlog, Due, Job, JobId, JobKind, JobState, Settlement
from storage.engine import Database
from storage.job_rows import QUEUE_JOBS, job_of, job_row
from storage.tables import outbox

OPEN_STATES: tuple[JobState, ...] = ("pending", "sending")
ERROR_MAX_CHARS = 1_000
LOOKED_AT_ROWS = 500
"""How many due rows are looked at for jobs at once; those behind others are set aside first."""

_earlier = outbox.alias("earlier")
# As literals: the index on lanes is of open rows only, and is found by these very words.
_OPEN: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in OPEN_STATES]
IS_OPEN: ColumnElement[bool] = outbox.c.state.in_(_OPEN)
# `OFFSET` has each row asked by itself: as a join, PostgreSQL may compare a lane's rows each with each.
IS_BEHIND: ColumnElement[bool] = (
    select(_earlier.c.id)
    .where(_earlier.c.lane == outbox.c.lane, _earlier.c.id < outbox.c.id, _earlier.c.state.in_(_OPEN))
    .correlate(outbox)
    .offset(0)
    .exists()
)
"""An earlier job of its lane is open."""

LOCK_LANE = text("SELECT pg_advisory_xact_lock(hashtextextended(:lane, 0))")


class Found(Struct, frozen=True):
    """What is due; and what would be, each with the lane in which it has to wait for others."""

    due: list[JobId]
    behind: dict[JobId, str]
    next_at: datetime | None


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
        found = await self._database.read(lambda c: _find_due(c, kind, limit, now, holding))
        if not (found.due or found.behind):
            return Due((), found.next_at)
        jobs = await self._database.write(lambda connection: _claim(connection, found, now, until))
        return Due(jobs, found.next_at, is_more=bool(found.behind) or len(jobs) < len(found.due))

    async def extend(self, jobs: Sequence[Job], until: datetime, now: datetime) -> frozenset[JobId]:
        """Extend the leases of these; the ids of those that are still the caller's."""
        return await self._database.write(
            lambda c: frozenset(j.id for j in jobs if _extend(c, j, until, now))
        )

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
        """Write down what became of attempts; the ids of those jobs that were still the caller's."""
        return await self._database.write(lambda connection: _settle_all(connection, settlements, now))

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
) -> Found:
    """Looked for beside the writer."""
    queries = [_due(kind, state, now, holding) for state in OPEN_STATES]
    rows = [row for query in queries for row in connection.execute(query)]
    rows.sort(key=lambda row: (row.next_attempt_at, row.id))
    in_lanes = [row.id for row in rows if row.lane is not None]
    waiting = select(outbox.c.id).where(outbox.c.id.in_(in_lanes), IS_BEHIND)
    are_behind = frozenset(connection.execute(waiting).scalars()) if in_lanes else frozenset()
    due = [JobId(row.id) for row in rows if row.id not in are_behind]
    behind = {JobId(row.id): row.lane for row in rows if row.id in are_behind}
    times: list[datetime | None] = [
        connection.execute(_next(kind, state, now)).scalar() for state in OPEN_STATES
    ]
    next_at = min((at for at in times if at is not None), default=None)
    return Found(due[:limit], behind, next_at)


def _due(kind: JobKind, state: JobState, now: datetime, holding: Collection[JobId]) -> Select[Any]:
    """One state at a time, so that the index gives them in order."""
    return (
        select(outbox.c.id, outbox.c.lane, outbox.c.next_attempt_at)
        .where(outbox.c.kind == kind, outbox.c.state == state, outbox.c.next_attempt_at <= now)
        .where(outbox.c.id.not_in(list(holding)))
        .order_by(outbox.c.next_attempt_at, outbox.c.id)
        .limit(LOOKED_AT_ROWS)
    )


def _next(kind: JobKind, state: JobState, now: datetime) -> Select[Any]:
    later = outbox.c.next_attempt_at > now
    return select(func.min(outbox.c.next_attempt_at)).where(
        outbox.c.kind == kind, outbox.c.state == state, later
    )


def _claim(connection: Connection, found: Found, now: datetime, until: datetime) -> tuple[Job, ...]:
    """Looked at once more under lock: others may have been faster."""
    query = select(outbox).where(outbox.c.id.in_(found.due), IS_OPEN)
    query = query.where(outbox.c.next_attempt_at <= now, outbox.c.lane.is_(None) | ~IS_BEHIND)
    query = query.order_by(outbox.c.next_attempt_at, outbox.c.id)
    rows = connection.execute(query.with_for_update(skip_locked=True, of=outbox)).all()
    claimed = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
    claimed = claimed.values(
        state="sending", attempts=outbox.c.attempts + 1, next_attempt_at=until, updated_at=now
    )
    connection.execute(claimed)
    if found.behind:
        _park(connection, found.behind)
    return tuple(job_of(row) for row in rows)


def _park(connection: Connection, behind: Mapping[JobId, str]) -> None:
    """Jobs behind another one of their lane are not due until that is settled."""
    _lock_lanes(connection, behind.values())
    parked = update(outbox).where(outbox.c.id.in_(list(behind)), IS_OPEN, IS_BEHIND)
    connection.execute(parked.values(next_attempt_at=None))


def _unpark(connection: Connection, lane: str, now: datetime) -> None:
    """The first job of the lane is settled: the next one is due."""
    following = select(_earlier.c.id).where(_earlier.c.lane == lane, _earlier.c.state.in_(_OPEN))
    following = following.order_by(_earlier.c.id).limit(1)
    due = update(outbox).where(outbox.c.id == following.scalar_subquery())
    connection.execute(due.values(next_attempt_at=func.coalesce(outbox.c.next_attempt_at, now)))


def _lock_lanes(connection: Connection, lanes: Iterable[str]) -> None:
    """So that no job is set aside behind one that is being settled. In order, so that nobody deadlocks."""
    for lane in sorted(set(lanes)) if connection.dialect.name == "postgresql" else ():
        connection.execute(LOCK_LANE, {"lane": lane})


def _is_held(job: Job) -> ColumnElement[bool]:
    """Whether nobody has taken it since: each taking counts as an attempt."""
    return (outbox.c.id == job.id) & (outbox.c.state == "sending") & (outbox.c.attempts == job.attempt)


def _extend(connection: Connection, job: Job, until: datetime, now: datetime) -> bool:
    extended = update(outbox).where(_is_held(job)).values(next_attempt_at=until, updated_at=now)
    return connection.execute(extended).rowcount == 1


def _settle_all(connection: Connection, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
    settled = [each for each in settlements if _settle(connection, each, now)]
    ended = {each.job.lane for each in settled if each.state not in OPEN_STATES}
    lanes = sorted(lane for lane in ended if lane is not None)
    _lock_lanes(connection, lanes)
    for lane in lanes:
        _unpark(connection, lane, now)
    return frozenset(each.job.id for each in settled)


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
