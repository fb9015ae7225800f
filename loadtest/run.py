"""One run from beginning to end: a server if need be, users and channels, processes, and the result."""

import asyncio
import contextlib
import random
import resource
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from loadtest.own_server import OwnServer
from loadtest.plan import Connected, Outcome, Progress, User, WorkerPlan
from loadtest.population import Api, read_tokens, spread
from loadtest.process import WorkerError, WorkerProcess
from loadtest.progress import ProgressLine, Rates
from loadtest.report import Idle, Result, ServerUse, added, check, latency, machine
from loadtest.upgrade import http_url, parse_url

MEMORY_SETTLES_S: Final = 3.0
CONNECT_WITHIN_S: Final = 20.0
CONNECTS_PER_S: Final = 100
_FILLER: Final = "the quick brown fox jumps over the lazy dog "


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. Without a `url` the run starts its own server, on `database` if that is given."""

    scenario: str
    users: int
    channels: int
    url: str | None = None
    database: str | None = None
    tokens: Path | None = None
    each: int = 1
    rate: float = 0.0
    window: int = 4
    content_chars: int = 100
    duration_s: float = 10.0
    warmup_s: float = 1.0
    drain_s: float = 30.0
    processes: int = 1
    kills: int = 0
    verify_tls: bool = True
    settings: dict[str, str] = {}

    @property
    def is_idle(self) -> bool:
        return self.scenario == "idle"


async def run_load(options: LoadOptions, progress: ProgressLine) -> Result:
    """Raises OwnServerError, PopulationError or WorkerError when the run cannot be made."""
    _allow_many_files()
    run = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(_own_server(options)) if options.url is None else None
        url = server.url if server is not None else http_url(parse_url(options.url or ""))
        users = await _populate(options, run, url, server, progress)
        return await _Run(options, run, url, server, progress).go(users)


class _Run:
    def __init__(
        self, options: LoadOptions, run: str, url: str, server: OwnServer | None, progress: ProgressLine
    ) -> None:
        self._options = options
        self._id = run
        self._url = url
        self._server = server
        self._progress = progress
        self._rates = Rates(options.processes)
        self._connected = [0] * options.processes
        self._began = 0.0
        self._cpu_before = 0.0
        self._cpu_after = 0.0

    async def go(self, users: list[User]) -> Result:
        rss_before = await self._settled_rss()
        async with AsyncExitStack() as stack:
            workers = [
                await stack.enter_async_context(self._worker(number, share))
                for number, share in enumerate(_shares(users, self._options.processes))
            ]
            idle = None
            if self._options.is_idle:
                rss = await self._settled_rss()
                idle = Idle(len(users), rss_before, rss, (rss - rss_before) / len(users))
            else:
                await self._load(workers)
            outcomes = await self._finish(workers)
        return self._result(outcomes, idle)

    @asynccontextmanager
    async def _worker(self, number: int, users: list[User]) -> AsyncIterator[WorkerProcess]:
        """A process with all of its members connected."""
        worker = await WorkerProcess.start(self._plan(users), lambda report: self._take(number, report))
        try:
            await self._connected_in_time(worker, len(users))
            yield worker
        finally:
            await worker.close()

    async def _connected_in_time(self, worker: WorkerProcess, count: int) -> None:
        within_s = CONNECT_WITHIN_S + count / CONNECTS_PER_S
        try:
            async with asyncio.timeout(within_s):
                await worker.connected(count)
        except TimeoutError:
            raise WorkerError(
                f"only {sum(self._connected)} of {self._options.users} clients came in "
                f"within {within_s:.0f} s: "
                "does the server allow so many (MAX_TOTAL_WEBSOCKET_CONNECTIONS)?"
            ) from None

    def _plan(self, users: list[User]) -> WorkerPlan:
        options = self._options
        content = (_FILLER * (options.content_chars // len(_FILLER) + 1))[: options.content_chars]
        return WorkerPlan(
            run=self._id,
            url=self._url,
            users=tuple(users),
            rate=options.rate * len(users) / options.users,
            window=0 if options.rate else options.window,
            content=content,
            warmup_s=options.warmup_s,
            drain_s=options.drain_s,
            verify_tls=options.verify_tls,
        )

    async def _load(self, workers: list[WorkerProcess]) -> None:
        self._began = time.monotonic()
        for worker in workers:
            await worker.go()
        watching = [asyncio.create_task(worker.watch()) for worker in workers]
        pressing = asyncio.create_task(self._press())
        try:
            done, _ = await asyncio.wait([pressing, *watching], return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for task in (pressing, *watching):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._progress.end()

    async def _press(self) -> None:
        """Lasts as long as messages are sent; kills and restarts the server when that is asked for."""
        options = self._options
        await asyncio.sleep(options.warmup_s)
        self._cpu_before = self._server.cpu_s() if self._server else 0.0
        for _ in range(options.kills):
            # At any moment of what the server does, not always at the same.
            await asyncio.sleep(options.duration_s / (options.kills + 1) * random.uniform(0.5, 1.5))
            if self._server is not None:
                await self._server.kill()
                await self._server.start()
        await asyncio.sleep(options.duration_s / (options.kills + 1))
        self._cpu_after = self._server.cpu_s() if self._server else 0.0

    async def _finish(self, workers: list[WorkerProcess]) -> list[Outcome]:
        """Stop everywhere first: only then is it known how far every channel has come."""
        targets: dict[int, int] = {}
        for stopped in await asyncio.gather(*(worker.stop() for worker in workers)):
            for channel_id, seq in stopped.items():
                targets[channel_id] = max(targets.get(channel_id, 0), seq)
        return await asyncio.gather(*(worker.drain(targets) for worker in workers))

    def _take(self, number: int, report: Progress | Connected) -> None:
        if isinstance(report, Connected):
            self._connected[number] = report.count
            self._progress.step("connecting", sum(self._connected), self._options.users)
        elif not self._options.is_idle:
            self._rates.take(number, report)
            self._progress.show(self._rates.line(time.monotonic() - self._began))

    async def _settled_rss(self) -> int:
        if self._server is None or not self._options.is_idle:
            return 0
        await asyncio.sleep(MEMORY_SETTLES_S)
        return self._server.rss_bytes()

    def _result(self, outcomes: list[Outcome], idle: Idle | None) -> Result:
        options = self._options
        measured_s = max(outcome.measured_s for outcome in outcomes)
        acknowledged = sum(outcome.acknowledged for outcome in outcomes)
        delivered = sum(outcome.delivered for outcome in outcomes)
        return Result(
            scenario=options.scenario,
            run=self._id,
            url=self._url,
            machine=machine(),
            users=options.users,
            channels=options.channels,
            processes=options.processes,
            rate=options.rate,
            window=0 if options.rate else options.window,
            content_chars=options.content_chars,
            measured_s=measured_s,
            sent=sum(outcome.sent for outcome in outcomes),
            acknowledged=acknowledged,
            delivered=delivered,
            acknowledged_per_s=acknowledged / measured_s if measured_s else 0.0,
            delivered_per_s=delivered / measured_s if measured_s else 0.0,
            ack=latency(outcome.ack_latency for outcome in outcomes),
            delivery=latency(outcome.delivery_latency for outcome in outcomes),
            lateness=latency(outcome.lateness for outcome in outcomes),
            reconnects=sum(outcome.reconnects for outcome in outcomes),
            resent=sum(outcome.resent for outcome in outcomes),
            repeated_acks=sum(outcome.repeated_acks for outcome in outcomes),
            retried=added(outcome.retried for outcome in outcomes),
            client_cpu_s=sum(outcome.cpu_s for outcome in outcomes),
            check=check(outcomes),
            kills=options.kills,
            server=self._server_use(delivered) if idle is None else None,
            idle=idle,
        )

    def _server_use(self, delivered: int) -> ServerUse | None:
        """After a kill the times of the server before it are not known, so that none are told."""
        if self._server is None or self._options.kills:
            return None
        cpu_s = self._cpu_after - self._cpu_before
        return ServerUse(cpu_s, self._server.rss_bytes(), cpu_s * 1e6 / delivered if delivered else 0.0)


@asynccontextmanager
async def _own_server(options: LoadOptions) -> AsyncIterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="parley-load-") as folder:
        database = options.database or f"sqlite:///{folder}/load.db"
        server = OwnServer(Path(folder), database, {**_room_for(options.users), **options.settings})
        if options.database is not None:
            # A new SQLite database is migrated by whatever uses it first.
            await server.command("migrate")
        try:
            yield server
        finally:
            await server.stop()


def _room_for(users: int) -> dict[str, str]:
    """Settings under which the server's limits for strangers do not limit the run."""
    return {
        "MAX_TOTAL_WEBSOCKET_CONNECTIONS": str(users + 100),
        "COMMAND_RATE": "off",
        "REGISTRATION_RATE": "off",
        "BCRYPT_ROUNDS": "4",
        "ACCESS_TOKEN_MINUTES": "1440",
    }


async def _populate(
    options: LoadOptions, run: str, url: str, server: OwnServer | None, progress: ProgressLine
) -> list[User]:
    memberships = spread(options.users, options.channels, options.each)
    if server is None:
        tokens = None if options.tokens is None else read_tokens(options.tokens, options.users)
    else:
        tokens = await _prepare_users(server, options.users, run)
        await server.start()
    async with Api(url, progress.step, verify_tls=options.verify_tls) as api:
        tokens = tokens or await api.register(run, options.users)
        users = await api.make_channels(run, tokens, memberships)
    if server is not None and options.is_idle:
        # What making the channels has left in memory must not hide what connections cost.
        await server.stop()
        await server.start()
    return users


async def _prepare_users(server: OwnServer, count: int, run: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="parley-load-") as folder:
        file = Path(folder) / "tokens.jsonl"
        await server.command("user", "create", f"load-{run}-", "--count", str(count), "--tokens", str(file))
        return read_tokens(file, count)


def _shares(users: list[User], processes: int) -> list[list[User]]:
    """One share a process, as equal as can be; a channel's members stay together where they can."""
    ordered = sorted(users, key=lambda user: (user.channel_ids, user.index))
    bounds = [len(ordered) * number // processes for number in range(processes + 1)]
    return [ordered[start:end] for start, end in pairwise(bounds)]


def _allow_many_files() -> None:
    """A socket is a file: take as many as the system lets us. Server and workers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
