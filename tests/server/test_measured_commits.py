"""Commits are timed, counted and logged, and otherwise left alone."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from protocol.facts import Failed, Fenced, MarkerMoved, MessagePosted, Part, PartResult, Repeats, Written
from protocol.ids import ChannelId, MessageId, Seq, UserId
from server.measured_commits import MeasuredCommits
from server.measures import Measures
from server.message_log import MessageLog
from tests.server.talking import StillClock

AT = datetime(2026, 1, 31, tzinfo=UTC)
SECRET = "what was said"


def post(seq: int) -> MessagePosted:
    return MessagePosted(at=AT, seq=Seq(seq), sender_id=UserId(7), content=SECRET, nonce=str(seq))


def part(channel_id: int, *facts: MessagePosted | MarkerMoved) -> Part:
    return Part(ChannelId(channel_id), Seq(0), Seq(len(facts)), facts)


class Store:
    """Answers what it is told to, a while later."""

    def __init__(self, clock: StillClock) -> None:
        self.clock = clock
        self.results: list[PartResult] | Exception = []

    async def commit(self, parts: Sequence[Part]) -> list[PartResult]:
        self.clock.moved_s += 0.25
        if isinstance(self.results, Exception):
            raise self.results
        return self.results


class Watched:
    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = Store(self.clock)
        self.measures = Measures()
        self.commits = MeasuredCommits(self.store, self.measures, self.clock)


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_commit_is_counted_by_what_became_of_its_parts(watched: Watched) -> None:
    marker = MarkerMoved(at=AT, user_id=UserId(7), read_seq=Seq(2))
    parts = [part(1, post(1), post(2), marker), part(2, post(1)), part(3, post(1)), part(4, post(1))]
    watched.store.results = [
        Written((MessageId(10), MessageId(11))),
        Fenced(),
        Repeats({}),
        Failed("disk full"),
    ]
    assert await watched.commits.commit(parts) is watched.store.results
    measures = watched.measures
    assert measures.committed == {"written": 3, "fenced": 1, "repeats": 1, "failed": 1}
    assert measures.messages == 2
    assert (measures.commit_s.count, measures.commit_s.total) == (1, 0.25)
    assert (measures.commit_facts.count, measures.commit_facts.total) == (1, 6)
    assert measures.committed_at_s == watched.clock.monotonic()


async def test_a_commit_that_is_lost_is_counted_and_passed_on(watched: Watched) -> None:
    watched.store.results = RuntimeError("away")
    with pytest.raises(RuntimeError, match="away"):
        await watched.commits.commit([part(1, post(1), post(2))])
    assert watched.measures.committed == {"lost": 2}
    assert watched.measures.commit_s.count == 0


async def test_only_what_failed_is_a_line_of_its_own(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "messages_logger")
    watched.store.results = [Written((MessageId(10),)), Fenced(), Failed("disk full")]
    await watched.commits.commit([part(1, post(1)), part(2, post(1)), part(3, post(1))])
    assert [(record.levelname, vars(record)["channel_id"]) for record in caplog.records] == [("WARNING", 3)]


async def test_at_debug_each_change_is_a_line_without_its_text(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "messages_logger")
    marker = MarkerMoved(at=AT, user_id=UserId(7), read_seq=Seq(2))
    watched.store.results = [Written((MessageId(10), MessageId(11))), Fenced()]
    await watched.commits.commit([part(1, post(1), post(2), marker), part(2, post(1))])
    lines = [vars(record) for record in caplog.records]
    assert [(line["msg"] % line["args"], line["channel_id"]) for line in lines] == [
        ("MessagePosted", 1),
        ("MessagePosted", 1),
        ("MarkerMoved", 1),
    ]
    assert [line.get("message_id") for line in lines] == [10, 11, None]
    assert [line.get("sender_id") for line in lines] == [7, 7, None]
    assert SECRET not in str(lines)


async def test_what_was_written_last_is_told_at_the_end(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "messages_logger")
    monkeypatch.setattr("server.message_log.EVERY_S", 0)
    telling = asyncio.create_task(MessageLog(watched.measures).run())
    watched.store.results = [Written((MessageId(10),))]
    await watched.commits.commit([part(1, post(1))])
    await asyncio.sleep(0)
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    assert [vars(record)["messages"] for record in caplog.records] == [1]


async def test_messages_are_told_in_sums_and_only_when_there_are_any(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "messages_logger")
    log = MessageLog(watched.measures)
    log.tell()
    assert not caplog.records
    watched.store.results = [Written((MessageId(10), MessageId(11)))]
    await watched.commits.commit([part(1, post(1), post(2))])
    await watched.commits.commit([part(1, post(3), post(4))])
    log.tell()
    log.tell()
    (record,) = caplog.records
    said = vars(record)
    assert (record.getMessage(), said["messages"], said["changes"], said["commits"]) == ("written", 4, 4, 2)
