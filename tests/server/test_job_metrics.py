"""Work outside in the metrics: what waits, since when, and what is under way."""

from datetime import timedelta

from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import AgentJob
from tests.server.talking import Place
from tests.server.test_metrics import read


async def test_jobs_that_nobody_does_are_shown_with_their_age(home: Place) -> None:
    outbox, clock = home.context.outbox, home.context.clock
    told = await read(home)
    assert not any(name.startswith("parley_jobs pending") for name in told)
    payload = AgentJob(UserId(1), ChannelId(2), Seq(3))
    at = clock.now() - timedelta(seconds=90)
    await outbox.add([JobQueued(at=at, kind="sms", key="a", lane=None, payload=payload)])
    told = await read(home)
    # Labels in the order of their names.
    assert told["parley_jobs sms pending"] == 1
    assert 89 <= told["parley_job_age_seconds sms pending"] < 120
    assert told["parley_jobs_working agent"] == 0
