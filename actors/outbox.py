"""The outbox actor, one for each kind of job: takes what is due, hands it to the worker, and settles it.

It looks when it is told of new jobs, at the start, when the next attempt is due, and now and then for what
other processes left or an operator wants retried. Nothing is lost when it ends: what it has taken is leased,
and is due again when nobody extends the lease. `outbox_state.py` decides what becomes of a job.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from typing_extensions import override

from actors.actor import Actor
from actors.jobs import Again, Outcome, Worker
from actors.outbox_mail import (
    CutOff,
    Extend,
    Extended,
    Held,
    OutboxSurroundings,
    Reclaimed,
    SettleAgain,
    Settled,
    Stop,
    Taken,
    Timer,
    Worked,
)
from actors.outbox_state import Interrupted, overdrawn, settlement_of
from actors.system import Wake
from protocol.errors import Refusal, Unavailable
from protocol.jobs import Due, Job, JobId, Settlement

log = logging.getLogger("actors")

LEASE_S: Final = 30.0
EXTEND_EVERY_S: Final = 10.0
LOOK_EVERY_S: Final = 15.0
LOOK_AT_MOST_EVERY_S: Final = 0.05
REPEAT_MAX_S: Final = 15.0
"""How long at most until a database that is away is asked again."""
CUT_OFF_AFTER_S: Final = 3.0
"""How long jobs may go on when the server stops."""


class Outbox(Actor):
    """The jobs of one kind in this process."""

    def __init__(self, worker: Worker, around: OutboxSurroundings) -> None:
        self._worker = worker
        self._around = around
        self._held: dict[JobId, Held] = {}
        self._unwritten: list[Settlement] = []
        self._is_writing = False
        self._is_reclaimed = around.jobs.is_shared
        self._is_looking = False
        self._is_wanted = True
        self._failures = 0
        self._look: Timer | None = None
        self._extend: Timer | None = None
        self._stopped: Callable[[], None] | None = None

    @property
    @override
    def is_idle(self) -> bool:
        return False

    @property
    def working(self) -> int:
        """How many jobs are under way."""
        return len(self._held)

    @override
    def receive(self, mail: Any) -> None:  # noqa: C901 - one case for each kind of mail, nothing else
        match mail:
            case Wake():
                self._is_wanted = True
            case Reclaimed():
                self._reclaimed(mail.result)
            case Taken():
                self._taken(mail.until, mail.result)
            case Worked():
                self._worked(mail.job, mail.outcome)
            case Settled():
                self._settled(mail)
            case SettleAgain():
                self._is_writing = False
            case Extend():
                self._extend_leases()
            case Extended():
                self._extended(mail)
            case Stop():
                self._stop(mail)
            case CutOff():
                self._cut_off()

    @override
    def end_turn(self) -> None:
        if self._unwritten and not self._is_writing:
            self._write()
        if self._stopped is not None:
            if not self._held and not self._is_looking:
                self._stopped()
        elif self._is_wanted and not self._is_looking:
            self._look_now()

    @override
    def abandon(self, refusal: Refusal) -> None:
        for timer in (self._look, self._extend):
            if timer is not None:
                timer.cancel()
        self._cut_off()

    # Looking for jobs.

    def _look_now(self) -> None:
        free = self._worker.concurrency - len(self._held)
        if free <= 0:
            return
        self._is_wanted, self._is_looking = False, True
        kind, now = self._worker.kind, self._around.clock.now()
        if not self._is_reclaimed:
            self.cell.run(self._around.jobs.reclaim(kind, now), Reclaimed)
            return
        until = now + timedelta(seconds=LEASE_S)
        taking = self._around.jobs.take(kind, free, now, until, tuple(self._held))
        self.cell.run(taking, lambda result: Taken(until, result))

    def _reclaimed(self, result: int | Exception) -> None:
        self._is_looking = False
        if isinstance(result, Exception):
            self._cannot("be read", result)
            self._look_in(self._repeat_s())
        else:
            self._is_reclaimed = self._is_wanted = True

    def _taken(self, until: datetime, result: Due | Exception) -> None:
        self._is_looking = False
        if isinstance(result, Exception):
            self._cannot("be read", result)
            self._look_in(self._repeat_s())
            return
        self._failures = 0
        self._is_wanted = self._is_wanted or result.is_more
        for job in result.jobs:
            self._start(Held(job, until))
        if result.jobs and self._extend is None:
            self._extend_in(EXTEND_EVERY_S)
        wait_s = LOOK_EVERY_S
        if result.next_at is not None:
            wait_s = min(wait_s, (result.next_at - self._around.clock.now()).total_seconds())
        self._look_in(max(wait_s, LOOK_AT_MOST_EVERY_S))

    def _look_in(self, seconds: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = self._around.later(seconds, lambda: self.cell.put(Wake()))

    # Working.

    def _start(self, held: Held) -> None:
        job = held.job
        self._held[job.id] = held
        settlement = overdrawn(job, self._worker.retries)
        if settlement is not None:
            self._settle(settlement)
        else:
            self.cell.run(self._work(held), lambda outcome: Worked(job, outcome))

    async def _work(self, held: Held) -> Outcome | Interrupted:
        if not self.cell.is_alive or self._stopped is not None:
            return Interrupted()
        held.task = asyncio.current_task()
        try:
            return await self._work_within(self._worker.retries.within_s, held.job)
        except asyncio.CancelledError:
            return Interrupted()
        finally:
            held.task = None

    async def _work_within(self, seconds: float, job: Job) -> Outcome:
        """A worker may raise `TimeoutError` of its own, which is a bug like any other."""
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                return await self._worker.work(job)
        except TimeoutError:
            if not timeout.expired():
                raise
            return Again(None, f"it took longer than {seconds:g} s", in_doubt=True)

    def _worked(self, job: Job, outcome: Outcome | Interrupted | Exception) -> None:
        if isinstance(outcome, Exception):
            log.error("a job of kind %s failed: %s", job.kind, job.key, exc_info=outcome)
            outcome = Again(None, f"{type(outcome).__name__}: {outcome}", in_doubt=True)
        retries, now = self._worker.retries, self._around.clock.now()
        self._settle(settlement_of(outcome, job, retries, now, self._around.chance()))

    def _settle(self, settlement: Settlement) -> None:
        job = settlement.job
        if settlement.state in ("failed", "unknown"):
            log.warning(
                "a job of kind %s is %s: %s: %s", job.kind, settlement.state, job.key, settlement.error
            )
        self._unwritten.append(settlement)

    def _write(self) -> None:
        """Together, what came to its end while the last ones were written."""
        settlements, self._unwritten, self._is_writing = tuple(self._unwritten), [], True
        writing = self._around.jobs.settle(settlements, self._around.clock.now())
        self.cell.run(writing, lambda result: Settled(settlements, result))

    def _settled(self, mail: Settled) -> None:
        if isinstance(mail.result, Exception):
            self._cannot("be written", mail.result)
            self._unwritten[:0] = mail.settlements
            self._around.later(self._repeat_s(), lambda: self.cell.put(SettleAgain()))
            return
        self._failures, self._is_writing, self._is_wanted = 0, False, True
        for settlement in mail.settlements:
            self._held.pop(settlement.job.id, None)

    # Leases.

    def _extend_in(self, seconds: float) -> None:
        self._extend = self._around.later(seconds, lambda: self.cell.put(Extend()))

    def _extend_leases(self) -> None:
        self._extend = None
        if not self._held:
            return
        now, held = self._around.clock.now(), tuple(self._held.values())
        until = now + timedelta(seconds=LEASE_S)
        extending = self._around.jobs.extend([each.job for each in held], until, now)
        self.cell.run(extending, lambda result: Extended(held, until, result))
        self._extend_in(EXTEND_EVERY_S)

    def _extended(self, mail: Extended) -> None:
        if isinstance(mail.result, Exception):
            self._cannot("be written", mail.result)
            self._let_go()
            return
        for held in mail.held:
            if held.job.id in mail.result:
                held.until = mail.until
            elif held.task is not None:
                log.warning("a job of kind %s is worked on elsewhere: %s", held.job.kind, held.job.key)
                held.interrupt()

    def _let_go(self) -> None:
        """Others may have begun with what nobody could extend the lease of."""
        now = self._around.clock.now()
        for held in self._held.values() if self._around.jobs.is_shared else ():
            if held.until <= now:
                held.interrupt()

    def _cannot(self, what: str, error: Exception) -> None:
        bug = None if isinstance(error, Unavailable) else error
        log.warning("the outbox cannot %s now: %s", what, error, exc_info=bug)

    def _repeat_s(self) -> float:
        self._failures += 1
        return min(REPEAT_MAX_S, 0.5 * 2.0 ** min(self._failures, 10))

    # Stopping.

    def _stop(self, mail: Stop) -> None:
        self._stopped = mail.stopped
        if self._held:
            self._around.later(CUT_OFF_AFTER_S, lambda: self.cell.put(CutOff()))

    def _cut_off(self) -> None:
        for held in self._held.values():
            held.interrupt()
