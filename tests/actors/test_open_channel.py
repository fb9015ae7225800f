"""A loaded channel: what is asked of it is decided, committed, answered and read, whatever happens."""

import asyncio
from typing import Any

import pytest

from actors.channel_commands import (
    ChangeChannel,
    CloseChannel,
    Done,
    EditMessage,
    LeaveChannel,
    LookAt,
    MoveMarker,
    ReadChanges,
    ReadHistory,
    ReadMessage,
    RemoveMember,
    ShowTyping,
)
from actors.known_messages import KnownMessages
from protocol.errors import Code
from protocol.events import ReadMarker, SyncPage, TypingEvent
from protocol.ids import MessageId, Seq
from tests.actors.scene import scene
from tests.actors.trouble import Trouble, begin, outcome, post, two
from tests.simulation.seeds import changed


async def test_repeats_cost_nobody_else_anything() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        other = on.store.add_channel(ann.id, "two", [bob.id])
        first = await on.ask(ann, other, post("first", "n"))
        asked = [
            asyncio.ensure_future(outcome(on, by, channel_id, command))
            for by, command in ((bob, post("1")), (ann, post("again", "n")), (bob, post("2")))
        ]
        answers = await asyncio.gather(*asked)
        assert [answer.seq for answer in answers] == [2, first.seq, 3]
        assert [answer.duplicate for answer in answers] == [False, True, False]
        assert answers[1].message.content == "first"


async def test_the_same_post_at_once_is_made_once() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        answers = await asyncio.gather(*await begin(on, ann, channel_id, *[post("x", "n")] * 3))
        assert [answer.duplicate for answer in answers] == [False, True, True]
        assert {answer.seq for answer in answers} == {2}


async def test_a_taken_name_is_told_to_whoever_wanted_it() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        on.store.add_channel(ann.id, "taken")
        asked = await begin(
            on, ann, channel_id, ChangeChannel(name="Taken"), ChangeChannel(description="about"), post()
        )
        answers = await asyncio.gather(*asked)
        assert [getattr(answer, "seq", answer) for answer in answers] == [Code.TAKEN, 2, 3]


async def test_a_file_goes_with_one_message_at_nobody_elses_cost() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        other = on.store.add_channel(ann.id, "two")
        sent, mine, shared = [on.store.add_file(ann.id, name) for name in "abc"]
        await on.ask(ann, other, post(attachments=(sent,)))
        asked = await begin(
            on,
            ann,
            channel_id,
            post(attachments=(sent, mine)),
            post("1", attachments=(mine, shared), nonce="n"),
            post(attachments=(shared,)),
            post("1", attachments=(mine, shared), nonce="n"),
        )
        asked += await begin(on, bob, channel_id, post("2"))
        answers = await asyncio.gather(*asked)
        assert [getattr(answer, "seq", answer) for answer in answers] == [Code.INVALID, 2, Code.INVALID, 2, 3]
        assert answers[1].message.attachments == (mine, shared)


async def test_a_closed_channel_answers_everybody_behind_its_closing() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        await outcome(on, ann, channel_id, LookAt())
        committed = trouble.hold("commit")
        asked = await begin(on, ann, channel_id, CloseChannel(), post())
        asked += await begin(on, bob, channel_id, ReadChanges(after=Seq(2)), LeaveChannel())
        committed.set()
        answers = await asyncio.gather(*asked)
        assert isinstance(answers[0], Done)
        assert [*answers[1:]] == [Code.NOT_FOUND] * 3
        assert await outcome(on, ann, channel_id, post()) == Code.NOT_FOUND
        assert on.chat.fanout.position(channel_id) is None


async def test_a_busy_channel_does_not_sleep_and_an_idle_one_does() -> None:
    trouble = Trouble()
    async with scene(trouble, idle_after_s=10.0) as on:
        ann, _, channel_id = await two(on)
        committed = trouble.hold("commit")
        asked = await begin(on, ann, channel_id, post())
        await on.pass_s(11.0)
        on.chat.system.sweep()
        assert on.chat.system.actor(("channel", channel_id)) is not None
        committed.set()
        await asyncio.gather(*asked)
        await on.pass_s(11.0)
        on.chat.system.sweep()
        assert on.chat.system.actor(("channel", channel_id)) is None
        assert on.chat.fanout.position(channel_id) is None


@pytest.mark.parametrize(
    "read", [ReadHistory(after=Seq(0)), ReadChanges(after=Seq(0)), ReadMessage(message_id=MessageId(1))]
)
async def test_readers_of_the_database_are_answered_whatever_becomes_of_the_channel(read: Any) -> None:
    trouble = Trouble()
    async with scene(trouble, idle_after_s=10.0) as on:
        ann, _, channel_id = await two(on)
        calls = ("history", "changes", "load_messages")
        answered = [trouble.hold(call) for call in calls]
        asked = await begin(on, ann, channel_id, read)
        await on.pass_s(11.0)
        on.chat.system.sweep()
        trouble.fails_before.add("commit")
        assert await outcome(on, ann, channel_id, post()) == Code.UNAVAILABLE
        assert await asked[0] == Code.UNAVAILABLE
        for event in answered:
            event.set()
        await on.settle()


async def test_a_database_that_cannot_be_read_is_said() -> None:
    trouble = Trouble()
    trouble.fails_before |= {"history", "load_messages"}
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        for read in (ReadHistory(), EditMessage(message_id=MessageId(9), content="x")):
            assert await outcome(on, ann, channel_id, read) == Code.UNAVAILABLE


async def test_readers_are_bounded() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        read = trouble.hold("history")
        with changed(database_reads__READS_MAX=1):
            asked = await begin(on, ann, channel_id, ReadHistory(), ReadHistory())
        read.set()
        answers = await asyncio.gather(*asked)
        assert isinstance(answers[0], Done)
        assert answers[1] == Code.OVERLOADED


async def test_what_is_in_flight_is_bounded() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        await outcome(on, ann, channel_id, LookAt())
        with changed(open_channel__IN_FLIGHT_MAX=1):
            answers = await asyncio.gather(*await begin(on, ann, channel_id, post(), post()))
        assert isinstance(answers[0], Done)
        assert answers[1] == Code.OVERLOADED


async def test_who_is_removed_while_reading_gets_nothing() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        await outcome(on, ann, channel_id, post())
        held = [trouble.hold(call) for call in ("history", "load_messages", "changes")]
        reads = [ReadHistory(limit=9), ReadMessage(message_id=MessageId(9)), ReadChanges(after=Seq(0))]
        asked = await begin(on, bob, channel_id, *reads)
        committed = trouble.hold("commit")
        removed = await begin(on, ann, channel_id, RemoveMember(member=bob))
        for event in held[:2]:
            event.set()
        assert await asyncio.gather(*asked[:2]) == [Code.UNAVAILABLE] * 2
        committed.set()
        await asyncio.gather(*removed)
        held[2].set()
        assert await asked[2] == Code.FORBIDDEN


async def test_who_asks_for_what_is_being_committed_waits_for_it() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, bob, channel_id = await two(on)
        await outcome(on, ann, channel_id, LookAt())
        committed = trouble.hold("commit")
        posting = await begin(on, ann, channel_id, post())
        reading = await begin(on, bob, channel_id, ReadChanges(after=Seq(2)), ReadChanges(after=Seq(0)))
        assert not any(task.done() for task in reading)
        committed.set()
        answers = await asyncio.gather(*reading)
        assert [answer.sync.to for answer in answers] == [2, 2]
        await asyncio.gather(*posting)


async def test_replies_need_a_message_of_this_channel() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        first = await on.ask(ann, channel_id, post())
        reply = await on.ask(ann, channel_id, post(parent_id=first.message.id if first.message else None))
        assert reply.message is not None
        assert reply.message.parent_id == 1
        assert await outcome(on, ann, channel_id, post(parent_id=MessageId(404))) == Code.INVALID
        assert (
            await outcome(on, ann, channel_id, EditMessage(message_id=MessageId(404), content="x"))
            == Code.NOT_FOUND
        )
        cid = on.user("cid")
        assert await outcome(on, cid, channel_id, post(parent_id=MessageId(404))) == Code.FORBIDDEN


async def test_an_older_message_is_fetched_once_for_all_who_act_on_it() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, _, channel_id = await two(on)
        with changed(recent__RECENT_MAX_ROWS=1):
            for _ in range(3):
                await on.ask(ann, channel_id, post())
            held = trouble.hold("load_messages")
            edits = [EditMessage(message_id=MessageId(1), content=text) for text in ("a", "b")]
            asked = await begin(on, ann, channel_id, *edits)
            held.set()
            answers = await asyncio.gather(*asked)
        assert [answer.message.content for answer in answers] == ["a", "b"]


async def test_typing_is_shown_to_others_at_most_every_three_seconds() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listeners = await on.attach(ann), await on.attach(bob)
        for seconds in (0.0, 2.9, 0.2):
            await on.pass_s(seconds)
            await on.ask(ann, channel_id, ShowTyping())
        assert [len(listener.only(TypingEvent)) for listener in listeners] == [0, 2]
        assert await outcome(on, on.user("cid"), channel_id, ShowTyping()) == Code.FORBIDDEN


async def test_markers_are_told_to_own_devices_and_to_the_other_side_of_a_direct_channel() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listeners = await on.attach(ann), await on.attach(bob)
        done = await on.ask(ann, channel_id, MoveMarker(seq=Seq(99)))
        assert done.read_seq == 1
        assert [len(listener.only(ReadMarker)) for listener in listeners] == [1, 0]
        direct = await on.chat.direct(listeners[0].by, bob.id)
        await on.ask(ann, direct, post())
        await on.ask(bob, direct, MoveMarker(seq=Seq(2)))
        await on.ask(bob, direct, MoveMarker(seq=Seq(1)))
        assert [len(listener.only(ReadMarker)) for listener in listeners] == [2, 1]


async def test_a_bug_while_answering_leaves_nobody_unanswered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(bob)
        await outcome(on, ann, channel_id, LookAt())

        def fail(*_: Any) -> None:
            raise ValueError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(KnownMessages, "learn", fail)
            answers = await asyncio.gather(*await begin(on, ann, channel_id, post("1", "n"), post("2")))
        assert answers == [Code.INTERNAL] * 2
        await on.settle()
        assert [page.to for page in listener.only(SyncPage)] == [3, 3]
        assert (await outcome(on, ann, channel_id, post("1", "n"))).duplicate
