"""The outbox actor: what is due is worked on, as often as it takes, by one at a time, and nothing is lost."""

import asyncio
import logging

import pytest

from actors.jobs import Again, Doubtful, Finished, GivenUp, Retries
from actors.outbox import EXTEND_EVERY_S, LEASE_S, LOOK_EVERY_S
from tests.actors.outbox_bench import Hand, bench, states


async def test_a_job_is_worked_on_at_once_when_it_is_told_of_and_then_done() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a")
        assert hand.open == ["a"]
        assert (hand.last.attempt, hand.last.is_again, hand.last.payload["seq"]) == (1, False, 3)
        assert states(on) == {"a": "sending"}
        hand.end("a")
        await on.settle()
        assert states(on) == {"a": "done"}


async def test_what_waits_at_the_start_is_worked_on_without_being_told() -> None:
    async with bench() as on:
        await on.add("a")
        hand = await on.employ(Hand())
        assert hand.open == ["a"]


async def test_no_more_than_the_workers_number_at_once_and_the_next_as_soon_as_one_ends() -> None:
    async with bench() as on:
        hand = await on.employ(Hand(concurrency=2))
        await on.add("a", "b", "c", "d")
        assert hand.open == ["a", "b"]
        assert on.outboxes.working() == {"agent": 2}
        hand.end("b")
        await on.settle()
        assert hand.open == ["a", "c"]
        await on.pass_s(100)
        assert hand.open == ["a", "c"]


async def test_jobs_of_one_lane_are_done_one_after_another_also_when_one_has_to_wait() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a1", "a2", lane="a")
        await on.add("b1", lane="b")
        assert hand.open == ["a1", "b1"]
        hand.end("a1", Again(None, "busy"))
        await on.pass_s(9)
        assert hand.open == ["b1"]
        await on.pass_s(1)
        assert hand.open == ["b1", "a1"]
        hand.end("a1")
        await on.settle()
        assert hand.open == ["b1", "a2"]


async def test_each_wait_is_longer_until_the_job_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = Again(None, "busy")
        await on.add("a")
        began = [0.0]
        while on.row("a").state == "pending":
            await on.pass_s(1)
            if len(hand.begun) > len(began):
                began.append(on.clock.passed_s)
        assert began == [0, 10, 30, 70]
        assert (on.row("a").state, on.row("a").error) == ("failed", "given up after 4 attempts: busy")
        assert "failed: a: given up after 4 attempts: busy" in caplog.text


async def test_another_server_says_when_to_come_again() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = Again(3.0, "429")
        await on.add("a")
        await on.pass_s(2.9)
        assert len(hand.begun) == 1
        await on.pass_s(0.1)
        assert len(hand.begun) == 2


@pytest.mark.parametrize(
    ("outcome", "state", "error"),
    [(GivenUp("opted out"), "failed", "opted out"), (Doubtful("no answer"), "unknown", "no answer")],
)
async def test_what_a_worker_gives_up_is_not_tried_again(
    outcome: GivenUp | Doubtful, state: str, error: str
) -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = outcome
        await on.add("a")
        assert (on.row("a").state, on.row("a").error) == (state, error)
        await on.pass_s(10_000)
        assert len(hand.begun) == 1


async def test_an_exception_is_logged_and_tried_again_as_one_that_may_have_got_through(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = ValueError("a bug")
        await on.add("a")
        assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [
            (logging.ERROR, True)
        ]
        hand.answers["a"] = Finished()
        await on.pass_s(10)
        assert (hand.last.attempt, hand.last.is_again) == (2, True)
        assert states(on) == {"a": "done"}


async def test_a_bug_in_every_attempt_leaves_the_job_in_doubt() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = ValueError("a bug")
        await on.add("a")
        await on.pass_s(200)
        assert (len(hand.begun), on.row("a").state) == (4, "unknown")


async def test_one_kinds_trouble_holds_no_other_kind_back() -> None:
    async with bench() as on:
        slow, fast = await on.employ(Hand("sms", 1)), await on.employ(Hand("telegram", 1))
        await on.add("s1", "s2", kind="sms")
        fast.answers["t"] = Finished()
        await on.add("t", kind="telegram")
        assert slow.open == ["s1"]
        assert states(on) == {"s1": "sending", "s2": "pending", "t": "done"}


async def test_jobs_that_nobody_works_on_wait() -> None:
    async with bench() as on:
        await on.employ(Hand("sms"))
        await on.add("w", kind="webhook")
        await on.pass_s(100)
        assert states(on) == {"w": "pending"}


async def test_it_looks_now_and_then_for_what_nobody_told_it_of() -> None:
    async with bench() as on, bench(on.tables, on.clock) as other:
        hand = await on.employ(Hand())
        await other.add("a")
        assert hand.open == []
        await on.pass_s(LOOK_EVERY_S)
        assert hand.open == ["a"]


# A process that ends.


async def test_what_a_killed_process_worked_on_is_done_again_and_told_so() -> None:
    async with bench() as first:
        await first.employ(Hand())
        await first.add("a")
        await first.kill()
        async with bench(first.tables, first.clock) as second:
            hand = await second.employ(Hand())
            assert [(job.key, job.attempt, job.is_again) for job in hand.begun] == [("a", 2, True)]


async def test_where_others_may_be_at_work_a_killed_ones_lease_has_to_end_first() -> None:
    async with bench() as first:
        await first.employ(Hand())
        await first.add("a")
        await first.kill()
        async with bench(first.tables, first.clock) as second:
            second.jobs.is_shared = True
            hand = await second.employ(Hand())
            assert hand.begun == []
            await second.pass_s(LEASE_S - 0.1)
            assert hand.begun == []
            await second.pass_s(0.1)
            assert [(job.attempt, job.is_again) for job in hand.begun] == [(2, True)]


async def test_a_job_that_always_ends_the_process_is_given_up_without_being_tried_once_more() -> None:
    async with bench() as on:
        await on.add("a")
    for _ in range(4):
        async with bench(on.tables, on.clock) as dying:
            await dying.employ(Hand())
            await dying.kill()
    async with bench(on.tables, on.clock) as last:
        hand = await last.employ(Hand())
        assert hand.begun == []
        assert (last.row("a").state, last.row("a").error) == (
            "unknown",
            "given up: 4 attempts came to no end",
        )


async def test_long_work_keeps_its_lease() -> None:
    async with bench() as on, bench(on.tables, on.clock) as other:
        on.jobs.is_shared = other.jobs.is_shared = True
        hand, idle = await on.employ(Hand()), await other.employ(Hand())
        await on.add("a")
        for _ in range(10):
            await on.pass_s(EXTEND_EVERY_S)
            await other.pass_s(0)
        assert (hand.open, idle.begun) == (["a"], [])
        hand.end("a")
        await on.settle()
        assert states(on) == {"a": "done"}


async def test_who_has_lost_a_job_to_another_process_stops_working_on_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench() as on:
        on.jobs.is_shared = True
        hand = await on.employ(Hand())
        await on.add("a")
        on.row("a").attempts += 1
        await on.pass_s(EXTEND_EVERY_S)
        assert (hand.open, hand.interrupted) == ([], ["a"])
        assert "worked on elsewhere: a" in caplog.text
        assert states(on) == {"a": "sending"}
        assert on.outboxes.working() == {"agent": 0}


# Stopping.


async def test_stopping_lets_what_is_under_way_come_to_its_end_and_begins_nothing() -> None:
    async with bench() as on:
        hand = await on.employ(Hand(concurrency=1))
        await on.add("a", "b")
        stopping = on.begin_stop()
        await on.settle()
        assert not stopping.done()
        hand.end("a")
        await on.settle()
        assert stopping.done()
        assert states(on) == {"a": "done", "b": "pending"}
        await on.add("c")
        assert len(hand.begun) == 1


async def test_what_takes_too_long_is_interrupted_and_due_at_once_for_the_next() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a")
        stopping = on.begin_stop()
        await on.pass_s(3)
        assert hand.interrupted == ["a"]
        assert stopping.done()
        async with bench(on.tables, on.clock) as second:
            second.jobs.is_shared = True
            again = await second.employ(Hand())
            assert [(job.key, job.is_again) for job in again.begun] == [("a", True)]


async def test_a_job_that_comes_while_stopping_is_not_begun() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        on.outboxes.poke("agent")
        for key in ("a", "b"):
            await on.add(key)
        assert hand.open == ["a", "b"]
        hand.end("a")
        stopping = on.begin_stop()
        hand.end("b")
        await on.settle()
        assert stopping.done()
        assert set(states(on).values()) == {"done"}


# A database that goes away.


async def test_a_database_that_comes_back_is_found_again(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as on:
        on.jobs.is_away = True
        hand = await on.employ(Hand())
        await on.add("a")
        await on.pass_s(120)
        tries = len(on.jobs.calls)
        assert tries < 30
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        on.jobs.is_away = False
        await on.pass_s(15)
        assert hand.open == ["a"]


async def test_an_outcome_that_cannot_be_written_is_written_when_the_database_is_back() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a")
        on.jobs.is_away = True
        hand.end("a")
        await on.pass_s(100)
        on.jobs.is_away = False
        await on.pass_s(15)
        assert states(on) == {"a": "done"}
        assert len(hand.begun) == 1


async def test_an_outcome_that_was_written_although_nobody_said_so_is_left_as_it_is() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a")
        on.jobs.is_unclear = True
        hand.end("a")
        await on.settle()
        on.jobs.is_unclear = False
        await on.pass_s(15)
        assert states(on) == {"a": "done"}
        assert on.outboxes.working() == {"agent": 0}
        assert len(hand.begun) == 1


@pytest.mark.parametrize(("is_shared", "interrupted"), [(True, ["a"]), (False, [])])
async def test_work_ends_when_its_lease_could_not_be_extended_and_others_may_have_begun(
    is_shared: bool, interrupted: list[str]
) -> None:
    async with bench() as on:
        on.jobs.is_shared = is_shared
        hand = await on.employ(Hand())
        await on.add("a")
        on.jobs.is_away = True
        await on.pass_s(LEASE_S - 1)
        assert hand.interrupted == []
        await on.pass_s(EXTEND_EVERY_S)
        assert hand.interrupted == interrupted


async def test_a_failing_turn_ends_what_is_under_way_and_it_is_done_again() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        await on.add("a")
        on.system.put(("outbox", 0), Retries())  # unknown mail is left alone
        await on.settle()
        actor = on.system.actor(("outbox", 0))
        assert actor is not None
        on.system.failed(actor.cell, None, ValueError("a bug"))
        await on.pass_s(1)
        assert hand.interrupted == ["a"]
        assert [(job.attempt, job.is_again) for job in hand.begun] == [(1, False), (2, True)]


async def test_an_attempt_that_takes_too_long_is_interrupted_and_may_have_got_through() -> None:
    async with bench() as on:
        hand = await on.employ(Hand(retries=Retries(first_s=10, within_s=0.01)))
        await on.add("a")
        await asyncio.wait_for(hand.was_interrupted.wait(), 10)
        await on.settle()
        assert (on.row("a").state, on.row("a").error) == ("sending", "it took longer than 0.01 s")
        await on.pass_s(10)
        assert hand.last.is_again


async def test_a_time_limit_of_the_workers_own_is_a_bug_like_any_other() -> None:
    async with bench() as on:
        hand = await on.employ(Hand())
        hand.answers["a"] = TimeoutError("no answer")
        await on.add("a")
        assert (on.row("a").state, on.row("a").error) == ("sending", "TimeoutError: no answer")


async def test_what_ends_together_is_written_together() -> None:
    async with bench() as on:
        hand = await on.employ(Hand(concurrency=8))
        await on.add(*"abcdefgh")
        on.jobs.calls.clear()
        for key in "abcdefgh":
            hand.end(key)
        await on.settle()
        assert set(states(on).values()) == {"done"}
        assert on.jobs.calls.count("settle") == 1
