"""Agents as the outbox's worker: each job goes to the orchestrator of its agent in its channel."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from actors.agents.orchestrator import AnswerMessage, Orchestrator, Withdraw, orchestrator_kind
from actors.agents.ports import AgentSurroundings, Speaker
from actors.jobs import Finished, Job, Outcome, Retries
from protocol.jobs import AgentJob, JobKind

RETRIES: Final = Retries(first_s=1.0, factor=3.0, max_s=60.0, attempts=20)
"""The asker waits: soon at first, and after a minute or two they are told that there will be no answer."""


class AgentWorker:
    """Make it inside the running loop, once for a system of actors."""

    kind: JobKind = "agent"
    retries = RETRIES

    def __init__(self, around: AgentSurroundings) -> None:
        self.concurrency = around.limits.concurrency
        self._around = around
        for agent_id, speaker in around.speakers.items():
            around.system.register(orchestrator_kind(agent_id), _maker(speaker, around))

    async def work(self, job: Job) -> Outcome:
        """An agent that is no more leaves its messages unanswered."""
        task = msgspec.convert(job.payload, AgentJob)
        speaker = self._around.speakers.get(task.agent_id)
        if speaker is None:
            return Finished()
        address = (orchestrator_kind(task.agent_id), task.channel_id)
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome | Exception) -> None:
            if done.done():
                return
            self._around.tally.ran(speaker.agent.name, outcome)
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self._around.system.offer(address, AnswerMessage(job, task, settle))
        try:
            return await done
        except asyncio.CancelledError:
            self._around.system.put(address, Withdraw(job))
            raise


def _maker(speaker: Speaker, around: AgentSurroundings) -> Callable[[int], Orchestrator]:
    return lambda _: Orchestrator(speaker, around)
