"""How long authenticated GETs take: `python -m tests.benchmarks.rest`.

A real server on SQLite, with idle sockets connected, is asked at a steady rate by members of one channel.
Requests are sent when they are due whether or not answers come, and timed from then, so that a stall shows as
latency.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop
from typing_extensions import override

from loadtest.histogram import TICKS_PER_S, Histogram, clock
from loadtest.own_server import OwnServer
from loadtest.pacer import Pacer
from loadtest.population import read_tokens
from loadtest.upgrade import parse_url, upgrade_request
from protocol.codec import JSON
from protocol.frames import PING, PONG, FrameParser, client_frame

MEMBERS: Final = 50
MESSAGES: Final = 200
CONNECTING_AT_ONCE: Final = 50
SETTLE_S: Final = 2.0
AIM_MS: Final = 15.0
MASK: Final = b"\x11\x22\x33\x44"
PATHS: Final = (
    "/auth/me",
    "/auth/sessions",
    "/users/",
    "/channels/",
    "/channels/me",
    "/channels/{channel}",
    "/channels/{channel}/members",
    "/channels/{channel}/messages",
    "/channels/{channel}/changes?after=100",
    "/messages",
    "/messages/unread/count",
    "/auth/conversations",
)


class Idle(asyncio.Protocol):
    """A socket that is logged in, answers pings, and says nothing."""

    def __init__(self, request: bytes) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._request = request
        self._parser: FrameParser | None = None
        self._head = b""
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise ConnectionError(f"no socket was opened: {head!r}")
            self._parser = FrameParser(1 << 24, masked=False)
        for opcode, payload in self._parser.feed(data):
            if opcode == PING:
                self._transport.write(client_frame(PONG, payload, MASK))
            elif not self.ready.done():
                self.ready.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("the server hung up"))

    def close(self) -> None:
        self._transport.abort()


async def connect_idle(url: str, tokens: Sequence[str]) -> list[Idle]:
    address, gate = parse_url(url), asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(token: str) -> Idle:
        request = upgrade_request(address, "dGhlIHNhbXBsZSBub25jZQ==", JSON.subprotocol, token)
        async with gate:
            _, idle = await asyncio.get_running_loop().create_connection(
                lambda: Idle(request), address.host, address.port
            )
            await idle.ready
        return idle

    return list(await asyncio.gather(*map(connect, tokens)))


class Asker:
    """Asks at the given rate, each time another path as another member."""

    def __init__(self, session: aiohttp.ClientSession, tokens: Sequence[str], channel: int) -> None:
        self._session = session
        self._turns: Iterator[tuple[str, str]] = zip(
            itertools.cycle(PATHS), itertools.cycle(tokens), strict=True
        )
        self._channel = str(channel)
        self._tasks: set[asyncio.Task[None]] = set()
        self.took: dict[str, Histogram] = defaultdict(Histogram)
        self.failures: list[str] = []

    async def ask_for(self, seconds: float, rate: float) -> None:
        pacer = Pacer(rate, self._due)
        await asyncio.sleep(seconds)
        pacer.stop()
        await asyncio.gather(*self._tasks)

    def _due(self, tick: int) -> None:
        path, token = next(self._turns)
        task = asyncio.get_running_loop().create_task(self._ask(tick, path, token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, tick: int, path: str, token: str) -> None:
        url = path.replace("{channel}", self._channel)
        async with self._session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            await answer.read()
        if answer.status != 200:
            self.failures.append(f"{path}: {answer.status}")
        self.took[path].fresh.append(clock() - tick)


async def populate(session: aiohttp.ClientSession, tokens: Sequence[str]) -> int:
    """One channel with members and messages, and a conversation of each member with the first."""

    async def post(path: str, body: object, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(path, json=body, headers=headers) as answer:
            assert answer.status < 300, f"{path}: {await answer.text()}"
            return await answer.json()

    async with session.get("/auth/me", headers={"Authorization": f"Bearer {tokens[0]}"}) as answer:
        first = (await answer.json())["id"]
    channel = (await post("/channels/", {"name": "benchmark"}, tokens[0]))["id"]
    for token in tokens[1:]:
        await post(f"/channels/{channel}/join", None, token)
        await post("/messages", {"recipient_id": first, "content": "hello"}, token)
    for number in range(MESSAGES):
        token = tokens[number % len(tokens)]
        await post(f"/channels/{channel}/messages", {"content": f"message {number}"}, token)
    return int(channel)


async def run(options: argparse.Namespace, folder: Path) -> bool:
    settings = {
        "MAX_TOTAL_WEBSOCKET_CONNECTIONS": str(options.sockets + 10),
        "COMMAND_RATE": "off",
        "BCRYPT_ROUNDS": "4",
    }
    server = OwnServer(folder, f"sqlite:///{folder}/benchmark.db", settings)
    file, count = folder / "tokens.jsonl", MEMBERS + options.sockets
    await server.command("migrate")
    await server.command("user", "create", "idle", "--count", str(count), "--tokens", str(file))
    tokens = read_tokens(file, count)
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        session = aiohttp.ClientSession(
            server.url, connector=connector, timeout=aiohttp.ClientTimeout(total=30)
        )
        await stack.enter_async_context(session)
        channel = await populate(session, tokens[:MEMBERS])
        for idle in await connect_idle(server.url, tokens[MEMBERS:]):
            stack.callback(idle.close)
        await asyncio.sleep(SETTLE_S)
        asker = Asker(session, tokens[:MEMBERS], channel)
        cpu_s = server.cpu_s()
        await asker.ask_for(options.seconds, options.rate)
        cpu_s = server.cpu_s() - cpu_s
    print(
        f"{options.rate:g} requests/s for {options.seconds:g} s, {options.sockets} idle sockets, "
        f"server {cpu_s / options.seconds:.1%} of a core, {len(asker.failures)} failures"
    )
    return report(asker)


def report(asker: Asker) -> bool:
    """Print the percentiles; whether the aim was met."""
    everything = Histogram()
    for path, took in sorted(asker.took.items()):
        everything.merge(took.counts())
        print(line(path, took))
    print(line("all", everything))
    for failure in sorted(set(asker.failures)):
        print(failure)
    return everything.percentiles(95)[0] / TICKS_PER_S * 1000 < AIM_MS and not asker.failures


def line(name: str, took: Histogram) -> str:
    p50, p95, p99, worst = (ticks / TICKS_PER_S * 1000 for ticks in took.percentiles(50, 95, 99, 100))
    return f"{name:40} p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f}  max {worst:7.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--sockets", type=int, default=1000, help="idle ones")
    parser.add_argument("--seconds", type=float, default=30)
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not uvloop.run(run(parser.parse_args(), Path(folder))))


if __name__ == "__main__":
    main()
