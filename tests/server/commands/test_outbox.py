"""`parley outbox`: what is listed, and what is tried again."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from protocol.jobs import Settlement
from storage.engine import Database
from storage.outbox import Outbox
from tests.server.commands.conftest import Run
from tests.storage.test_outbox import queued

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def box(migrated_folder: Path) -> Callable[[Callable[[Outbox], Coroutine[Any, Any, None]]], None]:
    """Jobs 1 to 5: done, failed, unknown, under way, and one of another kind that was never tried."""
    on_outbox(migrated_folder, have_each_state)
    return lambda work: on_outbox(migrated_folder, work)


def on_outbox(folder: Path, work: Callable[[Outbox], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        database = await Database.open(f"sqlite:///{folder}/backend.db")
        await work(Outbox(database))
        await database.close()

    asyncio.run(run())


async def have_each_state(box: Outbox) -> None:
    await box.add([queued(key, at=NOW) for key in ("done", "failed", "unknown", "works")])
    done, failed, unknown, _ = (await box.take("agent", 9, NOW, NOW + timedelta(days=99_999))).jobs
    await box.settle([Settlement(job=done, state="done")], NOW)
    await box.settle([Settlement(job=failed, state="failed", error="no such number")], NOW)
    await box.settle([Settlement(job=unknown, state="unknown", error="no answer")], NOW)
    await box.add([queued("waits", kind="sms", at=NOW)])


def test_all_that_is_not_done_is_listed_with_why(parley: Run) -> None:
    said = parley("outbox", "list")
    lines = [line.split() for line in said.out.splitlines()]
    assert (said.code, [line[:4] for line in lines]) == (
        0,
        [
            ["2", "failed", "agent", "failed"],
            ["3", "unknown", "agent", "unknown"],
            ["4", "sending", "agent", "works"],
            ["5", "pending", "sms", "waits"],
        ],
    )
    assert said.out.splitlines()[0].endswith("2026-03-01 12:00:00Z  1 try     no such number")
    assert said.out.splitlines()[3].endswith("0 tries   next 2026-03-01 12:00:00Z")


def test_the_list_can_be_narrowed_and_read_by_scripts(parley: Run) -> None:
    said = parley("outbox", "list", "--state", "done", "--kind", "agent", "--json")
    (entry,) = [json.loads(line) for line in said.out.splitlines()]
    assert (entry["id"], entry["key"], entry["state"], entry["attempts"]) == (1, "done", "done", 1)
    assert parley("outbox", "list", "--kind", "webhook").out == ""


def test_jobs_are_tried_again_by_their_ids(parley: Run) -> None:
    said = parley("outbox", "retry", "2", "3", "5", "3")
    assert (said.code, said.out) == (0, "3 to be tried again.\n")
    states = [line.split()[:2] for line in parley("outbox", "list").out.splitlines()]
    assert states == [["2", "pending"], ["3", "sending"], ["4", "sending"], ["5", "pending"]]


def test_what_cannot_be_tried_again_is_named(parley: Run) -> None:
    said = parley("outbox", "retry", "1", "2", "4", "404")
    assert (said.code, said.out) == (1, "1 to be tried again.\n")
    assert said.err == "parley outbox: not there, done, or being worked on: 1, 4, 404\n"


def test_all_that_was_given_up_is_tried_again_of_one_kind_or_all(parley: Run) -> None:
    assert parley("outbox", "retry", "--all", "--kind", "sms").out == "0 to be tried again.\n"
    assert parley("outbox", "retry", "--all").out == "2 to be tried again.\n"


@pytest.mark.parametrize("arguments", [(), ("2", "--all"), ("2", "--kind", "sms"), ("--kind", "sms")])
def test_what_to_try_again_has_to_be_said_in_one_way(parley: Run, arguments: tuple[str, ...]) -> None:
    said = parley("outbox", "retry", *arguments)
    assert (said.code, said.err) == (2, "parley outbox: give the IDs to retry, or --all and perhaps --kind\n")


def test_a_worker_gets_what_is_tried_again_as_it_was_left(parley: Run, box: Any) -> None:
    parley("outbox", "retry", "--all")
    told: list[tuple[str, int, bool]] = []

    async def take(outbox: Outbox) -> None:
        now = datetime.now(UTC)
        due = await outbox.take("agent", 9, now, now + timedelta(seconds=30))
        told.extend((job.key, job.attempt, job.is_again) for job in due.jobs)

    box(take)
    assert sorted(told) == [("failed", 1, False), ("unknown", 1, True)]
