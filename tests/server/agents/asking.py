"""People who talk to agents of a running server, for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from server.settings import Settings
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, Talk, place
from tests.stand_ins.openai import OpenAI

PATIENCE_S = 20.0
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
        somebody = await self.home.person("somebody")
        listed = await somebody.get("/agents")
        self.ids = {info["name"]: info["user"]["id"] for info in listed["items"]}

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

    async def jobs(self) -> list[tuple[str, int]]:
        """The state of every job, and how many attempts it has taken."""
        from sqlalchemy import select

        from storage.tables import outbox

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
