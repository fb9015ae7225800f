"""Worker processes: orders out, reports in, and an end in every case."""

import asyncio
import os
import signal

import pytest

from loadtest import process as process_module
from loadtest.plan import Connected, Outcome, Progress, User, WorkerPlan
from loadtest.process import WorkerError, WorkerProcess
from tests.loadtest.stand_in import StandIn


def plan(stand_in: StandIn, users: int = 2) -> WorkerPlan:
    return WorkerPlan(
        run="abcd1234",
        url=f"http://127.0.0.1:{stand_in.port}",
        users=tuple(User(index, f"t{index}", (1,)) for index in range(users)),
        rate=0.0,
        window=1,
        content="x",
        warmup_s=0.0,
        drain_s=5.0,
    )


async def test_a_worker_is_led_through_a_run() -> None:
    stand_in = await StandIn({"t0": [1], "t1": [1]}).start()
    enough = asyncio.Event()

    def look(report: Progress | Connected) -> None:
        if isinstance(report, Progress) and report.acknowledged >= 20:
            enough.set()

    worker = await WorkerProcess.start(plan(stand_in), look)
    async with asyncio.timeout(20):
        await worker.connected(2)
        await worker.go()
        watching = asyncio.create_task(worker.watch())
        await enough.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        outcome = await worker.drain(await worker.stop())
    await worker.close()
    await stand_in.stop()
    assert isinstance(outcome, Outcome)
    assert outcome.wrong == {}
    assert outcome.total_delivered == 2 * outcome.total_acknowledged


async def test_a_worker_that_gives_up_says_why() -> None:
    stand_in = await StandIn({}).start()
    worker = await WorkerProcess.start(plan(stand_in), lambda report: None)
    with pytest.raises(WorkerError, match="the server closed a connection with 4401"):
        await worker.connected(2)
    await worker.close()
    await stand_in.stop()


async def test_a_worker_that_ends_is_noticed() -> None:
    stand_in = await StandIn({"t0": [1], "t1": [1]}).start()
    worker = await WorkerProcess.start(plan(stand_in), lambda report: None)
    await worker.connected(2)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="a client process ended"):
        await worker.watch()
    with pytest.raises(WorkerError, match="a client process ended"):
        await worker.stop()
    await worker.close()
    await stand_in.stop()


async def test_a_worker_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "CLOSE_WITHIN_S", 0.05)
    stand_in = await StandIn({"t0": [1], "t1": [1]}).start()
    worker = await WorkerProcess.start(plan(stand_in), lambda report: None)
    await worker.connected(2)
    os.kill(worker.pid, signal.SIGSTOP)
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    await stand_in.stop()
