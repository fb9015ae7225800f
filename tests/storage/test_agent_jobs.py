"""What agents write down in their jobs: each thing once, and nothing by who has lost the job."""

from datetime import timedelta

import pytest
from msgspec import Struct, structs

from protocol.agents import CallKey, Completion, Progress, Spender, ToolRequest
from protocol.errors import Unavailable
from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import AgentJob, Job, Settlement
from storage.agent_jobs import AgentJobs, once
from storage.engine import Database
from storage.outbox import Outbox
from storage.reports import ReportFilter, Reports
from tests.storage.people import LATER, NOW, add_user

COMPLETION = Completion("Wait.", (ToolRequest("c1", "file_report", '{"title": "x"}'),), 10, 2)
LEASED = NOW + timedelta(seconds=30)


class Held(Struct):
    """A job that an attempt holds, and whose it is."""

    job: Job
    spender: Spender


@pytest.fixture
async def held(database: Database) -> Held:
    alice = await add_user(database, "alice")
    bot = await add_user(database, "bot", is_bot=True)
    payload = AgentJob(bot.id, ChannelId(1), Seq(2))
    outbox = Outbox(database)
    await outbox.add([JobQueued(at=NOW, kind="agent", key="k", payload=payload)])
    due = await outbox.take("agent", 1, NOW, LEASED)
    return Held(due.jobs[0], Spender(alice.id, bot.id))


async def retaken(database: Database, held: Held) -> Job:
    """The same job as a later attempt has it."""
    outbox = Outbox(database)
    await outbox.settle([Settlement(job=held.job, state="sending", next_at=NOW)], NOW)
    return (await outbox.take("agent", 1, NOW, LEASED)).jobs[0]


def key_of(job: Job, number: int = 1) -> CallKey:
    return CallKey(job.id, job.attempt, number)


async def test_completions_are_found_again_by_the_next_attempt(database: Database, held: Held) -> None:
    jobs = AgentJobs(database)
    assert await jobs.progress(held.job) == Progress()
    second = Completion("There.")
    for completion in (COMPLETION, second):
        await jobs.add_completion(held.job, completion, held.spender, NOW)
    assert await jobs.progress(await retaken(database, held)) == Progress((COMPLETION, second))


async def test_the_job_itself_stays_what_it_was(database: Database, held: Held) -> None:
    await AgentJobs(database).add_completion(held.job, COMPLETION, held.spender, NOW)
    again = await retaken(database, held)
    assert {name: again.payload[name] for name in held.job.payload} == held.job.payload


async def test_who_has_lost_the_job_writes_nothing_any_more(database: Database, held: Held) -> None:
    jobs, reports = AgentJobs(database), Reports(database)
    await retaken(database, held)
    with pytest.raises(Unavailable):
        await jobs.add_completion(held.job, COMPLETION, held.spender, NOW)
    with pytest.raises(Unavailable):
        await reports.file(held.spender.user_id, "x", "x", NOW, key_of(held.job))
    assert await jobs.progress(held.job) == Progress()
    assert await jobs.spent(held.spender.user_id, NOW) == 0
    assert await reports.list_reports(ReportFilter()) == []


async def test_a_call_files_one_report_however_often_it_is_made(database: Database, held: Held) -> None:
    reports, alice = Reports(database), held.spender.user_id
    first = await reports.file(alice, "one", "text", NOW, key_of(held.job))
    job = await retaken(database, held)
    assert await reports.file(alice, "other words", "text", LATER, key_of(job)) == first
    second = await reports.file(alice, "two", "text", LATER, key_of(job, 2))
    assert await reports.list_reports(ReportFilter()) == [second, first]


async def test_a_repeated_call_does_not_undo_what_followed(database: Database, held: Held) -> None:
    reports = Reports(database)
    report = await reports.file(held.spender.user_id, "one", "text", NOW)
    edited = await reports.edit(report.id, NOW, key_of(held.job), title="two")
    last = await reports.edit(report.id, LATER, title="three")
    assert await reports.edit(report.id, LATER, key_of(held.job), title="two") == edited
    assert await reports.find(report.id) == last


async def test_what_made_nothing_is_tried_anew(database: Database, held: Held) -> None:
    reports, key = Reports(database), key_of(held.job)
    assert await reports.edit(17, NOW, key, title="two") is None
    report = await reports.file(held.spender.user_id, "one", "text", NOW)
    assert await reports.edit(report.id, NOW, key, title="two") is not None


async def test_a_change_that_fails_is_not_recorded(database: Database, held: Held) -> None:
    key = key_of(held.job)

    def broken() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(lambda connection: once(connection, key, int, NOW, broken))
    assert await database.write(lambda connection: once(connection, key, int, NOW, lambda: 7)) == 7


# Tokens.


async def test_tokens_add_up_by_user_over_agents_and_start_anew_each_day(
    database: Database, held: Held
) -> None:
    jobs, alice = AgentJobs(database), held.spender.user_id
    other = structs.replace(held.spender, agent_id=alice)
    for spender in (held.spender, held.spender, other):
        await jobs.add_completion(held.job, COMPLETION, spender, NOW)
    assert await jobs.spent(alice, NOW) == 36
    assert await jobs.spent(held.spender.agent_id, NOW) == 0
    assert await jobs.spent(UserId(alice), NOW + timedelta(hours=11, minutes=59)) == 36
    assert await jobs.spent(alice, NOW + timedelta(hours=12)) == 0
