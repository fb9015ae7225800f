"""Group commit: one at a time, chained, and nothing behind a failed part."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from actors.actor import Cell
from actors.journal import Journal, Line, Submission
from actors.system import System
from protocol.facts import Failed, Fenced, Part, PartResult, Repeats, Written
from protocol.ids import ChannelId, MessageId
from tests.actors.making import part
from tests.actors.scene import StillClock
from tests.simulation.seeds import changed


class Desk:
    """A journal over a store that commits when a test says so."""

    def __init__(self) -> None:
        self.commits: list[Sequence[Part]] = []
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.results: list[tuple[str, PartResult]] = []
        self.journal = Journal(self)
        Cell(("journal", 0), self.journal, System(StillClock()), max_mail=1000)

    async def commit(self, parts: Sequence[Part]) -> list[PartResult]:
        self.commits.append(parts)
        self.answer = asyncio.get_running_loop().create_future()
        results: list[PartResult] = await self.answer
        return results

    async def submit(self, name: str, submitted: Part, line: Line) -> None:
        self.offer(name, submitted, line)
        await rest()

    def offer(self, name: str, submitted: Part, line: Line) -> None:
        self.journal.cell.put(Submission(submitted, line, lambda result: self.results.append((name, result))))

    async def finish(self, *results: PartResult) -> None:
        self.answer.set_result(list(results))
        await rest()

    @property
    def sizes(self) -> list[list[int]]:
        return [[len(each.facts) for each in parts] for parts in self.commits]


async def rest() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


def ids(*numbers: int) -> Written:
    return Written(tuple(MessageId(number) for number in numbers))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_alone_a_part_commits_at_once(desk: Desk) -> None:
    await desk.submit("a", part(1, 2), Line())
    assert desk.sizes == [[1]]
    assert not desk.journal.is_idle
    await desk.finish(ids(5))
    assert desk.results == [("a", ids(5))]
    assert desk.journal.is_idle


async def test_what_arrives_during_a_commit_goes_into_the_next_together(desk: Desk) -> None:
    lines = [Line() for _ in range(3)]
    for number, line in enumerate(lines):
        await desk.submit(str(number), part(1, 2, channel_id=ChannelId(number)), line)
    assert desk.sizes == [[1]]
    await desk.finish(ids(1))
    assert desk.sizes == [[1], [1, 1]]
    await desk.finish(ids(2), ids(3))
    assert desk.results == [("0", ids(1)), ("1", ids(2)), ("2", ids(3))]


async def test_parts_that_follow_on_each_other_are_one_and_share_its_ids(desk: Desk) -> None:
    line, other = Line(), Line()
    await desk.submit("busy", part(1, 2, channel_id=ChannelId(9)), other)
    desk.offer("a", part(1, 2, 3), line)
    desk.offer("b", part(3), line)
    desk.offer("c", part(3, 4), line)
    await rest()
    await desk.finish(ids(1))
    (merged,) = desk.commits[1]
    assert (merged.expected, merged.last_seq, len(merged.facts)) == (1, 4, 3)
    await desk.finish(ids(7, 8, 9))
    assert desk.results[1:] == [("a", ids(7, 8)), ("b", ids()), ("c", ids(9))]


async def test_parts_of_two_owners_of_one_channel_are_not_joined(desk: Desk) -> None:
    desk.offer("one", part(1, 2), Line())
    desk.offer("other", part(1, 2), Line())
    desk.offer("gap", part(5, 6), Line())
    await rest()
    assert desk.sizes == [[1]]
    await desk.finish(ids(1))
    await desk.finish(Fenced())
    await desk.finish(Fenced())
    assert desk.results == [("one", ids(1)), ("other", Fenced()), ("gap", Fenced())]


@pytest.mark.parametrize("result", [Fenced(), Repeats({}), Failed("a bad row")])
async def test_nothing_behind_a_failed_part_is_ever_written(desk: Desk, result: PartResult) -> None:
    line, other = Line(), Line()
    await desk.submit("first", part(1, 2), line)
    await desk.submit("waiting", part(2, 3), line)
    await desk.submit("unconcerned", part(1, 2, channel_id=ChannelId(9)), other)
    desk.answer.set_result([result])
    desk.offer("in the same turn", part(2, 3), line)
    await rest()
    await desk.submit("late", part(2, 3), line)
    assert desk.results[0] == ("first", result)
    assert set(desk.results[1:]) == {(name, Fenced()) for name in ("waiting", "in the same turn", "late")}
    await desk.finish(ids(1))
    assert desk.results[-1] == ("unconcerned", ids(1))
    assert len(desk.commits) == 2


async def test_a_new_line_of_the_same_channel_is_written_after_a_failure(desk: Desk) -> None:
    await desk.submit("first", part(1, 2), Line())
    await desk.finish(Repeats({}))
    await desk.submit("again", part(1, 2), Line())
    await desk.finish(ids(1))
    assert desk.results[-1] == ("again", ids(1))


@pytest.mark.parametrize("wrong", [ValueError("no database"), []], ids=["raises", "answers too little"])
async def test_a_commit_that_fails_as_a_whole_fails_every_part(
    desk: Desk, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk.offer("a", part(1, 2), Line())
    desk.offer("b", part(1, 2, channel_id=ChannelId(9)), Line())
    await rest()
    if isinstance(wrong, Exception):
        desk.answer.set_exception(wrong)
        await rest()
    else:
        await desk.finish(*wrong)
    assert [(name, type(result)) for name, result in desk.results] == [("a", Failed), ("b", Failed)]
    assert "a commit failed" in caplog.text
    assert desk.journal.is_idle


async def test_a_commit_is_bounded(desk: Desk) -> None:
    with changed(journal__COMMIT_MAX_FACTS=3):
        await desk.submit("busy", part(1, 2, channel_id=ChannelId(9)), Line())
        for number in range(4):
            desk.offer(str(number), part(1, 2, 3, channel_id=ChannelId(number)), Line())
        await rest()
        await desk.finish(ids(1))
        assert desk.sizes == [[1], [2, 2]]
        await desk.finish(ids(1, 2), ids(3, 4))
        assert desk.sizes == [[1], [2, 2], [2, 2]]


async def test_too_much_waiting_is_said(desk: Desk) -> None:
    with changed(journal__WAITING_MAX_FACTS=2):
        await desk.submit("busy", part(1, 2), Line())
        assert not desk.journal.is_full
        await desk.submit("waiting", part(1, 2, 3, channel_id=ChannelId(9)), Line())
        assert desk.journal.is_full
        await desk.finish(ids(1))
        assert not desk.journal.is_full


async def test_settling_waits_for_everything(desk: Desk) -> None:
    await desk.submit("a", part(1, 2), Line())
    await desk.submit("b", part(1, 2, channel_id=ChannelId(9)), Line())
    settled = asyncio.ensure_future(desk.journal.settle())
    gave_up = asyncio.ensure_future(desk.journal.settle())
    await rest()
    gave_up.cancel()
    await desk.finish(ids(1))
    assert not settled.done()
    await desk.finish(ids(2))
    await settled


async def test_a_failing_turn_fails_what_waits_and_the_journal_goes_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    line = Line()
    await desk.submit("a", part(1, 2), line)
    desk.offer("b", part(2, 3), line)
    desk.journal.cell.put("no mail for a journal")
    await rest()
    assert [(name, type(result)) for name, result in desk.results] == [("a", Failed), ("b", Failed)]
    await desk.submit("c", part(1, 2), Line())
    await desk.finish(ids(1))
    assert desk.results[-1] == ("c", ids(1))
