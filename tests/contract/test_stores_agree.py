"""The in-memory store of the simulation answers as the databases do, step by step.

Each history is decided on what the stores themselves say, so it also shows that a channel's actor would
decide the same on either.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from actors.ports import Jobs
from protocol.deliveries import delivery_of
from protocol.facts import (
    ChannelChanged,
    ChannelClosed,
    DeliveryChanged,
    Failed,
    Fenced,
    MessagePosted,
    Part,
    PartDelivery,
    Repeats,
    Spent,
    Taken,
    Written,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.jobs import JOB_KINDS, JobId, JobKind, Settlement
from protocol.resources import DeliveryPart
from storage.engine import Database
from tests.contract.script import CODES, Script, decide
from tests.contract.stages import START, DatabaseStage, MemoryStage
from tests.storage.conftest import database

__all__ = ["database"]

Both = tuple[MemoryStage, DatabaseStage]


class Time:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def both(database: Database, time: Time) -> Both:
    memory, stored = MemoryStage(time.now), DatabaseStage(database, time.now)
    await stored.add_people()
    await memory.copy_reactions(stored.users, CODES)
    assert memory.people == stored.people
    return memory, stored


async def same(both: Both, call: str, *args: Any) -> Any:
    """What both stores say when a method of one of their ports is called; they say the same."""
    port, name = call.split(".")
    memory, stored = [await getattr(getattr(stage, port), name)(*args) for stage in both]
    assert memory == stored
    return memory


async def add_channel(both: Both, owner_id: UserId, name: str, join_code: str | None = None) -> ChannelId:
    memory, stored = [await stage.add_channel(owner_id, name, join_code) for stage in both]
    assert memory == stored
    return memory


async def commit(both: Both, *parts: Part) -> list[Any]:
    memory, stored = [await stage.commits.commit(parts) for stage in both]
    kinds = [type(result) for result in memory]
    assert kinds == [type(result) for result in stored]
    # Where PostgreSQL had to try twice, it left out ids.
    if set(kinds) <= {Written, Fenced, Taken} or (len(parts) == 1 and kinds in ([Repeats], [Spent])):
        assert memory == stored
    return memory


async def compare_reads(both: Both, channel_id: ChannelId) -> None:
    await same(both, "channels.load_channel", channel_id)
    for person in both[0].people:
        await same(both, "users.ready_channels", person.id)
        await same(both, "users.view_channel", channel_id, person.id)
    for limit in (1, 3, 200):
        for after in (0, 1, 5, 20):
            await same(both, "channels.changes", channel_id, Seq(after), limit)
        await same(both, "channels.history", channel_id, None, None, limit)
        await same(both, "channels.history", channel_id, Seq(9), None, limit)
        await same(both, "channels.history", channel_id, None, Seq(4), limit)
    ids = [MessageId(number) for number in range(1, 8)]
    found = [await stage.channels.load_messages(channel_id, ids) for stage in both]
    memory, stored = (sorted(messages, key=lambda message: message.id) for messages in found)
    assert memory == stored


@pytest.mark.parametrize("kind", ["public", "private", "direct"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_random_history_reads_the_same(both: Both, time: Time, seed: int, kind: str) -> None:
    script, messages = Script(seed), 0
    ann, bob, _ = (person.id for person in both[0].people)
    if kind == "direct":
        channel_id = await same(both, "users.open_direct", bob, ann)
    else:
        code = "code-0" if kind == "private" else None
        channel_id = await add_channel(both, ann, "one", code)
    await add_channel(both, bob, "two")
    for step in range(40):
        time.at = script.now
        said = script.next(both[0].people, messages)
        if await same(both, "channels.load_channel", channel_id) is None:
            break
        part, other = [await decide(stage, channel_id, said, time.at) for stage in both]
        assert part == other
        (result,) = await commit(both, part)
        assert isinstance(result, Written), (part, result)
        messages += len(result.message_ids)
        if step % 8 == 7:
            await compare_reads(both, channel_id)
    await same(both, "channels.load_channel", channel_id)
    await compare_jobs(both, time.at)


async def compare_jobs(both: Both, now: datetime) -> None:
    """The jobs that were queued, and what comes of taking and settling them."""
    for kind in JOB_KINDS:
        for late in range(0, 40, 5):
            at = now + timedelta(seconds=late)
            memory, stored = [await taken(stage.jobs, kind, at) for stage in both]
            assert memory == stored


async def taken(jobs: Jobs, kind: JobKind, now: datetime) -> list[Any]:
    """Take two jobs: one is done, the other will be due again."""
    due = await jobs.take(kind, 2, now, now + timedelta(seconds=30))
    soon = now + timedelta(seconds=7)
    ends: list[dict[str, Any]] = [{"state": "done"}, {"state": "pending", "next_at": soon}]
    settlements = [Settlement(job=job, **end) for job, end in zip(due.jobs, ends, strict=False)]
    settled = await jobs.settle(settlements, now)
    assert settled == {job.id for job in due.jobs}
    return [due.next_at, *(structs.replace(job, id=JobId(0)) for job in due.jobs)]


def post(seq: int, sender_id: UserId, nonce: str | None = None, **fields: Any) -> MessagePosted:
    return MessagePosted(at=START, seq=Seq(seq), sender_id=sender_id, content="text", nonce=nonce, **fields)


async def two_channels(both: Both) -> tuple[ChannelId, ChannelId, UserId]:
    ann = both[0].people[0].id
    one = await add_channel(both, ann, "one")
    two = await add_channel(both, ann, "two")
    return one, two, ann


async def test_a_part_that_does_not_fit_is_fenced_and_holds_nobody_back(both: Both) -> None:
    one, two, ann = await two_channels(both)
    stale = Part(one, Seq(7), Seq(8), (post(8, ann),))
    fine = Part(two, Seq(1), Seq(2), (post(2, ann),))
    results = await commit(both, stale, fine)
    assert [type(result) for result in results] == [Fenced, Written]


async def test_repeats_are_answered_with_the_first_message_in_any_channel(both: Both) -> None:
    one, two, ann = await two_channels(both)
    await commit(both, Part(one, Seq(1), Seq(2), (post(2, ann, "n"),)))
    again = Part(two, Seq(1), Seq(3), (post(2, ann, "m"), post(3, ann, "n")))
    (result,) = await commit(both, again)
    assert isinstance(result, Repeats)
    assert [*result.messages] == [(ann, "n")]
    snapshot = await same(both, "channels.load_channel", two)
    assert snapshot.info.last_seq == 1


async def test_one_of_two_posts_with_the_same_nonce_in_a_commit_is_written(both: Both) -> None:
    one, two, ann = await two_channels(both)
    parts = [Part(channel_id, Seq(1), Seq(2), (post(2, ann, "n"),)) for channel_id in (one, two)]
    results = await commit(both, *parts)
    assert [type(result) for result in results] == [Written, Repeats]


@pytest.mark.parametrize(
    "facts",
    [
        lambda ann: (post(2, ann, "n"), post(3, ann, "n")),
        lambda ann: (post(2, ann), post(3, ann, parent_id=404)),
    ],
    ids=["repeats itself", "replies to nothing"],
)
async def test_a_part_that_cannot_be_written_fails_alone(both: Both, facts: Callable[[UserId], Any]) -> None:
    one, two, ann = await two_channels(both)
    results = await commit(
        both, Part(one, Seq(1), Seq(3), facts(ann)), Part(two, Seq(1), Seq(2), (post(2, ann),))
    )
    assert [type(result) for result in results] == [Failed, Written]


async def test_a_name_is_taken_without_case_until_its_channel_is_closed(both: Both) -> None:
    one, two, ann = await two_channels(both)
    snapshot = await same(both, "channels.load_channel", two)
    renamed = ChannelChanged(at=START, seq=Seq(2), channel=structs.replace(snapshot.info, name="ONE"))
    part = Part(two, Seq(1), Seq(2), (renamed,))
    assert await commit(both, part) == [Taken()]
    await commit(both, Part(one, Seq(1), Seq(2), (ChannelClosed(at=START, seq=Seq(2)),)))
    assert [type(result) for result in await commit(both, part)] == [Written]
    assert await same(both, "channels.load_channel", one) is None
    assert await commit(both, Part(one, Seq(2), Seq(3), (post(3, ann),))) == [Fenced()]


async def test_looking_up_what_is_not_there(both: Both) -> None:
    ann = both[0].people[0].id
    nobody, nowhere = UserId(404), ChannelId(404)
    assert await same(both, "channels.load_channel", nowhere) is None
    assert await same(both, "users.open_direct", ann, nobody) is None
    assert await same(both, "users.find_invite", "none") is None
    assert await same(both, "users.find_reaction", "none") is None
    assert await same(both, "users.load_profile", nobody) is None
    assert await same(both, "users.view_channel", nowhere, ann) is None
    assert await same(both, "users.find_attachments", ann, [1]) == []
    assert await same(both, "users.has_posted", ann, "n") is False


async def test_a_file_goes_with_one_message(both: Both) -> None:
    ann, bob, _ = (person.id for person in both[0].people)
    one, two = [await add_channel(both, ann, name) for name in ("one", "two")]
    files = []
    for owner, name in ((ann, "a.txt"), (ann, "b.txt"), (bob, "c.txt")):
        memory, stored = [await stage.add_file(owner, name) for stage in both]
        assert memory == stored
        files.append(memory)
    ids = [file.id for file in files]
    assert await same(both, "users.find_attachments", ann, ids) == files[:2]
    first, both_files = post(2, ann, attachments=(files[0],)), post(2, ann, attachments=tuple(files[:2]))
    twice = first, post(3, ann, attachments=(files[0],))
    assert await commit(both, Part(one, Seq(1), Seq(3), twice)) == [Spent(frozenset())]
    written, spent = await commit(
        both, Part(one, Seq(1), Seq(2), (first,)), Part(two, Seq(1), Seq(2), (both_files,))
    )
    assert (type(written), spent) == (Written, Spent(frozenset({ids[0]})))
    assert await same(both, "users.find_attachments", ann, ids) == [files[1]]


async def test_a_message_is_shown_as_far_as_its_parts_have_got(both: Both) -> None:
    one, _, ann = await two_channels(both)
    (written,) = await commit(both, Part(one, Seq(1), Seq(2), (post(2, ann),)))
    (message,) = await same(both, "channels.load_messages", one, written.message_ids)
    states: list[list[DeliveryPart]] = [
        [DeliveryPart("sending"), DeliveryPart("sending")],
        [DeliveryPart("sending"), DeliveryPart("queued")],
        [DeliveryPart("delivered"), DeliveryPart("undelivered", "30005")],
    ]
    for seq, parts in enumerate(states, 3):
        message = structs.replace(message, delivery=delivery_of("twilio", parts))
        rows = tuple(PartDelivery(n, part.state, part.error_code) for n, part in enumerate(parts))
        changed = DeliveryChanged(at=START, seq=Seq(seq), message=message, transport="twilio", parts=rows)
        await commit(both, Part(one, Seq(seq - 1), Seq(seq), (changed,)))
        assert await same(both, "channels.load_messages", one, written.message_ids) == [message]
    await compare_reads(both, one)


async def test_two_people_have_one_direct_channel(both: Both) -> None:
    ann, bob, _ = (person.id for person in both[0].people)
    first = await same(both, "users.open_direct", ann, bob)
    assert await same(both, "users.open_direct", bob, ann) == first
    await compare_reads(both, first)
