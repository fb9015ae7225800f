"""What an outbox actor works with, what it holds, and the mail that it writes to itself."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from actors.jobs import Outcome
from actors.outbox_state import Interrupted
from actors.ports import Clock, Jobs
from protocol.jobs import Due, Job, JobId, Settlement


class Timer(Protocol):
    def cancel(self) -> None: ...


class OutboxSurroundings(Struct, frozen=True):
    """What every outbox actor works with. `chance` is from 0 to 1; `later` calls after so many seconds."""

    jobs: Jobs
    clock: Clock
    chance: Callable[[], float]
    later: Callable[[float, Callable[[], None]], Timer]


class Held:
    """A job that was taken and is not settled; `task` while it is worked on, leased `until` then."""

    __slots__ = ("job", "task", "until")

    def __init__(self, job: Job, until: datetime) -> None:
        self.job = job
        self.until = until
        self.task: asyncio.Task[Any] | None = None

    def interrupt(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Reclaimed(Struct, frozen=True):
    result: int | Exception


class Taken(Struct, frozen=True):
    until: datetime
    result: Due | Exception


class Worked(Struct, frozen=True):
    job: Job
    outcome: Outcome | Interrupted | Exception


class Settled(Struct, frozen=True):
    settlements: tuple[Settlement, ...]
    result: frozenset[JobId] | Exception


class SettleAgain(Struct, frozen=True):
    """It is time to try once more to write down what could not be written."""


class Extend(Struct, frozen=True):
    """It is time to extend the leases."""


class Extended(Struct, frozen=True):
    held: tuple[Held, ...]
    until: datetime
    result: frozenset[JobId] | Exception


class Stop(Struct, frozen=True):
    """Take nothing more; `stopped` hears when all that was taken is settled."""

    stopped: Callable[[], None]


class CutOff(Struct, frozen=True):
    """What is still being worked on is interrupted now."""
