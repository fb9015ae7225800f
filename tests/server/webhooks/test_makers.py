"""Webhooks are their maker's: whoever manages the channel no longer neither hears nor speaks by one."""

import pytest

from protocol.ids import UserId
from storage.webhooks import MAKER_LEFT
from tests.server.rest.client import Api, Json
from tests.server.webhooks.telling import Story
from tests.stand_ins.receiver import Receiver


class Made(Story):
    """Ann's channel, where the admin Bob has made one webhook of each kind."""

    bob: Api
    hook: Json

    async def make(self) -> None:
        self.bob = await self.home.person("bob")
        await self.bob.post(f"{self.path}/join", expect=200)
        await self.set_role("admin")
        self.webhook = await self.bob.post(f"{self.path}/webhooks", {"url": self.told.url})
        self.told.secret = self.webhook["secret"]
        self.hook = await self.bob.post(f"{self.path}/webhooks", {"name": "Deployments"})

    async def set_role(self, role: str) -> None:
        await self.owner.put(f"{self.path}/roles/{self.bob.id}", {"role": role})

    async def knock(self, expect: int) -> None:
        await self.home.nobody.ask("POST", f"/hooks/{self.hook['secret']}", {"text": "x"}, expect=expect)

    async def is_silent(self) -> None:
        before = self.told.attempts
        await self.knock(404)
        await self.say("not for Bob")
        await self.settled()
        assert self.told.attempts == before

    async def active(self) -> set[bool]:
        return {each["is_active"] for each in await self.listed()}


@pytest.fixture
async def made(story: Story) -> Made:
    path = f"{story.path}/webhooks/{story.webhook['id']}"
    await story.owner.delete(path)
    made = Made(story.home, story.told, story.owner, story.channel_id)
    await made.make()
    return made


@pytest.mark.parametrize("how", ["removed", "left", "demoted", "deleted"])
async def test_who_manages_the_channel_no_longer_loses_their_webhooks(made: Made, how: str) -> None:
    accounts, now = made.home.context.accounts, made.home.clock.now()
    await made.knock(200)
    await made.told.accepted(1)
    match how:
        case "removed":
            await made.owner.delete(f"{made.path}/members/{made.bob.id}")
        case "left":
            await made.bob.post(f"{made.path}/leave", expect=204)
        case "demoted":
            await made.set_role("member")
        case _:
            await accounts.delete(UserId(made.bob.id), now)
    await made.is_silent()
    if how != "deleted":
        await made.makes_no_jobs()
        assert [each["failure"] for each in await made.listed()] == [
            MAKER_LEFT,
            f"{MAKER_LEFT}, or it answered 410 long ago",
        ]
    if how == "demoted":
        await made.set_role("admin")
        await made.is_silent()
    assert await made.active() == ({True} if how == "deleted" else {False})


async def test_those_of_somebody_disabled_rest_until_they_are_back(made: Made) -> None:
    accounts, now = made.home.context.accounts, made.home.clock.now()
    bob = UserId(made.bob.id)
    await accounts.disable(bob, now)
    await made.is_silent()
    await accounts.enable(bob, now)
    await made.knock(200)
    await made.told.accepted(2)
    assert made.told.texts == ["not for Bob", "x"]


async def test_those_of_others_go_on(made: Made) -> None:
    own = await made.owner.post(f"{made.path}/webhooks", {"name": "Alarms"})
    await made.set_role("member")
    await made.home.nobody.post(f"/hooks/{own['secret']}", {"text": "x"}, expect=200)


async def test_whoever_replays_one_answers_for_it_from_then_on(made: Made, told: Receiver) -> None:
    await made.set_role("member")
    replayed = await made.replay(0)
    assert (replayed["is_active"], replayed["created_by"]) == (True, made.owner.id)
    await made.bob.post(f"{made.path}/leave", expect=204)
    await made.say("again")
    await told.accepted(1)
    assert told.texts == ["again"]
