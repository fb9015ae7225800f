"""Jobs as rows of the outbox: how they are queued, in the commit of what causes them, and read back."""

from datetime import datetime
from typing import Any

import msgspec

from protocol.facts import JobQueued
from protocol.jobs import Job, JobEntry
from storage.row_statements import Kind, Row, RowsStatement, stored_time

QUEUE_JOBS = RowsStatement(
    """
    INSERT INTO outbox (kind, key, lane, payload, state, attempts, next_attempt_at, created_at, updated_at)
    SELECT kind, key, lane, payload, 'pending', 0, at, at, at FROM {rows} AS queued
    WHERE true
    ON CONFLICT (key) DO NOTHING
    """,
    kind=Kind.TEXT,
    key=Kind.TEXT,
    lane=Kind.TEXT,
    payload=Kind.DOCUMENT,
    at=Kind.TIME,
)
"""Of jobs with one key the first is kept; they get ids in the order of the rows."""

_encoder = msgspec.json.Encoder()


def job_row(fact: JobQueued) -> Row:
    payload = _encoder.encode(fact.payload).decode()
    return fact.kind, fact.key, fact.lane, payload, stored_time(fact.at)


def job_of(row: Any) -> Job:
    """Of a row as it was before it was taken."""
    return Job(
        id=row.id,
        kind=row.kind,
        key=row.key,
        lane=row.lane,
        payload=row.payload,
        attempt=row.attempts + 1,
        is_again=row.state == "sending",
        queued_at=row.created_at,
        idle_since=row.updated_at,
    )


def entry_of(row: Any) -> JobEntry:
    return JobEntry(
        id=row.id,
        kind=row.kind,
        key=row.key,
        lane=row.lane,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=_unless_finished(row),
        last_error=row.last_error,
        queued_at=row.created_at,
        updated_at=row.updated_at,
    )


def _unless_finished(row: Any) -> datetime | None:
    at: datetime | None = row.next_attempt_at
    return at if row.state in ("pending", "sending") else None
