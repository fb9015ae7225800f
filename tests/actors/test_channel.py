"""A channel from its loading to its end: who is answered what, whatever happens to it."""

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from actors.channel_commands import (
    Done,
    LookAt,
    ReadChanges,
)
from actors.open_channel import OpenChannel
from protocol.errors import Code
from protocol.events import ChannelRemoved, NewMessage, SyncPage
from protocol.facts import ChannelClosed, Part
from protocol.ids import ChannelId, Seq
from tests.actors.making import posted
from tests.actors.scene import START, Scene, scene
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


class SlowCommit(Trouble):
    """Commits wait at the door until they are let in."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()

    @override
    async def before(self, call: str) -> None:
        if call == "commit":
            await self.is_open.wait()


async def fail_once(on: Scene, channel_id: ChannelId, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug ends the channel's activation, and the next one wakes."""

    def fail(*_: Any) -> None:
        raise ValueError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(OpenChannel, "handle", fail)
        assert await outcome(on, on.user("cid"), channel_id, LookAt()) == Code.INTERNAL
    await on.settle()


async def test_a_commit_that_lands_after_its_activation_is_told_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = SlowCommit()
    async with scene(slow) as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        asked = await begin(on, ann, channel_id, post("text", "n"))
        await fail_once(on, channel_id, monkeypatch)
        assert await asked[0] == Code.INTERNAL
        assert (await on.ask(ann, channel_id, LookAt())).seq == 1
        slow.is_open.set()
        await on.settle()
        pages = [page for page in listener.only(SyncPage) if page.messages]
        assert [(page.from_, page.to) for page in pages] == [(1, 2)]
        assert (await on.ask(ann, channel_id, post("text", "n"))).duplicate


async def test_a_commit_that_the_next_activation_has_read_is_no_news_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        committed = trouble.hold("commit")
        asked = await begin(on, ann, channel_id, post("text", "n"))
        await fail_once(on, channel_id, monkeypatch)
        assert await asked[0] == Code.INTERNAL
        opened = on.chat.system.actor(("channel", channel_id))
        committed.set()
        await on.settle()
        assert on.chat.system.actor(("channel", channel_id)) is opened
        assert (await on.ask(ann, channel_id, LookAt())).seq == 2


async def test_a_channel_that_was_read_before_its_audience_heard_more_is_read_again() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        loaded = trouble.hold("load_channel")
        asked = await begin(on, ann, channel_id, post("mine"))
        theirs = posted(2, sender=ann, content="theirs")
        await on.store.commit([Part(channel_id, Seq(1), Seq(2), (theirs,))])
        listener = await on.attach(bob)
        loaded.set()
        assert (await asked[0]).seq == 3
        assert [event.seq for event in listener.only(NewMessage)] == [3]
        assert listener.only(SyncPage) == []


async def test_an_audience_that_stands_where_no_channel_was_does_not_keep_it_from_opening() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        on.chat.fanout.deliver(channel_id, [], Seq(99))
        asked = await begin(on, ann, channel_id, post())
        assert asked[0].done()
        assert (await asked[0]).seq == 2
