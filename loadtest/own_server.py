"""A server of the run's own: `python -m server` on a database and a port that nobody else uses."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

SOURCE: Final = Path(__file__).resolve().parent.parent
START_WITHIN_S: Final = 30.0
STOP_WITHIN_S: Final = 20.0
_ASK_EVERY_S: Final = 0.05
_INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "TMPDIR")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class OwnServerError(Exception):
    """The server, or a command of it, ended with an error. Its text is what it said last."""


class OwnServer:
    """Keeps everything in `folder`. `settings` are environment variables over those made here.

    Nothing of the caller's own settings or `.env` is read: only these.
    """

    def __init__(self, folder: Path, database_url: str, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PYTHONPATH": str(SOURCE),
            "DATABASE_URL": database_url,
            "DATA_FOLDER": str(folder / "data"),
            "AI_MESSAGE_LOGS_FOLDER": str(folder / "logs"),
            "LOG_LEVEL": "warning",
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def command(self, *arguments: str) -> None:
        """Run another command of the server's on the same database. Raises OwnServerError when it fails."""
        process = await self._start(*arguments)
        await process.wait()
        if process.returncode:
            words = self._last_words().removeprefix(f"parley {arguments[0]}: ")
            raise OwnServerError(f"parley {' '.join(arguments[:2])}: {words}")

    async def start(self) -> None:
        """Returns once the server is ready. Raises OwnServerError when it does not come to that."""
        self._process = await self._start(
            "serve", "--host", "127.0.0.1", "--port", str(self.port), "--migrate"
        )
        try:
            async with asyncio.timeout(START_WITHIN_S), aiohttp.ClientSession() as session:
                await self._ask_until_ready(self._process, session)
        except TimeoutError:
            await self.kill()
            raise OwnServerError(f"not ready within {START_WITHIN_S:.0f} s: {self._last_words()}") from None

    async def kill(self) -> None:
        """As a crash would: nothing is written or said any more."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """In order, and by force when that takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    @property
    def pid(self) -> int:
        """0 before its start."""
        return 0 if self._process is None else self._process.pid

    def cpu_s(self) -> float:
        """Processor time that it has used, in user and kernel mode."""
        text = self._proc("stat")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if fields else 0.0

    def rss_bytes(self) -> int:
        for line in self._proc("status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def _proc(self, name: str) -> str:
        """Empty when it does not run, or where there is no /proc."""
        if self._process is None:
            return ""
        try:
            return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="ascii")
        except OSError:
            return ""

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "server",
                *arguments,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _ask_until_ready(
        self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession
    ) -> None:
        while True:
            if process.returncode is not None:
                raise OwnServerError(f"the server ended at once: {self._last_words()}")
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{self.url}/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(_ASK_EVERY_S)

    @property
    def _output(self) -> Path:
        return self._folder / "server.out"

    def _last_words(self) -> str:
        lines = self._output.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
