"""Who is no member as far as memory knows is refused only when the database does not know better."""

from typing import Any

import pytest

from actors.channel_commands import (
    Done,
    LeaveChannel,
    LookAt,
    ReactTo,
    ReadChanges,
    ReadHistory,
    ReadMessage,
    RemoveMember,
)
from protocol.errors import Code
from protocol.facts import MemberJoined, Part
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import PublicProfile
from tests.actors.making import LATER
from tests.actors.scene import Scene, scene
from tests.actors.trouble import Trouble, begin, outcome, post, two

ONE = MessageId(1)
COMMANDS = (
    post(),
    post(parent_id=MessageId(404)),
    ReactTo(message_id=ONE, reaction_id=1, code="+1", image_url=None, added=True),
    LookAt(),
    ReadHistory(),
    ReadMessage(message_id=ONE),
    ReadChanges(after=Seq(0)),
    ReadChanges(after=Seq(4)),
)


async def without_bob(on: Scene) -> tuple[PublicProfile, PublicProfile, ChannelId]:
    """A channel at 3, awake, with one message; Bob has left it."""
    ann, bob, channel_id = await two(on)
    await on.ask(ann, channel_id, post())
    await on.ask(bob, channel_id, LeaveChannel())
    return ann, bob, channel_id


def rejoined(channel_id: ChannelId, user: PublicProfile) -> Part:
    joined = MemberJoined(at=LATER, seq=Seq(4), user=user, role="member")
    return Part(channel_id, Seq(3), Seq(4), (joined,))


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
async def test_whom_another_owner_let_in_is_to_try_again_and_then_may(command: Any) -> None:
    async with scene() as on:
        on.store.add_reaction("+1")
        _, bob, channel_id = await without_bob(on)
        await on.store.commit([rejoined(channel_id, bob)])
        assert await outcome(on, bob, channel_id, command) == Code.UNAVAILABLE
        await on.settle()
        assert await outcome(on, bob, channel_id, command) not in (Code.FORBIDDEN, Code.UNAVAILABLE)


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
async def test_strangers_are_refused_and_the_channel_goes_on(command: Any) -> None:
    async with scene() as on:
        ann, bob, channel_id = await without_bob(on)
        actor = on.chat.system.actor(("channel", channel_id))
        assert await outcome(on, bob, channel_id, command) == Code.FORBIDDEN
        assert on.chat.system.actor(("channel", channel_id)) is actor
        assert isinstance(await outcome(on, ann, channel_id, post()), Done)


async def test_members_are_refused_without_asking_the_database() -> None:
    trouble = Trouble()
    trouble.fails_before.add("changes")
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        assert await outcome(on, bob, channel_id, RemoveMember(member=ann)) == Code.FORBIDDEN


async def test_a_refusal_that_cannot_be_confirmed_is_not_final() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        _, bob, channel_id = await without_bob(on)
        trouble.fails_before.add("changes")
        assert await outcome(on, bob, channel_id, post()) == Code.UNAVAILABLE


async def test_what_is_decided_while_a_refusal_is_confirmed_is_nobody_elses() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await without_bob(on)
        confirmed = trouble.hold("changes")
        asked = await begin(on, bob, channel_id, post())
        assert isinstance(await outcome(on, ann, channel_id, post()), Done)
        confirmed.set()
        assert await asked[0] == Code.FORBIDDEN
