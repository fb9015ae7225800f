"""Reading from memory and from the database: only what is committed, only for who may."""

import asyncio
from typing import Any

import pytest

from actors.channel_commands import (
    Done,
    JoinChannel,
    LeaveChannel,
    ReadChanges,
    ReadHistory,
    ReadMessage,
    RemoveMember,
    Resume,
    SetPrivacy,
)
from actors.channel_reads import fitting
from protocol.errors import Code
from protocol.events import ChannelRemoved
from protocol.facts import MemberJoined, MemberLeft, Part
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import PublicProfile
from tests.actors.making import LATER, message, posted
from tests.actors.scene import START, Listener, Scene, scene
from tests.actors.trouble import Trouble, begin, outcome, post, two
from tests.simulation.seeds import changed


async def filled(on: Scene, count: int = 5) -> tuple[PublicProfile, PublicProfile, ChannelId]:
    """Messages at 2, 3, … of which memory holds one."""
    ann, bob, channel_id = await two(on)
    for _ in range(count):
        await on.ask(ann, channel_id, post())
    return ann, bob, channel_id


@pytest.mark.parametrize("rows", [1, 100], ids=["database", "memory"])
async def test_history_is_the_same_from_memory_and_from_the_database(rows: int) -> None:
    async with scene() as on:
        with changed(recent__RECENT_MAX_ROWS=rows, channel_reads__PAGE_MAX_ROWS=3):
            _, bob, channel_id = await filled(on)
            seen = []
            for command in (
                ReadHistory(limit=2),
                ReadHistory(limit=50),
                ReadHistory(before=Seq(4)),
                ReadHistory(after=Seq(4)),
                ReadHistory(after=Seq(1), limit=1),
            ):
                page = (await on.ask(bob, channel_id, command)).history
                assert page is not None
                seen.append(([found.seq for found in page.messages], page.more))
        assert seen == [
            ([6, 5], True),
            ([6, 5, 4], True),
            ([3, 2], False),
            ([5, 6], False),
            ([2], True),
        ]


@pytest.mark.parametrize("rows", [1, 100], ids=["database", "memory"])
async def test_one_message_is_read_by_members(rows: int) -> None:
    async with scene() as on:
        with changed(recent__RECENT_MAX_ROWS=rows):
            _, bob, channel_id = await filled(on)
            found = await on.ask(bob, channel_id, ReadMessage(message_id=MessageId(1)))
            assert found.message is not None
            assert found.message.seq == 2
            cid = on.user("cid")
            for read in (ReadMessage(message_id=MessageId(1)), ReadHistory(), ReadChanges(after=Seq(1))):
                assert await outcome(on, cid, channel_id, read) == Code.FORBIDDEN
        missing = await outcome(on, bob, channel_id, ReadMessage(message_id=MessageId(404)))
        assert missing == Code.NOT_FOUND


def test_a_page_holds_as_much_text_as_fits_and_at_least_one_message() -> None:
    messages = [message(number, number, content="x" * 40) for number in range(3)]
    with changed(channel_reads__PAGE_MAX_CHARS=100):
        assert fitting(messages) == tuple(messages[:2])
    with changed(channel_reads__PAGE_MAX_CHARS=10):
        assert fitting(messages) == tuple(messages[:1])
    assert fitting(messages) == tuple(messages)
    assert fitting([]) == ()


async def test_a_page_that_is_ahead_of_memory_waits_for_it() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        with changed(recent__RECENT_MAX_ROWS=1):
            ann, bob, channel_id = await filled(on)
            committed = trouble.hold("commit")
            posting = await begin(on, ann, channel_id, post())
            reading = await begin(on, bob, channel_id, ReadChanges(after=Seq(1)))
            assert not reading[0].done()
            committed.set()
            page = (await reading[0]).sync
        assert (page.to, [found.seq for found in page.messages]) == (7, [2, 3, 4, 5, 6, 7])
        await asyncio.gather(*posting)


async def test_who_is_just_being_let_in_waits_until_they_are() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        _, _, channel_id = await filled(on)
        cid = on.user("cid")
        committed = trouble.hold("commit")
        asked = await begin(on, cid, channel_id, JoinChannel(), ReadChanges(after=Seq(6)), ReadHistory())
        assert await asked[2] == Code.UNAVAILABLE
        committed.set()
        assert (await asked[1]).sync.to == 7


async def test_who_is_removed_and_let_in_again_reads_when_that_is_certain() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await filled(on)
        committed = trouble.hold("commit")
        asked = await begin(on, ann, channel_id, RemoveMember(member=bob))
        asked += await begin(on, bob, channel_id, JoinChannel())
        for read in (ReadHistory(), ReadMessage(message_id=MessageId(1))):
            assert await outcome(on, bob, channel_id, read) == Code.UNAVAILABLE
        committed.set()
        await asyncio.gather(*asked)
        assert (await on.ask(bob, channel_id, ReadHistory())).history is not None


@pytest.mark.parametrize("before", [None, Seq(9)])
async def test_whom_another_owner_removed_sees_nothing_that_was_said_since(before: Seq | None) -> None:
    async with scene() as on:
        with changed(recent__RECENT_MAX_ROWS=1):
            ann, bob, channel_id = await filled(on, 2)
            left = MemberLeft(at=LATER, seq=Seq(4), user=bob, joined_at=START, removed_by=ann.id)
            secret = posted(5, sender=ann, content="secret")
            await on.store.commit([Part(channel_id, Seq(3), Seq(5), (left, secret))])
            page = (await on.ask(bob, channel_id, ReadHistory(before=before))).history
            assert page is not None
            assert [found.seq for found in page.messages] == [3, 2]


async def test_who_is_not_let_in_after_all_is_refused() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await filled(on)
        other = on.store.add_channel(ann.id, "two")
        await on.ask(ann, other, post("first", "n"))
        cid = on.user("cid")
        with_repeat = [
            *await begin(on, ann, channel_id, post()),
            asyncio.ensure_future(outcome(on, ann, channel_id, post("again", "n"))),
            asyncio.ensure_future(outcome(on, cid, channel_id, JoinChannel())),
            asyncio.ensure_future(outcome(on, cid, channel_id, ReadChanges(after=Seq(1)))),
        ]
        answers: list[Any] = await asyncio.gather(*with_repeat)
        assert [type(answer) for answer in answers] == [Done] * 4


async def test_a_connection_that_moved_on_while_its_page_was_read_gets_nothing() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        with changed(recent__RECENT_MAX_ROWS=1):
            _, bob, channel_id = await filled(on)
            held = trouble.hold("changes")
            listener = Listener(bob)
            listener.is_live = True
            listener.cursors[channel_id] = Seq(1)
            answers: list[Any] = []
            resume = Resume(listener.by, listener, Seq(1), answers.append)
            on.chat.system.offer(("channel", channel_id), resume)
            await on.settle()
            listener.cursors[channel_id] = Seq(4)
            held.set()
            await on.settle()
        assert (listener.heard, listener.cursors) == ([], {channel_id: 4})
        assert not answers[0].behind


async def test_who_is_removed_before_their_page_is_shown_does_not_see_it() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        with changed(recent__RECENT_MAX_ROWS=1):
            ann, bob, channel_id = await filled(on)
            held = trouble.hold("changes")
            reading = await begin(on, bob, channel_id, ReadChanges(after=Seq(1)))
            await on.ask(ann, channel_id, RemoveMember(member=bob))
            held.set()
            assert await reading[0] == Code.FORBIDDEN


async def test_a_page_of_what_another_owner_wrote_shows_that_memory_is_old() -> None:
    async with scene() as on:
        with changed(recent__RECENT_MAX_ROWS=1):
            ann, bob, channel_id = await filled(on)
            theirs = posted(7, sender=ann, content="theirs")
            await on.store.commit([Part(channel_id, Seq(6), Seq(7), (theirs,))])
            assert await outcome(on, bob, channel_id, ReadChanges(after=Seq(1))) == Code.UNAVAILABLE
            await on.settle()
            assert (await outcome(on, bob, channel_id, ReadChanges(after=Seq(1)))).sync.to == 7


async def test_a_membership_that_another_owner_wrote_is_not_refused_by_old_memory() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        await on.ask(bob, channel_id, LeaveChannel())
        joined = MemberJoined(at=LATER, seq=Seq(3), user=bob, role="member")
        await on.store.commit([Part(channel_id, Seq(2), Seq(3), (joined,))])
        listener = await on.attach(bob)
        assert listener.only(ChannelRemoved) == []
        assert await outcome(on, ann, channel_id, ReadChanges(after=Seq(3)))
        assert (await outcome(on, bob, channel_id, ReadChanges(after=Seq(2)))).sync.to == 3


async def test_a_stranger_with_a_cursor_past_the_end_is_told_nothing_of_the_channel() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        await on.ask(bob, channel_id, LeaveChannel())
        await on.ask(ann, channel_id, SetPrivacy(is_private=True, join_code="x"))
        for wanted in (channel_id, ChannelId(404)):
            assert await outcome(on, bob, wanted, ReadChanges(after=Seq(99))) == Code.NOT_FOUND
