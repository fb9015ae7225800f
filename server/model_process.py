"""The process that LiteLLM runs in, as the server sees it: `model_child.py` is what runs there.

Whatever happens to it, calls that are under way fail, and nobody else notices.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from actors.agents.ports import Said
from server.model_pipe import (
    BATCHES,
    Ask,
    Batch,
    Cancel,
    Failure,
    News,
    Offer,
    Order,
    Setup,
    framed,
    read_frames,
)
from server.settings import Settings, variable_of

LOG: Final = logging.getLogger("orchestrator")
SOURCE: Final = Path(__file__).resolve().parent.parent
# Not with the folder that the server was started in before everything else on the path.
COMMAND: Final = (sys.executable, "-P", "-m", "server.model_child")
READY_WITHIN_S: Final = 60.0
HANGS_AFTER_S: Final = 15.0
"""A process that takes longer over ending a call that was cancelled is ended itself."""
CLOSE_WITHIN_S: Final = 2.0
WORDS_MAX_BYTES: Final = 4000
GONE: Final = Failure("its process has ended", is_retryable=True)


async def spawn(theirs: socket.socket) -> asyncio.subprocess.Process:
    """Start it with its end of the socket. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=theirs.fileno(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )


def environment() -> dict[str, str]:
    """The server's, without its own settings: there are secrets among them."""
    ours = {"DB_URL", *map(variable_of, Settings.__struct_fields__)}
    theirs = {name: value for name, value in os.environ.items() if name not in ours}
    path = (str(SOURCE), theirs.get("PYTHONPATH", ""))
    return theirs | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


class ModelProcess:
    """One process from its start to its end. `close` it in the loop that started it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.ended_at_s: float | None = None
        """In the loop's time."""
        self.has_answered = False
        self.pid = process.pid
        self._process = process
        self._reader = reader
        self._writer = writer
        self._is_ready = False
        self._is_closing = False
        self._numbers = count(1)
        self._calls: dict[int, asyncio.Queue[News]] = {}
        self._words = b""
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._watch(), name="model-process")
        self._starting = loop.call_later(READY_WITHIN_S, self._end_by_force)

    @classmethod
    async def start(cls, setup: Setup) -> "ModelProcess":
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await spawn(theirs)
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        started = cls(process, reader, writer)
        started._say(setup)
        LOG.info("the model's process has started", extra={"pid": process.pid})
        return started

    async def call(self, said: Sequence[Said], tools: Sequence[Offer]) -> AsyncGenerator[News]:
        """The news of one call, up to the one that ends it. Closing this ends the call there as well."""
        number, heard = next(self._numbers), asyncio.Queue[News]()
        if self.ended_at_s is not None:
            yield _gone(number)
            return
        self._calls[number] = heard
        is_over = False
        try:
            self._say(Ask(number, tuple(said), tuple(tools)))
            with suppress(ConnectionError):
                await self._writer.drain()
            while not is_over:
                news = await heard.get()
                is_over = news.is_last
                yield news
        finally:
            if not is_over:
                self._cancel(number)

    async def ended(self) -> None:
        """Wait for its end."""
        await asyncio.wait([self._watching])

    async def close(self) -> None:
        """End it and everything that is under way."""
        self._is_closing = True
        self._writer.close()
        await self.ended()

    def _say(self, order: Order) -> None:
        if not self._writer.is_closing():
            self._writer.write(framed(order))

    def _cancel(self, number: int) -> None:
        """It is known until its end is told: a process that tells none does nothing else either."""
        self._say(Cancel(number))
        asyncio.get_running_loop().call_later(HANGS_AFTER_S, self._check, number)

    def _check(self, number: int) -> None:
        if number in self._calls and self._is_ready:
            LOG.warning("the model's process hangs: it is ended")
            self._end_by_force()

    def _end_by_force(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    # What comes from there.

    async def _watch(self) -> None:
        reading = asyncio.get_running_loop().create_task(self._read_words(), name="model-words")
        try:
            await self._listen()
            self._writer.close()
            await self._exit()
            await asyncio.wait([reading], timeout=CLOSE_WITHIN_S)
        finally:
            reading.cancel()
            self._ended()

    async def _exit(self) -> None:
        """It ends when nobody is at the other end any more."""
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_WITHIN_S)
        except TimeoutError:
            self._end_by_force()
            await self._process.wait()

    async def _listen(self) -> None:
        try:
            async with aclosing(read_frames(self._reader, BATCHES)) as batches:
                async for batch in batches:
                    self._hear(batch)
        except (ValueError, msgspec.MsgspecError) as error:
            LOG.warning("the model's process is not understood: %s", error)

    def _hear(self, batch: Batch) -> None:
        self._is_ready = True
        self._starting.cancel()
        for news in batch:
            if news.number in self._calls:
                self._calls[news.number].put_nowait(news)
            if news.is_last:
                self._calls.pop(news.number, None)
                self.has_answered = self.has_answered or news.completion is not None

    async def _read_words(self) -> None:
        """What it prints. It may be of what people have written: that is for debugging only."""
        assert self._process.stdout is not None  # noqa: S101 - how it is started
        while words := await self._process.stdout.read(WORDS_MAX_BYTES):
            self._words = (self._words + words)[-WORDS_MAX_BYTES:]
            LOG.debug("the model's process says: %s", words.decode(errors="replace").strip())

    def _ended(self) -> None:
        self.ended_at_s = asyncio.get_running_loop().time()
        self._starting.cancel()
        for number, heard in self._calls.items():
            heard.put_nowait(_gone(number))
        self._calls.clear()
        code = self._process.returncode
        if self._is_closing:
            LOG.info("the model's process has ended")
        elif self._is_ready:
            LOG.warning("the model's process has ended by itself, exit code %s", code)
        else:
            # It has not heard a word of anybody's yet.
            words = self._words.decode(errors="replace").strip().rpartition("\n")[2]
            LOG.error("the model's process cannot start, exit code %s: %s", code, words)


def _gone(number: int) -> News:
    return News(number, failure=GONE)
