"""Agents in a scene: a model that answers when a test says so, and everything else in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from actors.agents.agent import Agent
from actors.agents.ports import AgentLimits, AgentSurroundings, ModelFailed, Said, Speaker
from actors.agents.tally import Tally
from actors.agents.tools import Tool
from actors.agents.worker import AgentWorker
from actors.channel_commands import Identity, PostMessage
from protocol.agents import Completion, Progress, Spender, Used
from protocol.ids import ChannelId, UserId
from protocol.jobs import Job, JobId
from protocol.resources import Message, PublicProfile
from tests.actors.scene import Scene, scene


class Echo(Agent):
    name = "echo"
    description = "Says what you say."
    prompt = "Repeat it."


class HeldModel:
    """Answers `re: …`, piece by piece, each when it is released, and before it the next of `costs`.

    Where `failure` is set, it fails when it has said all.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.pieces = 1
        self.costs: list[Used] = []
        self.failure: ModelFailed | None = None
        self.running = 0
        self.most_at_once = 0

    async def stream(
        self, said: Sequence[Said], tools: Sequence[Tool]
    ) -> AsyncGenerator[str | Used | Completion]:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.asked.append(said[-1].text)
        text = f"re: {said[-1].text}"
        size = -(-len(text) // self.pieces)
        try:
            for start in range(0, len(text), size):
                await self._held()
                if self.costs:
                    yield self.costs.pop(0)
                yield text[start : start + size]
            if self.failure is not None:
                raise self.failure
            yield Completion(text)
        finally:
            self.running -= 1

    def release(self) -> int:
        """Let go of all that is held now; how many that was."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.set_result(None)
        return len(waiting)

    async def _held(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        try:
            await future
        finally:
            if future in self.waiting:
                self.waiting.remove(future)


class MemoryJobs:
    """Where completions are written down. The next to be read or written raises `trouble`."""

    def __init__(self) -> None:
        self.completions: dict[JobId, tuple[Completion, ...]] = {}
        self.reads: Counter[JobId] = Counter()
        self.trouble: list[Exception] = []
        self.charged: list[Used] = []

    async def progress(self, job: Job) -> Progress:
        self.reads[job.id] += 1
        if self.trouble:
            raise self.trouble.pop()
        return Progress(self.completions.get(job.id, ()))

    async def add_completion(self, job: Job, completion: Completion, spender: Spender, now: datetime) -> None:
        self.completions[job.id] = (*self.completions.get(job.id, ()), completion)

    async def charge(self, spender: Spender, used: Used, now: datetime) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.charged.append(used)

    async def spent(self, user_id: UserId, now: datetime) -> int:
        return 0


class Stage:
    """A scene with one agent in it."""

    def __init__(
        self, here: Scene, speaker: Speaker, model: HeldModel, jobs: MemoryJobs, tally: Tally
    ) -> None:
        self.here = here
        self.agent = speaker.profile
        self.model = model
        self.jobs = jobs
        self.tally = tally

    async def tell(self, person: PublicProfile, text: str, **more: Any) -> Message:
        """A direct message to the agent."""
        channel_id = await self.channel(person)
        done = await self.here.ask(person, channel_id, PostMessage(content=text, nonce=None, **more))
        assert done.message is not None
        return done.message

    async def channel(self, person: PublicProfile) -> ChannelId:
        return await self.here.chat.direct(Identity(person), self.agent.id)

    def answers(self) -> list[str | None]:
        """What the agent has said, in the order of saying it."""
        rows = self.here.store.tables.messages.values()
        return [row.message.content for row in rows if row.message.sender_id == self.agent.id]


@asynccontextmanager
async def stage(concurrency: int = 8, timeout_s: float = 60.0) -> AsyncIterator[Stage]:
    async with scene() as here:
        speaker = Speaker(Echo(), here.store.add_user("echo", is_bot=True))
        model, jobs = HeldModel(), MemoryJobs()
        limits = AgentLimits(
            timeout_s=timeout_s, concurrency=concurrency, tokens_per_user_day=1000, history_max=10
        )

        class Everybody:
            async def identity(self, user_id: UserId) -> Identity | None:
                row = here.store.tables.users.get(user_id)
                return None if row is None else Identity(row.profile)

        around = AgentSurroundings(
            system=here.chat.system,
            fanout=here.chat.fanout,
            clock=here.clock,
            jobs=jobs,
            people=Everybody(),
            decode=lambda decoder, body: decoder.decode(body),
            limits=limits,
            model=model,
            speakers={speaker.profile.id: speaker},
        )
        here.chat.outboxes.employ(AgentWorker(around))
        await here.settle()
        yield Stage(here, speaker, model, jobs, around.tally)
