"""What becomes of a job after each outcome: pure."""

from datetime import timedelta
from typing import Any

import pytest

from actors.jobs import Again, Doubtful, Finished, GivenUp, Outcome, Retries
from actors.outbox_state import ASKED_MAX_S, Interrupted, overdrawn, settlement_of
from protocol.jobs import Job, JobId, Settlement
from tests.actors.making import NOW

RETRIES = Retries(first_s=2, factor=3, max_s=100, attempts=5)


def job(attempt: int = 1, *, is_again: bool = False) -> Job:
    return Job(
        id=JobId(1),
        kind="sms",
        key="k",
        lane=None,
        payload={},
        attempt=attempt,
        is_again=is_again,
        queued_at=NOW,
        idle_since=NOW,
    )


def settled(outcome: Outcome | Interrupted, of: Job, chance: float = 0.0) -> Settlement:
    return settlement_of(outcome, of, RETRIES, NOW, chance)


def wait_s(settlement: Settlement) -> float:
    assert settlement.next_at is not None
    return (settlement.next_at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("outcome", "fields"),
    [
        (Finished(), {"state": "done"}),
        (GivenUp("opted out"), {"state": "failed", "error": "opted out"}),
        (Doubtful("no answer"), {"state": "unknown", "error": "no answer"}),
        (Interrupted(), {"state": "sending", "next_at": NOW, "error": "interrupted"}),
    ],
)
def test_each_outcome_has_its_state(outcome: Outcome | Interrupted, fields: dict[str, Any]) -> None:
    for each in (job(), job(99, is_again=True)):
        assert settled(outcome, each) == Settlement(job=each, **fields)


def test_waits_grow_up_to_a_limit_and_chance_takes_up_to_half_of_them() -> None:
    assert [wait_s(settled(Again(None, "x"), job(n))) for n in (1, 2, 3, 4)] == [2, 6, 18, 54]
    assert wait_s(settled(Again(None, "x"), job(2), chance=0.5)) == 4.5
    assert wait_s(settled(Again(None, "x"), job(2), chance=1)) == 3
    assert RETRIES.delay_s(5, 0) == RETRIES.delay_s(10_000, 0) == 100


@pytest.mark.parametrize(("asked_s", "waited_s"), [(0.5, 0.5), (500, 500), (-3, 0), (1e9, ASKED_MAX_S)])
def test_another_server_says_how_long_to_wait_within_reason(asked_s: float, waited_s: float) -> None:
    assert wait_s(settled(Again(asked_s, "429"), job(), chance=0.7)) == waited_s


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (False, None, "pending"),
        (True, None, "sending"),
        (False, True, "sending"),
        (True, False, "pending"),
    ],
)
def test_doubt_stays_until_a_worker_knows_better(before: bool, said: bool | None, after: str) -> None:
    assert settled(Again(None, "x", in_doubt=said), job(is_again=before)).state == after


def test_the_last_attempt_ends_it_as_failed_or_in_doubt() -> None:
    assert settled(Again(None, "busy"), job(4)).state == "pending"
    last = job(5)
    reason = "given up after 5 attempts: busy"
    assert settled(Again(1.0, "busy"), last) == Settlement(job=last, state="failed", error=reason)
    assert settled(Again(None, "busy"), job(5, is_again=True)).state == "unknown"


def test_a_job_without_attempts_left_is_over_before_it_begins() -> None:
    assert overdrawn(job(5, is_again=True), RETRIES) is None
    for is_again, state in ((True, "unknown"), (False, "failed")):
        settlement = overdrawn(job(6, is_again=is_again), RETRIES)
        assert settlement is not None
        assert (settlement.state, settlement.error) == (state, "given up: 5 attempts came to no end")


def test_the_usual_retries_go_on_for_more_than_an_hour() -> None:
    usual = Retries()
    whole = timedelta(seconds=sum(usual.delay_s(attempt, 0) for attempt in range(1, usual.attempts)))
    assert timedelta(hours=1) < whole < timedelta(hours=3)
