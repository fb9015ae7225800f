"""The process that LiteLLM runs in: `python -m server.model_child`, started by `model_process.py` only.

LiteLLM takes tens of milliseconds of processor time for a call: here nobody else waits for it.
"""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import uvloop
from msgspec.structs import replace

from server.model_completion import LiteLlmCalls
from server.model_pipe import ORDERS, Ask, Cancel, Failure, News, Order, Setup, framed, read_frames

TELL_EVERY_S: Final = 0.04
"""The first news are told at once, and those that follow soon together: half of what people are shown by."""
LOWER_BY: Final = 10
"""Of the priority, as `nice` counts: on a machine that is busy, people come first."""
MEMORY_MAX_BYTES: Final = 1 << 30
"""An endpoint that never ends a line gets no further."""
CANCELLED: Final = Failure("it was cancelled", is_retryable=True)


class Calls(Protocol):
    def news(self, ask: Ask) -> AsyncGenerator[News]:
        """All news of a call, up to the one that ends it."""
        ...


class Teller:
    """Tells the server news, of all calls together.

    What a server that does not listen leaves untold is bounded: by what one call may say, and by its calls.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._untold: dict[int, News] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told_at_s = float("-inf")

    def ready(self) -> None:
        """Tell that calls are taken from now on."""
        self._writer.write(framed(()))

    def add(self, news: News) -> None:
        known = self._untold.get(news.number)
        self._untold[news.number] = news if known is None else joined(known, news)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._told_at_s + TELL_EVERY_S), self._tell)

    def _tell(self) -> None:
        batch, self._untold, self._timer = tuple(self._untold.values()), {}, None
        self._told_at_s = asyncio.get_running_loop().time()
        self._writer.write(framed(batch))


def joined(earlier: News, later: News) -> News:
    """Two news of a call as one."""
    return replace(later, text=earlier.text + later.text, used=later.used or earlier.used)


class Desk:
    """The calls under way."""

    def __init__(self, calls: Calls, teller: Teller) -> None:
        self._calls = calls
        self._teller = teller
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, order: Order) -> None:
        match order:
            case Ask():
                task = asyncio.get_running_loop().create_task(self._run(order), name=f"call-{order.number}")
                self._tasks[order.number] = task
                task.add_done_callback(partial(self._ended, order.number))
            case Cancel():
                if order.number in self._tasks:
                    self._tasks[order.number].cancel()
            case Setup():
                raise ValueError("it is set up already")

    async def close(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, ask: Ask) -> None:
        async with aclosing(self._calls.news(ask)) as news:
            async for each in news:
                self._teller.add(each)

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        """Also before it has begun."""
        del self._tasks[number]
        if task.cancelled():
            self._teller.add(News(number, failure=CANCELLED))


async def serve(server: socket.socket, prepare: Callable[[Setup], Calls]) -> None:
    """Do what the server says until it is gone, or closes its end."""
    reader, writer = await asyncio.open_unix_connection(sock=server)
    async with aclosing(read_frames(reader, ORDERS)) as orders:
        try:
            setup = await anext(orders, None)
            if isinstance(setup, Setup):
                teller = Teller(writer)
                desk = Desk(prepare(setup), teller)
                teller.ready()
                await _work(orders, desk)
        finally:
            writer.close()


async def _work(orders: AsyncGenerator[Order], desk: Desk) -> None:
    try:
        async for order in orders:
            desk.take(order)
    finally:
        await desk.close()


async def serve_to_the_end(server: socket.socket) -> None:
    """Nobody waits for the threads and connections of libraries."""
    await serve(server, LiteLlmCalls)
    os._exit(0)


def main() -> None:
    """The socket is the standard input; what libraries print goes where errors go."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server is told to stop as well, and ends this process when it has drained.
        signal.signal(number, signal.SIG_IGN)
    os.nice(LOWER_BY)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MAX_BYTES, resource.RLIM_INFINITY))
    server = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    uvloop.run(serve_to_the_end(server))


if __name__ == "__main__":
    main()
