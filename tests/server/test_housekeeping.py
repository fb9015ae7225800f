"""Chores are done at the start and again and again, and none that fails is the last."""

import asyncio
import logging
from datetime import timedelta

import pytest

from protocol.errors import Unavailable
from protocol.jobs import Settlement
from server.housekeeping import Chore, chores, keep_house
from tests.server.talking import Place
from tests.storage.test_outbox import queued


async def test_a_chore_goes_on_whatever_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: list[int | Exception] = [3, Unavailable("away"), LookupError("a bug"), 0, 2]
    all_done = asyncio.Event()

    async def run() -> int:
        if not outcomes:
            all_done.set()
            return 0
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with caplog.at_level(logging.INFO, "server"):
        keeping = asyncio.ensure_future(keep_house(Chore("rooms are clean", 0.0, run)))
        await asyncio.wait_for(all_done.wait(), 10)
    keeping.cancel()
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("INFO", "rooms are clean"),
        ("WARNING", "nothing can be tidied up now: away"),
        ("ERROR", "not so: rooms are clean"),
        ("INFO", "rooms are clean"),
    ]


async def test_there_is_nothing_to_do_where_nothing_has_ended(home: Place) -> None:
    await home.person("alice")
    assert [await chore.run() for chore in chores(home.context)] == [0] * len(chores(home.context))


async def test_sessions_that_ended_long_ago_are_swept(home: Place) -> None:
    alice = await home.person("alice")
    await alice.post("/auth/logout", expect=204)
    await home.nobody.log_in("alice")
    home.clock.moved_s = 31 * 86_400
    assert sum([await chore.run() for chore in chores(home.context)]) == 1
    home.clock.moved_s += 7 * 86_400
    assert sum([await chore.run() for chore in chores(home.context)]) == 2


async def test_what_was_done_outside_long_ago_is_forgotten(home: Place) -> None:
    outbox, now = home.context.outbox, home.clock.now()
    later = now + timedelta(days=1)  # so that no worker of the server's own takes it
    await outbox.add([queued("a", at=later)])
    (job,) = (await outbox.take("agent", 1, later, later)).jobs
    await outbox.settle([Settlement(job=job, state="done")], now)
    home.clock.moved_s = 4 * 86_400
    assert sum([await chore.run() for chore in chores(home.context)]) == 1
