"""One process of a run: connects its members, sends as ordered, checks, and reports.

Orders come on standard input and reports go to standard output, one JSON object a line (`plan.py`).
"""

import asyncio
import contextlib
import gc
import random
import resource
import ssl
import sys
from collections.abc import Callable
from itertools import cycle

import uvloop

from loadtest.client import Client, Dialer
from loadtest.histogram import clock
from loadtest.member import Crowd, Member
from loadtest.pacer import Pacer
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
    WorkerPlan,
    decode_order,
    decode_plan,
    encode,
)
from loadtest.upgrade import parse_url

TICK_S = 0.02
TICKS_PER_REPORT = 25


class Worker:
    """Owns the members, their connections and the timers. `emit` takes what is reported."""

    def __init__(self, plan: WorkerPlan, emit: Callable[[Report], None]) -> None:
        self._plan = plan
        self._emit = emit
        self._crowd = Crowd(plan.run, plan.content, plan.window)
        dialer = Dialer(address := parse_url(plan.url), tls_context(plan) if address.tls else None)
        self._clients = [
            Client(Member(user, self._crowd), dialer, self._on_ready, self._on_final, self._on_lost)
            for user in plan.users
        ]
        self._by_member = {client.member: client for client in self._clients}
        self._turns = cycle(random.sample(self._clients, len(self._clients)))
        self._connected = 0
        self._all_connected = False
        self._pacer: Pacer | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._awaited: tuple[Callable[[], bool], asyncio.Future[None]] | None = None
        self._ticks = 0
        self._next_tick: asyncio.TimerHandle | None = None

    @property
    def acknowledged(self) -> int:
        return self._crowd.tally.totals.acknowledged

    def start(self) -> None:
        for client in self._clients:
            client.connect()
        self._tick()

    def close(self) -> None:
        self._stop_sending()
        if self._next_tick is not None:
            self._next_tick.cancel()
        for client in self._clients:
            client.close()

    def go(self) -> None:
        """Start sending; measure once it is warm."""
        # Nothing here makes cycles that matter within a run, and a collection would show as a stall.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._crowd.sending = True
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(self._plan.warmup_s, self._begin_measuring))
        if self._plan.rate:
            self._pacer = Pacer(self._plan.rate, self._send_one)
        else:
            for client in self._clients:
                client.write(b"".join([client.member.send(clock()) for _ in range(self._plan.window)]))

    async def stop(self) -> None:
        """Send nothing new, and wait until everything is answered, as long as the plan allows."""
        self._stop_sending()
        self._crowd.tally.end_measuring(clock())
        await self._wait_until(lambda: not any(client.member.pending for client in self._clients))
        targets: dict[int, int] = {}
        for client in self._clients:
            member = client.member
            targets[member.channel_id] = max(targets.get(member.channel_id, 0), member.target)
        self._emit(Stopped(targets))

    async def drain(self, targets: dict[int, int]) -> None:
        """Wait until every member stands at the targets; then say what was measured and found."""
        members = [client.member for client in self._clients]
        await self._wait_until(
            lambda: all(
                member.cursors.get(member.channel_id, 0) >= targets[member.channel_id] for member in members
            )
        )
        self._find_missing(members, targets)
        self._emit(self._outcome(targets))

    def _find_missing(self, members: list[Member], targets: dict[int, int]) -> None:
        findings = self._crowd.tally.findings
        for log in self._crowd.logs.values():
            log.settle()
        for member in members:
            if member.pending:
                count = len(member.pending)
                findings.add("unanswered", f"{count} sends of member {member.index} have no answer", count)
            log_of_member = self._crowd.logs.get(member.channel_id)
            if log_of_member is None:
                findings.add("unconnected", f"member {member.index} never came to be ready")
            else:
                cursor = member.cursors.get(member.channel_id, 0)
                log_of_member.must_have_reached(targets[member.channel_id], cursor, f"member {member.index}")

    def _outcome(self, targets: dict[int, int]) -> Outcome:
        tally, logs = self._crowd.tally, self._crowd.logs
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Outcome(
            measured_s=(tally.ended - tally.began) / 100_000,
            sent=tally.measured.sent,
            acknowledged=tally.measured.acknowledged,
            delivered=tally.measured.delivered,
            total_sent=tally.totals.sent,
            total_acknowledged=tally.totals.acknowledged,
            total_delivered=tally.totals.delivered,
            repeated_acks=tally.repeated_acks,
            reconnects=tally.reconnects,
            resent=tally.resent,
            refused=dict(tally.refused),
            retried=dict(tally.retried),
            ack_latency=tally.ack_latency.counts(),
            delivery_latency=tally.delivery_latency.counts(),
            lateness=tally.lateness.counts(),
            wrong=dict(tally.findings.counts),
            examples=tally.findings.examples,
            digests={id_: log.digest(targets[id_]) for id_, log in logs.items() if id_ in targets},
            cpu_s=usage.ru_utime + usage.ru_stime,
        )

    def _send_one(self, intended: int) -> None:
        client = next(self._turns)
        client.write(client.member.send(intended))
        self._crowd.tally.lateness.fresh.append(clock() - intended)

    def _begin_measuring(self) -> None:
        self._crowd.tally.begin_measuring(clock())

    def _stop_sending(self) -> None:
        self._crowd.sending = False
        for timer in self._timers:
            timer.cancel()
        if self._pacer is not None:
            self._pacer.stop()
            self._pacer = None

    def _on_ready(self) -> None:
        self._connected += 1
        if self._all_connected:
            self._crowd.tally.reconnects += 1
        elif self._connected == len(self._clients):
            self._all_connected = True
            self._emit(Connected(self._connected))

    def _on_lost(self) -> None:
        self._connected -= 1

    def _on_final(self, reason: str) -> None:
        self._emit(Failed(reason))

    def _tick(self) -> None:
        now = clock()
        for member, nonce in self._crowd.retries.pop_due(now):
            self._by_member[member].write(member.send_again(nonce))
        self._crowd.tally.fold()
        if self._awaited is not None and not self._awaited[1].done() and self._awaited[0]():
            self._awaited[1].set_result(None)
        self._ticks += 1
        if self._ticks % TICKS_PER_REPORT == 0:
            self._emit(self._progress())
        self._next_tick = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _progress(self) -> Progress | Connected:
        if not self._all_connected:
            return Connected(self._connected)
        tally = self._crowd.tally
        return Progress(
            connected=self._connected,
            sent=tally.totals.sent,
            acknowledged=tally.totals.acknowledged,
            delivered=tally.totals.delivered,
            reconnects=tally.reconnects,
            ack_p99=tally.ack_latency.percentiles(99)[0],
            wrong=tally.findings.counts.total(),
        )

    async def _wait_until(self, reached: Callable[[], bool]) -> None:
        """Returns at the latest when the plan's time for draining is over."""
        self._awaited = (reached, asyncio.get_running_loop().create_future())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._plan.drain_s):
                await self._awaited[1]
        self._awaited = None


def tls_context(plan: WorkerPlan) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not plan.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _emit(report: Report) -> None:
    sys.stdout.buffer.write(encode(report) + b"\n")
    sys.stdout.buffer.flush()


async def follow_orders(worker: Worker, orders: asyncio.StreamReader) -> None:
    while line := await orders.readline():
        match decode_order(line):
            case Go():
                worker.go()
            case Stop():
                await worker.stop()
            case Drain(targets):
                await worker.drain(targets)
                return


async def _run(plan: WorkerPlan) -> None:
    orders = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(orders)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    worker = Worker(plan, _emit)
    worker.start()
    try:
        await follow_orders(worker, orders)
    finally:
        worker.close()


def main() -> None:
    plan = decode_plan(sys.stdin.buffer.readline())
    uvloop.run(_run(plan))


if __name__ == "__main__":
    main()
