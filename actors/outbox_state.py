"""What becomes of a job after an attempt: pure. `outbox.py` runs it."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from actors.jobs import Again, Doubtful, Finished, GivenUp, Outcome, Retries
from protocol.jobs import Job, Settlement

ASKED_MAX_S: Final = 86_400.0
"""How long another server may ask us to wait."""


class Interrupted(Struct, frozen=True):
    """The server stopped, or the job was lost to another process, in the middle of it."""


def settlement_of(
    outcome: Outcome | Interrupted, job: Job, retries: Retries, now: datetime, chance: float
) -> Settlement:
    match outcome:
        case Finished():
            return Settlement(job=job, state="done")
        case Again():
            return _again(outcome, job, retries, now, chance)
        case GivenUp():
            return Settlement(job=job, state="failed", error=outcome.reason)
        case Doubtful():
            return Settlement(job=job, state="unknown", error=outcome.reason)
        case Interrupted():
            return Settlement(job=job, state="sending", next_at=now, error="interrupted")


def _again(outcome: Again, job: Job, retries: Retries, now: datetime, chance: float) -> Settlement:
    in_doubt = job.is_again if outcome.in_doubt is None else outcome.in_doubt
    if job.attempt >= retries.attempts:
        reason = f"given up after {job.attempt} attempts: {outcome.reason}"
        return Settlement(job=job, state="unknown" if in_doubt else "failed", error=reason)
    after_s = retries.delay_s(job.attempt, chance)
    if outcome.after_s is not None:
        after_s = min(max(outcome.after_s, 0.0), ASKED_MAX_S)
    next_at = now + timedelta(seconds=after_s)
    return Settlement(
        job=job, state="sending" if in_doubt else "pending", next_at=next_at, error=outcome.reason
    )


def overdrawn(job: Job, retries: Retries) -> Settlement | None:
    """A job that every allowed attempt left without an outcome, as one that ends the process does."""
    if job.attempt <= retries.attempts:
        return None
    error = f"given up: {job.attempt - 1} attempts came to no end"
    return Settlement(job=job, state="unknown" if job.is_again else "failed", error=error)
