"""`parley chat` as a process: lines in, lines out."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from loadtest.own_server import SOURCE

PATIENCE_S = 60.0


class Talker:
    """`shown` is everything that the process has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._typed = process.stdin
        self._lines = process.stdout
        self.shown: list[str] = []

    @classmethod
    async def start(cls, url: str, name: str, *arguments: str) -> Self:
        """Registers and logs in."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "chat", "--url", url, "--user", name),
            *("--register", "--email", f"{name}@example.org", *arguments),
            env={**os.environ, "PYTHONPATH": str(SOURCE), "PARLEY_PASSWORD": "a password for tests"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(process)

    async def say(self, line: str) -> None:
        self._typed.write(f"{line}\n".encode())
        await self._typed.drain()

    async def until(self, words: str) -> str:
        """The next line that holds the words, shown now or later."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = (await self._lines.readline()).decode()
                if not line:
                    raise AssertionError(f"{words!r} was never shown, but {self.shown}")
                self.shown.append(line.rstrip("\n"))
                if words in line:
                    return line

    async def leave(self) -> int:
        """End the input. Returns the exit code."""
        self._typed.close()
        async with asyncio.timeout(PATIENCE_S):
            rest = await self._lines.read()
            self.shown += rest.decode().splitlines()
            return await self._process.wait()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def talking(url: str, name: str, *arguments: str) -> AsyncIterator[Talker]:
    talker = await Talker.start(url, name, *arguments)
    try:
        yield talker
    finally:
        await talker.end()
