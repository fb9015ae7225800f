"""What does jobs of the outbox: workers, and what they say has become of a job.

`actors/outbox.py` hands the jobs out.
"""

from typing import Protocol

from msgspec import Struct

from protocol.jobs import Job, JobKind

__all__ = ["Again", "Doubtful", "Finished", "GivenUp", "Job", "Outcome", "Retries", "Worker"]


class Finished(Struct, frozen=True):
    """It is done, or there is nothing to do any more."""


class Again(Struct, frozen=True):
    """It could not be done now. `after_s` as the other side asks for it; None backs off as `Retries` say.

    `in_doubt`: whether it may have got through after all, which the next attempt is told by `Job.is_again`.
    None: what was known before this attempt still holds.
    """

    after_s: float | None
    reason: str
    in_doubt: bool | None = None


class GivenUp(Struct, frozen=True):
    """It was not done and never will be. An operator sees why, and may have it retried."""

    reason: str


class Doubtful(Struct, frozen=True):
    """Nobody knows whether it got through, and once more would be worse than never. An operator sees why."""

    reason: str


Outcome = Finished | Again | GivenUp | Doubtful


class Retries(Struct, frozen=True, kw_only=True):
    """How often and when a job is tried again: after `first_s`, then `factor` times longer, up to `max_s`.

    Each wait is shortened by chance, by up to a half, so that what failed together does not come back so.
    After `attempts` the job is given up. An attempt that takes longer than `within_s` is interrupted, and may
    have got through.
    """

    first_s: float = 2.0
    factor: float = 3.0
    max_s: float = 900.0
    attempts: int = 14
    within_s: float = 600.0

    def delay_s(self, attempt: int, chance: float) -> float:
        """Before the attempt after this one. `chance` is from 0 to 1."""
        whole_s = min(self.max_s, self.first_s * self.factor ** min(attempt - 1, 50))
        return whole_s * (1 - chance / 2)


class Worker(Protocol):
    """Does the jobs of one kind, up to `concurrency` at once, of each lane one after another."""

    @property
    def kind(self) -> JobKind: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def retries(self) -> Retries: ...

    async def work(self, job: Job) -> Outcome:
        """Do it. `job.is_again` says that an earlier attempt may have got through.

        It is cancelled when the server stops, and is done again after that. An exception is logged as a bug
        and retried as `Again(None, …, in_doubt=True)`.
        """
        ...
