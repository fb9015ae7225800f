"""The run's side of one worker process: orders out, reports in."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TypeVar, cast

from loadtest.own_server import SOURCE
from loadtest.plan import (
    Connected,
    Drain,
    Failed,
    Go,
    Order,
    Outcome,
    Progress,
    Stop,
    Stopped,
    WorkerPlan,
    decode_report,
    encode,
)

CLOSE_WITHIN_S = 5.0
REPORT_MAX_BYTES = 16 * 1024 * 1024

Kind = TypeVar("Kind", Connected, Stopped, Outcome)


class WorkerError(Exception):
    """A worker cannot go on. Its text says why, in one line."""


class WorkerProcess:
    """`on_progress` is called with each report of progress while another report is waited for."""

    def __init__(
        self, process: asyncio.subprocess.Process, on_progress: Callable[[Progress | Connected], None]
    ) -> None:
        self._process = process
        self._orders = cast("asyncio.StreamWriter", process.stdin)
        self._reports = cast("asyncio.StreamReader", process.stdout)
        self._on_progress = on_progress

    @classmethod
    async def start(
        cls, plan: WorkerPlan, on_progress: Callable[[Progress | Connected], None]
    ) -> "WorkerProcess":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.worker",
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=REPORT_MAX_BYTES,
            # What is typed at the terminal is for the run, which then ends its processes.
            start_new_session=True,
        )
        worker = cls(process, on_progress)
        await worker._write(encode(plan))
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    async def connected(self, everybody: int) -> None:
        while (await self._next(Connected)).count < everybody:
            pass

    async def go(self) -> None:
        await self._order(Go())

    async def watch(self) -> None:
        """Pass progress on for as long as the run lasts: cancel it before another report is asked for."""
        while True:
            await self._next(Stopped)

    async def stop(self) -> dict[int, int]:
        await self._order(Stop())
        return (await self._next(Stopped)).targets

    async def drain(self, targets: dict[int, int]) -> Outcome:
        await self._order(Drain(targets))
        return await self._next(Outcome)

    async def close(self) -> None:
        self._orders.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _order(self, order: Order) -> None:
        await self._write(encode(order))

    async def _write(self, line: bytes) -> None:
        try:
            self._orders.write(line + b"\n")
            await self._orders.drain()
        except ConnectionError:
            raise WorkerError("a client process ended") from None

    async def _next(self, kind: type[Kind]) -> Kind:
        while True:
            line = await self._reports.readline()
            if not line:
                raise WorkerError("a client process ended")
            report = decode_report(line)
            if isinstance(report, Progress | Connected):
                self._on_progress(report)
            if isinstance(report, kind):
                return report
            if isinstance(report, Failed):
                raise WorkerError(report.reason)
