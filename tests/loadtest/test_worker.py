"""A worker against a stand-in server over real sockets: it must pass a good one and catch a broken one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from loadtest.plan import (
    Connected,
    Drain,
    Failed,
    Go,
    Outcome,
    Progress,
    Report,
    Stop,
    Stopped,
    User,
    WorkerPlan,
    encode,
)
from loadtest.worker import Worker, follow_orders, tls_context
from tests.loadtest.stand_in import Channel, Fault, StandIn

USERS, CHANNELS = 6, 2


def plan(url: str, **changes: float) -> WorkerPlan:
    users = tuple(User(index, f"t{index}", (index % CHANNELS + 1,)) for index in range(USERS))
    values = {"rate": 0.0, "window": 2, "warmup_s": 0.0, "drain_s": 5.0, **changes}
    return WorkerPlan(run="abcd1234", url=url, users=users, content="x" * 20, **values)  # type: ignore[arg-type]


class Reports:
    """What a worker has said, and waiting for what it will say."""

    def __init__(self) -> None:
        self.said: list[Report] = []
        self._more = asyncio.Event()

    def take(self, report: Report) -> None:
        self.said.append(report)
        self._more.set()

    async def until(self, reached: Callable[[Report], bool]) -> None:
        async with asyncio.timeout(10):
            while not any(reached(report) for report in self.said):
                self._more.clear()
                await self._more.wait()


class Bench:
    def __init__(self, stand_in: StandIn, worker: Worker, reports: Reports) -> None:
        self.stand_in = stand_in
        self.worker = worker
        self.reports = reports

    async def connected(self) -> None:
        await self.reports.until(lambda report: report == Connected(USERS))

    async def acknowledged(self, count: int) -> None:
        await self.reports.until(lambda report: isinstance(report, Progress) and report.acknowledged >= count)

    async def finish(self) -> Outcome:
        await self.worker.stop()
        stopped = self.reports.said[-1]
        assert isinstance(stopped, Stopped)
        await self.worker.drain(stopped.targets)
        outcome = self.reports.said[-1]
        assert isinstance(outcome, Outcome)
        return outcome


@asynccontextmanager
async def bench(fault: Fault | None = None, refuse: int = 0, **changes: float) -> AsyncIterator[Bench]:
    users = {f"t{index}": [index % CHANNELS + 1] for index in range(USERS)}
    stand_in = await StandIn(users, fault, refuse).start()
    reports = Reports()
    worker = Worker(plan(f"http://127.0.0.1:{stand_in.port}", **changes), reports.take)
    worker.start()
    try:
        yield Bench(stand_in, worker, reports)
    finally:
        worker.close()
        await stand_in.stop()


async def test_a_good_server_passes_while_saturated() -> None:
    async with bench() as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(200)
        outcome = await it.finish()
    assert (outcome.wrong, outcome.reconnects) == ({}, 0)
    assert outcome.total_acknowledged == outcome.total_sent >= 200
    assert outcome.total_delivered == outcome.total_sent * USERS // CHANNELS
    assert sum(outcome.delivery_latency.values()) == outcome.total_delivered
    assert len(outcome.digests) == CHANNELS


async def test_a_rate_is_kept_and_timed_from_when_sends_were_due() -> None:
    async with bench(rate=500.0, window=0) as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(300)
        outcome = await it.finish()
    assert outcome.wrong == {}
    assert outcome.sent / outcome.measured_s == pytest.approx(500, rel=0.05)
    assert sum(outcome.lateness.values()) == outcome.sent


async def test_a_server_that_goes_away_and_comes_back_passes() -> None:
    async with bench() as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(100)
        await it.stand_in.stop()
        await it.stand_in.start()
        await it.reports.until(lambda report: isinstance(report, Progress) and report.reconnects >= USERS)
        outcome = await it.finish()
    assert outcome.wrong == {}
    assert outcome.reconnects == USERS
    assert outcome.total_acknowledged == outcome.total_sent


async def test_sends_refused_for_now_are_repeated() -> None:
    async with bench(refuse=5) as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(50)
        outcome = await it.finish()
    assert outcome.wrong == {}
    assert outcome.retried == {"overloaded": 5}


def lose(channel: Channel, place: int, frames: list[bytes]) -> list[bytes]:
    return frames[:-1] if place == 1 else frames


def duplicate(channel: Channel, place: int, frames: list[bytes]) -> list[bytes]:
    return [*frames, frames[-1]] if place == 1 else frames


def swap(channel: Channel, place: int, frames: list[bytes]) -> list[bytes]:
    return frames[::-1] if place == 1 else frames


@pytest.mark.parametrize(("fault", "kind"), [(lose, "gap"), (duplicate, "repeated"), (swap, "gap")])
async def test_a_server_that_delivers_wrongly_to_one_member_is_caught(fault: Fault, kind: str) -> None:
    async with bench(fault, drain_s=0.2) as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(50)
        outcome = await it.finish()
    assert outcome.wrong[kind] > 0
    assert outcome.examples


async def test_a_server_that_stops_delivering_is_caught() -> None:
    silent = False

    def fall_silent(channel: Channel, place: int, frames: list[bytes]) -> list[bytes]:
        return [] if silent and place == 0 else frames

    async with bench(fall_silent, drain_s=0.2) as it:
        await it.connected()
        it.worker.go()
        await it.acknowledged(50)
        silent = True
        before = it.worker.acknowledged
        await it.acknowledged(before + 50)
        outcome = await it.finish()
    assert outcome.wrong.keys() == {"lost"}


async def test_sends_without_an_answer_are_told() -> None:
    async with bench(drain_s=0.1) as it:
        await it.connected()
        it.stand_in.mute = True
        it.worker.go()
        outcome = await it.finish()
    assert outcome.wrong == {"unanswered": USERS * 2}


async def test_a_server_that_refuses_the_credentials_ends_the_run() -> None:
    stand_in = await StandIn({}).start()
    reports = Reports()
    worker = Worker(plan(f"http://127.0.0.1:{stand_in.port}"), reports.take)
    worker.start()
    await reports.until(lambda report: report == Failed("the server closed a connection with 4401"))
    worker.close()
    await stand_in.stop()


def test_a_certificate_is_verified_unless_it_is_not_to_be() -> None:
    strict = plan("https://localhost")
    assert tls_context(strict).verify_mode == ssl.CERT_REQUIRED
    lenient = tls_context(msgspec.structs.replace(strict, verify_tls=False))
    assert (lenient.verify_mode, lenient.check_hostname) == (ssl.CERT_NONE, False)


async def test_orders_are_followed_line_by_line() -> None:
    async with bench() as it:
        orders = asyncio.StreamReader()
        following = asyncio.create_task(follow_orders(it.worker, orders))
        await it.connected()
        orders.feed_data(encode(Go()) + b"\n")
        await it.acknowledged(20)
        orders.feed_data(encode(Stop()) + b"\n")
        await it.reports.until(lambda report: isinstance(report, Stopped))
        (stopped,) = (report for report in it.reports.said if isinstance(report, Stopped))
        orders.feed_data(encode(Drain(stopped.targets)) + b"\n")
        await following
    assert isinstance(it.reports.said[-1], Outcome)


async def test_a_run_that_is_given_up_ends_its_workers() -> None:
    async with bench() as it:
        orders = asyncio.StreamReader()
        orders.feed_eof()
        await follow_orders(it.worker, orders)
