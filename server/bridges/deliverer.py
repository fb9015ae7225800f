"""Delivers what the outbox hands out, by the bridge that each job names. `errand.py` is one attempt."""

import contextlib
from collections.abc import Mapping
from typing import Final

import msgspec

from actors.chat import Chat
from actors.jobs import Again, Doubtful, Finished, GivenUp, Job, Outcome, Retries
from actors.ports import Clock
from protocol.errors import Code, Refused, Unavailable
from protocol.jobs import Bridge as BridgeName
from protocol.jobs import BridgeJob, JobKind
from server.bridges.bridge import Bridge
from server.bridges.errand import Errand, Surroundings, write_off
from storage.deliveries import Deliveries

CONCURRENCY: Final = 8
GONE: Final = frozenset({Code.NOT_FOUND, Code.FORBIDDEN})


class Deliverer:
    """The outbox's worker for one kind of job. `bridges` are by name."""

    def __init__(
        self,
        kind: JobKind,
        bridges: Mapping[BridgeName, Bridge],
        chat: Chat,
        deliveries: Deliveries,
        clock: Clock,
        *,
        public_url: str = "",
        retries: Retries | None = None,
    ) -> None:
        self._kind = kind
        self._bridges = bridges
        self._retries = retries or Retries()
        self._around = Surroundings(chat, deliveries, clock, public_url)

    @property
    def kind(self) -> JobKind:
        return self._kind

    @property
    def concurrency(self) -> int:
        return CONCURRENCY

    @property
    def retries(self) -> Retries:
        return self._retries

    async def work(self, job: Job) -> Outcome:
        """Deliver the message of a `BridgeJob`."""
        try:
            return await self._work(job, msgspec.convert(job.payload, BridgeJob))
        except (Refused, Unavailable) as error:
            return _interrupted(error, may_have_sent=False)

    async def _work(self, job: Job, todo: BridgeJob) -> Outcome:
        due = await self._around.deliveries.load(todo.channel_id, todo.seq)
        if due is None or due.message.deleted_at is not None:
            return Finished()
        bridge = self._bridges.get(todo.bridge)
        if bridge is None:
            await write_off(self._around, due, len(due.parts), in_doubt=job.is_again)
            return (Doubtful if job.is_again else GivenUp)(f"{todo.bridge} is not turned on")
        errand = Errand(self._around, bridge, job, due)
        outcome = await _attempt(errand, todo)
        if isinstance(outcome, Again) and self._is_last(job):
            in_doubt = job.is_again if outcome.in_doubt is None else outcome.in_doubt
            # The outbox says it all the same.
            with contextlib.suppress(Refused, Unavailable):
                await errand.give_up(in_doubt=in_doubt)
        return outcome

    def _is_last(self, job: Job) -> bool:
        return job.attempt >= self._retries.attempts


async def _attempt(errand: Errand, todo: BridgeJob) -> Outcome:
    try:
        return await errand.run(todo)
    except (Refused, Unavailable) as error:
        return _interrupted(error, may_have_sent=errand.may_have_sent)


def _interrupted(error: Refused | Unavailable, *, may_have_sent: bool) -> Outcome:
    """The channel cannot note what was done, or the database is away: what was sent is looked for."""
    in_doubt = True if may_have_sent else None
    if isinstance(error, Unavailable):
        return Again(None, str(error), in_doubt=in_doubt)
    code = error.refusal.code
    if code in GONE:
        return GivenUp("its channel is gone")
    return Again(None, f"its channel says {code}", in_doubt=in_doubt)
