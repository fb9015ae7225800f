"""A channel from its loading to its end: who is answered what, whatever happens to it."""

import asyncio

from actors.channel_commands import (
    Done,
    LookAt,
    ReadChanges,
)
from protocol.errors import Code
from protocol.events import ChannelRemoved, NewMessage, SyncPage
from protocol.facts import ChannelClosed, Part
from protocol.ids import ChannelId, Seq
from tests.actors.making import posted
from tests.actors.scene import START, scene
from tests.actors.trouble import Trouble, begin, outcome, post, two
from tests.simulation.seeds import changed


async def test_a_channel_that_is_not_there_is_not_found() -> None:
    async with scene() as on:
        assert await outcome(on, on.user("ann"), ChannelId(404), post()) == Code.NOT_FOUND
        assert on.chat.system.actor(("channel", 404)) is None


async def test_who_came_while_it_was_loading_is_served_in_order() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        loaded = trouble.hold("load_channel")
        asked = await begin(on, ann, channel_id, post("1"), LookAt(), post("2"))
        loaded.set()
        answers = await asyncio.gather(*asked)
        assert [answer.seq for answer in answers] == [2, 1, 3]


async def test_what_waits_for_loading_is_bounded() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        loaded = trouble.hold("load_channel")
        with changed(channel__EARLY_MAX=2):
            asked = await begin(on, ann, channel_id, post(), post(), post())
        loaded.set()
        answers = await asyncio.gather(*asked)
        assert answers[2] == Code.OVERLOADED
        assert isinstance(answers[1], Done)


async def test_a_channel_that_cannot_be_loaded_is_tried_again_by_the_next_command() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        trouble.fails_before.add("load_channel")
        assert await outcome(on, ann, channel_id, post()) == Code.UNAVAILABLE
        trouble.fails_before.clear()
        assert isinstance(await outcome(on, ann, channel_id, post()), Done)


async def test_a_commit_of_unknown_outcome_is_told_to_everybody_in_the_end() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        trouble.fails_after.add("commit")
        assert await outcome(on, ann, channel_id, post("text", "n")) == Code.UNAVAILABLE
        trouble.fails_after.clear()
        await on.settle()
        page = listener.only(SyncPage)[0]
        assert (page.from_, page.to, [message.nonce for message in page.messages]) == (1, 2, ["n"])
        repeated = await outcome(on, ann, channel_id, post("text", "n"))
        assert (repeated.duplicate, repeated.seq) == (True, 2)


async def test_a_restarted_channel_that_cannot_be_loaded_is_tried_until_it_can() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        with changed(channel__RETRY_S=0.0):
            await outcome(on, ann, channel_id, LookAt())
            trouble.fails_after.add("commit")
            trouble.fails_before.add("load_channel")
            assert await outcome(on, ann, channel_id, post()) == Code.UNAVAILABLE
            await on.settle()
            trouble.fails_before.clear()
            await asyncio.sleep(0.01)
            await on.settle()
        assert [page.to for page in listener.only(SyncPage)] == [2, 2]


async def test_a_channel_that_another_owner_moved_restarts_and_goes_on() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        await outcome(on, ann, channel_id, post("mine"))
        theirs = posted(3, sender=ann, content="theirs")
        await on.store.commit([Part(channel_id, Seq(2), Seq(3), (theirs,))])
        assert await outcome(on, ann, channel_id, post("late")) == Code.UNAVAILABLE
        await on.settle()
        assert isinstance(await outcome(on, ann, channel_id, post("again")), Done)
        await on.settle()
        seen = [e.message.content for e in listener.only(NewMessage)]
        assert (seen, [page.to for page in listener.only(SyncPage)]) == (["mine", "again"], [3, 3])


async def test_a_channel_that_another_owner_closed_is_gone_for_its_audience() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        await outcome(on, ann, channel_id, post())
        closed = ChannelClosed(at=START, seq=Seq(3))
        await on.store.commit([Part(channel_id, Seq(2), Seq(3), (closed,))])
        assert await outcome(on, ann, channel_id, post()) == Code.UNAVAILABLE
        await on.settle()
        assert [event.reason for event in listener.only(ChannelRemoved)] == ["deleted"]
        assert await outcome(on, ann, channel_id, post()) == Code.NOT_FOUND


async def test_a_cursor_that_another_owner_gave_shows_that_memory_is_old() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        await outcome(on, ann, channel_id, LookAt())
        theirs = posted(2, sender=ann, content="theirs")
        await on.store.commit([Part(channel_id, Seq(1), Seq(2), (theirs,))])
        assert await outcome(on, ann, channel_id, ReadChanges(after=Seq(2))) == Code.UNAVAILABLE
        assert (await outcome(on, ann, channel_id, ReadChanges(after=Seq(2)))).sync.to == 2
