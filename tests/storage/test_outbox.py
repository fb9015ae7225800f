"""The outbox: jobs are queued once, taken by one, in the order of lanes, and settled by their holder."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from protocol.facts import Failed, Fenced, JobQueued, Part, Repeats, Written
from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import AgentJob, Backlog, BridgeJob, Due, Job, JobKind, Settlement
from storage.engine import Database
from storage.outbox import Outbox
from storage.outbox_review import OutboxReview
from tests.storage.people import NOW, Chat

UNTIL = NOW + timedelta(seconds=30)


def done(job: Job) -> Settlement:
    return Settlement(job=job, state="done")


def queued(key: str, lane: str | None = None, kind: JobKind = "agent", at: datetime = NOW) -> JobQueued:
    return JobQueued(at=at, kind=kind, key=key, lane=lane, payload=AgentJob(UserId(1), ChannelId(2), Seq(3)))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Box(Outbox):
    """Shorter to ask."""

    async def due(self, *, limit: int = 10, now: datetime = NOW, kind: JobKind = "agent") -> list[Job]:
        taken = await self.take(kind, limit, now, now + timedelta(seconds=30))
        return list(taken.jobs)


@pytest.fixture
def box(database: Database) -> Box:
    return Box(database)


async def test_a_job_is_there_with_its_message_and_says_what_it_is(database: Database, box: Box) -> None:
    chat = await Chat.of(database, "ann")
    room = await chat.channel("room")
    payload = BridgeJob(chat.ids[0], "whatsapp", room, Seq(2))
    fact = JobQueued(at=NOW, kind="sms", key="k", lane="l", payload=payload)
    (message_id,) = await chat.write(room, chat.post(room, "hi"), fact)
    (job,) = await box.due(kind="sms")
    assert (job.kind, job.key, job.lane, job.attempt, job.is_again) == ("sms", "k", "l", 1, False)
    assert job.queued_at == NOW
    decoded = msgspec.convert(job.payload, BridgeJob)
    assert decoded == payload
    message = await chat.messages.at(decoded.channel_id, decoded.seq)
    assert message is not None
    assert message.id == message_id


async def test_no_message_is_found_where_something_else_changed(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.channel("room")
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "hi")
    assert await chat.messages.at(room, Seq(2)) is None
    assert await chat.messages.at(room, Seq(9)) is None


@pytest.mark.parametrize(
    ("spoil", "result"),
    [
        (lambda chat, room: Part(room, Seq(7), Seq(8), (chat.post(room, "x"), queued("k"))), Fenced),
        (
            lambda chat, room: chat.part(room, chat.post(room, "x", parent_id=404), queued("k")),
            Failed,
        ),
        (lambda chat, room: chat.part(room, chat.post(room, "x", nonce="n"), queued("k")), Repeats),
    ],
    ids=["fenced", "bad row", "repeat"],
)
async def test_a_job_is_not_there_without_its_message(
    database: Database, box: Box, spoil: Any, result: type
) -> None:
    chat = await Chat.of(database, "ann")
    room, other = await chat.channel("room"), await chat.channel("other")
    await chat.say(other, "first", nonce="n")
    fine = chat.part(other, chat.post(other, "fine"), queued("fine"))
    results = await chat.commit(spoil(chat, room), fine)
    assert [type(found) for found in results] == [result, Written]
    assert [job.key for job in await box.due()] == ["fine"]


async def test_a_key_is_queued_once_whenever_it_comes_again(database: Database, box: Box) -> None:
    chat = await Chat.of(database, "ann")
    room = await chat.channel("room")
    await chat.write(room, chat.post(room, "one"), queued("k"), queued("k"))
    await chat.write(room, chat.post(room, "two"), queued("k"))
    (job,) = await box.due()
    await box.settle([done(job)], NOW)
    await box.add([queued("k")])
    assert await box.due(now=after(60)) == []


async def test_what_is_taken_is_not_given_again_while_the_lease_lasts(box: Box) -> None:
    await box.add([queued("a"), queued("b")])
    assert [job.key for job in await box.due(limit=1)] == ["a"]
    assert [job.key for job in await box.due()] == ["b"]
    assert await box.due(now=after(29)) == []


async def test_a_lease_that_ends_makes_the_job_due_as_one_that_may_have_got_through(box: Box) -> None:
    await box.add([queued("a")])
    await box.due()
    (job,) = await box.due(now=after(30))
    assert (job.attempt, job.is_again) == (2, True)


async def test_who_lost_a_job_can_neither_extend_nor_settle_it(box: Box) -> None:
    await box.add([queued("a")])
    (lost,) = await box.due()
    (held,) = await box.due(now=after(30))
    assert await box.extend([lost], after(90), after(31)) == frozenset()
    assert not await box.settle([done(lost)], after(31))
    assert await box.extend([held], after(90), after(31)) == {held.id}
    assert await box.due(now=after(80)) == []
    assert await box.settle([done(held)], after(31))
    assert not await box.settle([done(held)], after(32))
    assert await box.due(now=after(500)) == []


async def test_a_job_is_due_again_when_it_was_said_and_tells_whether_it_is_in_doubt(box: Box) -> None:
    await box.add([queued("sure"), queued("doubt")])
    sure, doubt = await box.due()
    await box.settle([Settlement(job=sure, state="pending", next_at=after(10), error="busy")], NOW)
    await box.settle([Settlement(job=doubt, state="sending", next_at=after(20), error="lost")], NOW)
    taken = await box.take("agent", 9, after(5), UNTIL)
    assert taken == Due((), after(10))
    taken = await box.take("agent", 9, after(10), after(60))
    assert [(job.key, job.attempt, job.is_again) for job in taken.jobs] == [("sure", 2, False)]
    assert taken.next_at == after(20)
    (job,) = await box.due(now=after(20))
    assert (job.key, job.attempt, job.is_again) == ("doubt", 2, True)


async def test_a_lane_gives_one_job_at_a_time_in_order_whatever_becomes_of_it(box: Box) -> None:
    await box.add(
        [queued("a1", "a"), queued("a2", "a"), queued("b1", "b"), queued("a3", "a"), queued("free")]
    )
    first, *_ = taken = await box.due()
    assert [job.key for job in taken] == ["a1", "b1", "free"]
    await box.settle([Settlement(job=first, state="pending", next_at=after(5))], NOW)
    assert await box.due(now=after(4)) == []
    (again,) = await box.due(now=after(5))
    assert again.key == "a1"
    await box.settle([Settlement(job=again, state="failed", error="no")], after(5))
    (second,) = await box.due(now=after(6))
    assert second.key == "a2"
    await box.settle([Settlement(job=second, state="unknown")], after(6))
    assert [job.key for job in await box.due(now=after(7))] == ["a3"]


async def test_lanes_of_one_name_are_one_lane_across_kinds_of_jobs_too(box: Box) -> None:
    await box.add([queued("one", "a", "sms"), queued("two", "a", "agent")])
    assert await box.due() == []
    assert [job.key for job in await box.due(kind="sms")] == ["one"]


async def test_what_the_caller_holds_is_left_out_even_when_its_lease_is_over(box: Box) -> None:
    await box.add([queued("a")])
    (job,) = await box.due()
    taken = await box.take("agent", 9, after(60), after(90), holding=[job.id])
    assert taken.jobs == ()
    assert await box.settle([done(job)], after(61))


async def test_reclaiming_makes_what_a_dead_process_held_due_at_once(box: Box) -> None:
    await box.add([queued("a"), queued("b", kind="sms"), queued("c")])
    first = await box.due(limit=1)
    await box.due(kind="sms")
    assert await box.reclaim("agent", after(1)) == 1
    assert [(job.key, job.is_again) for job in await box.due(now=after(1))] == [("c", False), ("a", True)]
    assert not await box.settle([done(first[0])], after(2))
    assert await box.due(kind="sms", now=after(2)) == []


async def test_two_who_take_at_once_never_get_the_same_job(database_url: str) -> None:
    one, other = await Database.open(database_url), await Database.open(database_url)
    await Box(one).add([queued(f"{number}", f"lane-{number % 7}") for number in range(60)])

    async def drain(box: Box) -> list[Job]:
        finished = []
        while True:
            taken = await box.take("agent", 3, NOW, UNTIL)
            for job in taken.jobs:
                await asyncio.sleep(0)
                assert await box.settle([done(job)], NOW)
                finished.append(job)
            if not taken.jobs and not taken.is_more and not await box.backlogs():
                return finished

    ended = [job for found in await asyncio.gather(drain(Box(one)), drain(Box(other))) for job in found]
    assert sorted(int(job.key) for job in ended) == list(range(60))
    assert {job.attempt for job in ended} == {1}
    await one.close()
    await other.close()


async def test_the_backlog_counts_what_is_not_done_and_since_when(box: Box) -> None:
    assert await box.backlogs() == []
    await box.add([queued("a", at=after(-60)), queued("b"), queued("c", kind="sms"), queued("d")])
    first, second, _ = await box.due()
    await box.settle([done(first)], NOW)
    await box.settle([Settlement(job=second, state="failed", error="x")], NOW)
    assert await box.backlogs() == [
        Backlog("agent", "failed", 1, NOW),
        Backlog("agent", "sending", 1, NOW),
        Backlog("sms", "pending", 1, NOW),
    ]


@pytest.mark.parametrize(("error", "kept"), [("x" * 5_000, "x" * 1_000), ("a\0b", "ab"), ("a\ud800b", "a?b")])
async def test_any_reason_can_be_written_down(database: Database, box: Box, error: str, kept: str) -> None:
    await box.add([queued("a")])
    (job,) = await box.due()
    await box.settle([Settlement(job=job, state="failed", error=error)], NOW)
    (entry,) = await OutboxReview(database).entries(["failed"])
    assert entry.last_error == kept


async def test_a_long_lane_is_set_aside_so_that_others_come_to_their_turn(database: Database) -> None:
    box, many = Box(database), 1_200
    await box.add([queued(f"{number:04}", "long") for number in range(many)])
    await box.add([queued("other", "short", at=after(1))])
    found, looks = list[str](), 0
    while "other" not in found:
        found += [job.key for job in await box.due(now=after(1))]
        looks += 1
    assert (found, looks) == (["0000", "other"], 3)
    assert (await box.take("agent", 9, after(2), after(32))).is_more is False
    entries = await OutboxReview(database).entries(["pending"], limit=9_999)
    assert len(entries) == many - 1
    assert {entry.next_attempt_at for entry in entries} == {None}


async def test_what_was_set_aside_is_due_when_what_is_before_it_ends(box: Box) -> None:
    await box.add([queued(f"{number}", "lane") for number in range(5)])
    ended = []
    for second in range(5):
        (job,) = await box.due(now=after(second))
        again = Settlement(job=job, state="pending", next_at=after(second))
        await box.settle([again], after(second))
        (job,) = await box.due(now=after(second))
        await box.settle([Settlement(job=job, state="failed" if second % 2 else "done")], after(second))
        ended.append(job.key)
    assert ended == ["0", "1", "2", "3", "4"]
