"""An agent of one simulated process: it answers what its jobs name, sometimes late, sometimes not at once.

The ledger knows what all processes have begun. Doing something again is allowed; not to be told of it is not.
"""

import asyncio
from random import Random

import msgspec

from actors.channel_commands import Identity, PostMessage
from actors.chat import Chat
from actors.jobs import Again, Finished, Outcome, Retries
from protocol.errors import Refused
from protocol.jobs import AgentJob, Job, JobKind
from protocol.resources import PublicProfile
from tests.simulation.memory_rows import Tables
from tests.simulation.oracle import BrokenPromiseError


class Ledger:
    def __init__(self, tables: Tables) -> None:
        self.is_calm = False
        self._tables = tables
        self._may_be_done: set[str] = set()

    def begin(self, job: Job) -> None:
        if job.key in self._may_be_done and not job.is_again:
            raise BrokenPromiseError(f"{job.key} may have been done, and is begun as if it were not")
        self._may_be_done.add(job.key)
        task = msgspec.convert(job.payload, AgentJob)
        if not any(row.message.seq == task.seq for row in self._tables.of_channel(task.channel_id)):
            raise BrokenPromiseError(f"{job.key} is of a message that is not there")
        ahead = [row for row in self._tables.jobs.values() if row.queued.lane == job.lane and row.id < job.id]
        if any(row.state in ("pending", "sending") for row in ahead):
            raise BrokenPromiseError(f"{job.key} overtakes what is ahead of it in {job.lane}")

    def not_done(self, job: Job) -> None:
        if not job.is_again:
            self._may_be_done.discard(job.key)

    @property
    def left(self) -> list[str]:
        """Jobs that are not done."""
        return [key for key, row in self._tables.jobs.items() if row.state != "done"]


class SimulatedAgent:
    kind: JobKind = "agent"
    concurrency = 2
    retries = Retries(first_s=0.1, factor=2, max_s=1.0, attempts=1_000)

    def __init__(self, chat: Chat, ledger: Ledger, random: Random, profile: PublicProfile) -> None:
        self._chat = chat
        self._ledger = ledger
        self._random = random
        self._by = Identity(profile)

    async def work(self, job: Job) -> Outcome:
        self._ledger.begin(job)
        await asyncio.sleep(self._random.expovariate(1 / 0.05))
        if not self._ledger.is_calm and self._random.random() < 0.1:
            self._ledger.not_done(job)
            return Again(None, "the model is busy")
        task = msgspec.convert(job.payload, AgentJob)
        answer = PostMessage(content="answer", nonce=f"answer {task.channel_id} {task.seq}", via="agent")
        try:
            await self._chat.ask(self._by, task.channel_id, answer)
        except Refused as refused:
            if refused.refusal.meaning.retryable:
                return Again(None, refused.refusal.message, in_doubt=True)
        return Finished()
