"""What an operator sees of the outbox, what can be tried again, and what is swept."""

from datetime import timedelta

import pytest

from protocol.jobs import JOB_STATES, JobState, Settlement
from storage.engine import Database
from storage.outbox import Outbox
from storage.outbox_review import OutboxReview, sweep_outbox
from tests.storage.people import NOW
from tests.storage.test_outbox import UNTIL, after, queued

ALL = JOB_STATES


@pytest.fixture
def box(database: Database) -> Outbox:
    return Outbox(database)


@pytest.fixture
def review(database: Database) -> OutboxReview:
    return OutboxReview(database)


async def have_each_state(box: Outbox) -> None:
    """Jobs 1 to 6: done, failed, unknown, waiting after an attempt, under way, and never tried."""
    await box.add([queued(key) for key in ("done", "failed", "unknown", "waits", "works")])
    due = await box.take("agent", 5, NOW, UNTIL)
    finished: dict[str, tuple[JobState, str | None]] = {
        "done": ("done", None),
        "failed": ("failed", "no such number"),
        "unknown": ("unknown", "no answer"),
    }
    for job in due.jobs:
        if job.key in finished:
            state, error = finished[job.key]
            await box.settle([Settlement(job=job, state=state, error=error)], after(1))
        elif job.key == "waits":
            waits = Settlement(job=job, state="pending", next_at=after(900), error="busy")
            await box.settle([waits], after(1))
    await box.add([queued("new", "lane", "sms")])


async def test_entries_say_how_each_job_stands(box: Outbox, review: OutboxReview) -> None:
    await have_each_state(box)
    entries = await review.entries(ALL)
    assert [(entry.id, entry.key, entry.state, entry.attempts) for entry in entries] == [
        (1, "done", "done", 1),
        (2, "failed", "failed", 1),
        (3, "unknown", "unknown", 1),
        (4, "waits", "pending", 1),
        (5, "works", "sending", 1),
        (6, "new", "pending", 0),
    ]
    assert [entry.next_attempt_at for entry in entries] == [None, None, None, after(900), UNTIL, NOW]
    assert [entry.last_error for entry in entries[:4]] == [None, "no such number", "no answer", "busy"]
    assert (entries[5].lane, entries[5].kind, entries[5].queued_at) == ("lane", "sms", NOW)
    assert entries[1].updated_at == after(1)


async def test_entries_are_narrowed_and_paged(box: Outbox, review: OutboxReview) -> None:
    await have_each_state(box)
    assert [entry.id for entry in await review.entries(["failed", "unknown"])] == [2, 3]
    assert [entry.id for entry in await review.entries(ALL, "sms")] == [6]
    assert [entry.id for entry in await review.entries(ALL, after=2, limit=2)] == [3, 4]


async def test_what_is_retried_is_due_with_all_attempts_before_it(box: Outbox, review: OutboxReview) -> None:
    await have_each_state(box)
    assert await review.retry([2, 3, 4], after(2)) == [2, 3, 4]
    taken = await box.take("agent", 9, after(2), after(32))
    told = [(job.key, job.attempt, job.is_again) for job in taken.jobs]
    assert sorted(told) == [("failed", 1, False), ("unknown", 1, True), ("waits", 1, False)]


async def test_what_is_done_or_under_way_or_not_there_is_not_retried(
    box: Outbox, review: OutboxReview
) -> None:
    await have_each_state(box)
    assert await review.retry([1, 5, 404], after(2)) == []
    assert (await box.take("agent", 9, after(2), after(32))).jobs == ()


async def test_all_that_was_given_up_is_retried_of_one_kind_or_of_each(
    box: Outbox, review: OutboxReview
) -> None:
    await have_each_state(box)
    assert await review.retry_given_up("sms", after(2)) == []
    assert await review.retry_given_up(None, after(2)) == [2, 3]
    assert await review.retry_given_up("agent", after(2)) == []


async def test_what_was_over_long_ago_is_swept_and_nothing_else(
    database: Database, box: Outbox, review: OutboxReview
) -> None:
    await have_each_state(box)
    assert await sweep_outbox(database, after(1) + timedelta(days=3)) == 0
    assert await sweep_outbox(database, after(2) + timedelta(days=3), chunk_rows=1) == 1
    assert [entry.id for entry in await review.entries(ALL)] == [2, 3, 4, 5, 6]
    assert await sweep_outbox(database, after(2) + timedelta(days=90), chunk_rows=1) == 2
    assert [entry.id for entry in await review.entries(ALL)] == [4, 5, 6]
    assert await sweep_outbox(database, after(2) + timedelta(days=900)) == 0
