"""People who talk to agents of a running server, for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select

from server.settings import Settings
from storage.tables import outbox
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, Talk, place
from tests.stand_ins.openai import OpenAI

LITELLM_WARNS = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")
PATIENCE_S = 60.0
"""Only ever waited for when a promise is broken."""


class Agents:
    """A place with agents, by name."""

    def __init__(self, home: Place, model: OpenAI | None) -> None:
        self.home = home
        self._model = model
        self.ids: dict[str, int] = {}

    @property
    def model(self) -> OpenAI:
        assert self._model is not None
        return self._model

    async def meet(self) -> None:
        self.ids = {info.name: info.user.id for info in await self.home.context.agents.list_agents()}

    async def tell(self, person: Api, text: str, agent: str = "assistant") -> Json:
        """Send the agent a direct message; the message."""
        return await person.post("/messages", {"recipient_id": self.ids[agent], "content": text})

    async def ask(self, person: Api, text: str, agent: str = "assistant") -> str:
        """What the agent answers to a direct message."""
        async with self.listening(person) as talk:
            sent = await self.tell(person, text, agent)
            answer = await self.answer_in(talk, sent["channel_id"])
        content: str = answer["content"]
        return content

    @contextlib.asynccontextmanager
    async def listening(self, person: Api) -> AsyncIterator[Talk]:
        talk = await self.home.live(person)
        try:
            yield talk
        finally:
            talk.wire.close()

    async def answer_in(self, talk: Talk, channel_id: int) -> Json:
        """The next message of an agent's in this channel."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = await talk.hear("new_message")
                if event["channel_id"] == channel_id and event["message"]["via"] == "agent":
                    return event["message"]

    async def settled(self) -> None:
        """Wait until nothing is to be done any more."""
        await self._until(lambda jobs: not any(state in ("pending", "sending") for state, _ in jobs))

    async def tried(self, attempts: int) -> None:
        """Wait until the last job was tried so often and waits for its time."""
        await self._until(lambda jobs: jobs[-1:] == [("pending", attempts)])

    async def _until(self, is_so: Callable[[list[tuple[str, int]]], bool]) -> None:
        """Nobody is told when a job is settled: it is looked for."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if is_so(await self.jobs()):
                    return
                await asyncio.sleep(0.01)

    def later(self, seconds: float) -> None:
        """So much time passes, and what is due by then is done."""
        self.home.clock.moved_s += seconds
        self.home.context.chat.outboxes.poke("agent")

    async def jobs(self) -> list[tuple[str, int]]:
        """The state of every job, and how many attempts it has taken."""
        query = select(outbox.c.state, outbox.c.attempts).order_by(outbox.c.id)
        rows = await self.home.context.database.read(lambda connection: connection.execute(query).all())
        return [(row.state, row.attempts) for row in rows]


@contextlib.asynccontextmanager
async def agents_at(settings: Settings, model: OpenAI | None, **changes: Any) -> AsyncIterator[Agents]:
    """A server with this model, or none; `changes` are of its settings."""
    if model is not None:
        changes = {"litellm_baseurl": model.url, "litellm_model": "stand-in", **changes}
    async with place(settings, **changes) as home:
        agents = Agents(home, model)
        await agents.meet()
        yield agents
