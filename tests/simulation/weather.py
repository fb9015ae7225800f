"""What happens between one process and the database: delays, failures, and commits of unknown outcome."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from protocol.errors import Unavailable
from protocol.facts import Part, PartResult
from tests.simulation.memory_store import MemoryStore
from tests.simulation.swarm import Odds

WRITES = ("take", "extend", "settle")


class DatabasePort:
    """One process's way to the store, in all weathers.

    `is_calm` ends the faults. A port that is held answers nothing until it is let go; one that is cut never
    does, as for a process that was killed.
    """

    def __init__(self, store: MemoryStore, odds: Odds, random: Random) -> None:
        self._store = store
        self._odds = odds
        self._random = random
        self._late: set[asyncio.Task[Any]] = set()
        self._opened = asyncio.Event()
        self._opened.set()
        self.is_calm = False
        self.is_shared = True
        self.is_cut = False

    def hold(self) -> None:
        self._opened.clear()

    def let_go(self) -> None:
        if not self.is_cut:
            self._opened.set()

    def cut(self) -> None:
        self.is_cut = True
        self._opened.clear()

    async def commit(self, parts: Sequence[Part]) -> list[PartResult]:
        odds = self._odds
        await self._pass()
        if self._happens(odds.commit_lands_late):
            self._land_late(parts)
            raise Unavailable("the connection broke")
        if self._happens(odds.commit_fails):
            raise Unavailable("nothing was committed")
        results = await self._store.commit(parts)
        if self._happens(odds.commit_is_unclear):
            raise Unavailable("the answer was lost")
        await self._pass_back()
        return results

    def __getattr__(self, name: str) -> Any:
        """Everything else is reading, or as harmless but for `WRITES`."""
        call = getattr(self._store, name)

        async def read(*args: Any) -> Any:
            await self._pass()
            if self._happens(self._odds.read_fails):
                raise Unavailable("cannot be read")
            result = await call(*args)
            if name in WRITES and self._happens(self._odds.commit_is_unclear):
                raise Unavailable("the answer was lost")
            await self._pass_back()
            return result

        return read

    def _land_late(self, parts: Sequence[Part]) -> None:
        async def land() -> None:
            await asyncio.sleep(self._random.expovariate(1 / 0.05))
            await self._store.commit(parts)

        task = asyncio.ensure_future(land())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _happens(self, odds: float) -> bool:
        return not self.is_calm and bool(odds) and self._random.random() < odds

    async def _pass_back(self) -> None:
        """An answer may be old news when it comes."""
        if self._happens(self._odds.slow_answer):
            await asyncio.sleep(self._random.expovariate(1 / 0.15))
        await self._pass()

    async def _pass(self) -> None:
        """The way there or back takes its time."""
        delay_s = self._random.expovariate(1 / self._odds.latency_s)
        if self._happens(self._odds.stall):
            delay_s += self._random.uniform(0.1, 3.0)
        await asyncio.sleep(delay_s)
        await self._opened.wait()
