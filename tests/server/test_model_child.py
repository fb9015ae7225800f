"""What runs in the model's process: calls at once, news joined, and an end when nobody listens."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec import MsgspecError

from actors.agents.ports import Said
from protocol.agents import Completion, Used
from server.model_child import serve
from server.model_pipe import BATCHES, Ask, Batch, Cancel, News, Order, Setup, framed, read_frames

SETUP = Setup("stand-in", "http://127.0.0.1:1", "key", 60.0)
PATIENCE_S = 10.0
"""Only ever waited for when a promise is broken."""


class ToldCalls:
    """Calls whose news a test tells. `begun` and `ended` are the numbers of calls."""

    def __init__(self) -> None:
        self.setup: Setup | None = None
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.news_of: Callable[[int], AsyncGenerator[News]] = self.stay

    def prepare(self, setup: Setup) -> "ToldCalls":
        self.setup = setup
        return self

    async def news(self, ask: Ask) -> AsyncGenerator[News]:
        self.begun.append(ask.number)
        try:
            async for each in self.news_of(ask.number):
                yield each
        finally:
            self.ended.append(ask.number)

    async def stay(self, number: int) -> AsyncGenerator[News]:
        yield News(number, "I ")
        await asyncio.Event().wait()

    async def count(self, number: int) -> AsyncGenerator[News]:
        for each in range(1000):
            yield News(number, f"{each} ", Used(0, each))
            if each % 100 == 0:
                await asyncio.sleep(0)
        yield News(number, completion=Completion("all"))


class Wire:
    """The server's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.batches = read_frames(reader, BATCHES)

    def say(self, *orders: Order) -> None:
        self.writer.write(b"".join(map(framed, orders)))

    async def hear(self) -> Batch:
        async with asyncio.timeout(PATIENCE_S):
            return await anext(self.batches)

    async def hear_out(self, number: int) -> list[News]:
        """The news of a call, to the last."""
        heard: list[News] = []
        while not heard or not heard[-1].is_last:
            heard += [news for news in await self.hear() if news.number == number]
        return heard


@asynccontextmanager
async def serving(prepare: Callable[[Setup], ToldCalls]) -> AsyncIterator[Wire]:
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(serve(theirs, prepare))
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    wire = Wire(reader, writer)
    try:
        yield wire
    finally:
        writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await serving


def ask(number: int) -> Ask:
    return Ask(number, (Said("user", "Hello!"),), ())


@pytest.fixture
def calls() -> ToldCalls:
    return ToldCalls()


@pytest.fixture
async def wire(calls: ToldCalls) -> AsyncIterator[Wire]:
    async with serving(calls.prepare) as wire:
        wire.say(SETUP)
        assert await wire.hear() == ()
        yield wire


async def test_it_is_set_up_before_it_is_ready(wire: Wire, calls: ToldCalls) -> None:
    assert calls.setup == SETUP


async def test_news_come_whole_in_order_and_in_few_batches(wire: Wire, calls: ToldCalls) -> None:
    calls.news_of = calls.count
    wire.say(ask(1))
    heard = await wire.hear_out(1)
    assert "".join(news.text for news in heard) == "".join(f"{each} " for each in range(1000))
    assert (heard[-1].used, heard[-1].completion) == (Used(0, 999), Completion("all"))
    assert len(heard) < 100


async def test_news_of_calls_at_once_share_batches(wire: Wire, calls: ToldCalls) -> None:
    wire.say(*map(ask, range(50)))
    batches = [await wire.hear()]
    while sum(map(len, batches)) < 50:
        batches.append(await wire.hear())
    assert len(batches) < 10


async def test_a_call_that_is_cancelled_ends_and_is_told_of(wire: Wire, calls: ToldCalls) -> None:
    wire.say(ask(1), ask(2))
    while calls.begun != [1, 2]:
        await wire.hear()
    wire.say(Cancel(1))
    (*_, last) = await wire.hear_out(1)
    assert last.failure is not None
    assert calls.ended == [1]


async def test_a_call_that_is_cancelled_before_it_began_is_told_of_too(wire: Wire, calls: ToldCalls) -> None:
    wire.say(ask(1), Cancel(1), Cancel(99))
    (*_, last) = await wire.hear_out(1)
    assert last.failure is not None
    assert calls.ended == calls.begun


async def test_it_ends_with_all_calls_when_the_server_is_gone(calls: ToldCalls) -> None:
    async with serving(calls.prepare) as wire:
        wire.say(SETUP, ask(1), ask(2))
        while len(calls.begun) < 2:
            await wire.hear()
    assert sorted(calls.ended) == [1, 2]


async def test_it_ends_when_the_server_is_gone_before_it_said_anything(calls: ToldCalls) -> None:
    async with serving(calls.prepare):
        pass
    assert calls.setup is None


async def fed(prepare: Callable[[Setup], ToldCalls], data: bytes) -> list[Batch]:
    """What it tells a server that says this. Raises what ended it."""
    async with serving(prepare) as wire:
        wire.writer.write(data)
        return [batch async for batch in wire.batches]


async def test_it_ends_over_what_it_does_not_understand(calls: ToldCalls) -> None:
    with pytest.raises(ValueError, match="set up already"):
        await fed(calls.prepare, framed(SETUP) * 2)
    with pytest.raises(ValueError, match="a frame of 4294967295 bytes"):
        await fed(calls.prepare, b"\xff" * 4)
    with pytest.raises(MsgspecError):
        await fed(calls.prepare, framed("good day"))


async def test_it_ends_unready_where_the_library_is_missing() -> None:
    def fail(_: Setup) -> ToldCalls:
        raise ImportError("no library")

    with pytest.raises(ImportError, match="no library"):
        await fed(fail, framed(SETUP))
