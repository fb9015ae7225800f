"""A channel whose webhook goes to a stand-in, for tests."""

import asyncio
from typing import Any

from sqlalchemy import func, select

from storage.tables import outbox
from tests.server.rest.client import Api, Json
from tests.server.talking import Place
from tests.stand_ins.receiver import PATIENCE_S, Receiver


class Story:
    """Ann owns the channel."""

    def __init__(self, home: Place, told: Receiver, owner: Api, channel_id: int) -> None:
        self.home = home
        self.told = told
        self.owner = owner
        self.channel_id = channel_id
        self.webhook: Json = None

    @classmethod
    async def begin(cls, home: Place, told: Receiver, **more: Any) -> "Story":
        owner = await home.person("ann")
        story = cls(home, told, owner, await home.channel(owner))
        story.webhook = await story.listen(**more)
        told.secret = story.webhook["secret"]
        return story

    @property
    def path(self) -> str:
        return f"/channels/{self.channel_id}"

    async def listen(self, **more: Any) -> Json:
        return await self.owner.post(f"{self.path}/webhooks", {"url": self.told.url} | more)

    async def say(self, *texts: str) -> list[Json]:
        return [await self.owner.post(f"{self.path}/messages", {"content": text}) for text in texts]

    async def now(self) -> Json:
        """The webhook as it is listed."""
        return next(each for each in await self.listed() if each["id"] == self.webhook["id"])

    async def listed(self) -> list[Json]:
        page = await self.owner.get(f"{self.path}/webhooks")
        return list(page["items"])

    async def until(self, **wanted: Any) -> Json:
        """The webhook, once it is like this."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.now()
                if all(found[name] == value for name, value in wanted.items()):
                    return found

    async def jobs(self) -> int:
        """How many there have been."""
        query = select(func.count()).where(outbox.c.kind == "webhook")
        return await self.home.context.database.read(
            lambda connection: connection.execute(query).scalar_one()
        )

    async def makes_no_jobs(self) -> None:
        """Whatever is said now."""
        before = await self.jobs()
        await self.say("nobody", "listens")
        assert await self.jobs() == before

    async def failed(self, reason: str) -> Json:
        return await self.until(failure=reason)

    async def any_failed(self) -> None:
        """Once one of the channel's webhooks waits for its next attempt."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(each["failure"] for each in await self.listed()):
                pass

    async def settled(self) -> None:
        """Once no job is left, done or given up."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.home.context.outbox.backlogs():
                pass

    async def given_up(self) -> None:
        """Once what is left was given up."""
        async with asyncio.timeout(PATIENCE_S):
            while {each.state for each in await self.home.context.outbox.backlogs()} != {"failed"}:
                pass

    def retry(self, after_s: float = 6.0) -> None:
        """Let the time pass after which it is tried again."""
        self.home.clock.moved_s += after_s
        self.home.context.chat.outboxes.poke("webhook")

    async def replay(self, after: int, expect: int = 200) -> Json:
        return await self.owner.post(
            f"{self.path}/webhooks/{self.webhook['id']}/replay?after={after}", expect=expect
        )
