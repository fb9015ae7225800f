"""The outbox as its operator sees it: what waits and what failed, trying again, and sweeping what is over."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, delete, select, update

from protocol.jobs import JobEntry, JobId, JobKind, JobState
from storage.engine import Database
from storage.job_rows import entry_of
from storage.tables import outbox

CHUNK_ROWS: Final = 1_000
DONE_KEPT: Final = timedelta(days=3)
GIVEN_UP_KEPT: Final = timedelta(days=90)

DONE: Final[tuple[JobState, ...]] = ("done",)
GIVEN_UP: Final[tuple[JobState, ...]] = ("failed", "unknown")
RETRIED: Final[tuple[JobState, ...]] = ("failed", "unknown", "pending")
"""What can be tried again now. What is `sending` somebody may be working on, and what is `done` is done."""


class OutboxReview:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(
        self, states: Collection[JobState], kind: JobKind | None = None, *, after: int = 0, limit: int = 200
    ) -> list[JobEntry]:
        """Those queued first come first, after the one with the id `after`."""
        query = select(outbox).where(outbox.c.state.in_(states), outbox.c.id > after, _is_of(kind))
        query = query.order_by(outbox.c.id).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [entry_of(row) for row in rows]

    async def retry(self, ids: Sequence[int], now: datetime) -> list[JobId]:
        """Make these due now, with all their attempts before them; the ids of those that can be."""
        return await self._retry(outbox.c.id.in_(ids) & outbox.c.state.in_(RETRIED), now)

    async def retry_given_up(self, kind: JobKind | None, now: datetime) -> list[JobId]:
        """Make everything due now that was given up or is in doubt."""
        return await self._retry(outbox.c.state.in_(GIVEN_UP) & _is_of(kind), now)

    async def _retry(self, condition: ColumnElement[bool], now: datetime) -> list[JobId]:
        # What may have got through is still in doubt, and whoever tries again has to know.
        state = case((outbox.c.state == "unknown", "sending"), else_="pending")
        retried = update(outbox).where(condition)
        retried = retried.values(state=state, attempts=0, next_attempt_at=now, updated_at=now)

        def transaction(connection: Connection) -> list[JobId]:
            return sorted(JobId(row.id) for row in connection.execute(retried.returning(outbox.c.id)))

        return await self._database.write(transaction)


async def sweep_outbox(database: Database, now: datetime, *, chunk_rows: int = CHUNK_ROWS) -> int:
    """How many rows are gone for good of what was done or given up long ago."""
    over = _is_over(DONE, now - DONE_KEPT) | _is_over(GIVEN_UP, now - GIVEN_UP_KEPT)
    query, swept = select(outbox.c.id).where(over).limit(chunk_rows), 0
    while ids := await database.read(lambda connection: connection.execute(query).scalars().all()):
        gone = delete(outbox).where(outbox.c.id.in_(ids), over)
        swept += await _write(database, gone)
    return swept


async def _write(database: Database, statement: Any) -> int:
    return await database.write(lambda connection: connection.execute(statement).rowcount)


def _is_over(states: Collection[JobState], before: datetime) -> ColumnElement[bool]:
    return outbox.c.state.in_(states) & (outbox.c.updated_at < before)


def _is_of(kind: JobKind | None) -> ColumnElement[bool]:
    return outbox.c.kind.is_not(None) if kind is None else outbox.c.kind == kind
