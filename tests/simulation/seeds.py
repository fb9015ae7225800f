"""Runs seeds. `PARLEY_SEED=123 pytest tests/simulation -k one_seed` runs one again, with all its noise."""

import asyncio
import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from typing_extensions import override

from actors.announce import Announcement
from actors.known_messages import KnownMessages
from actors.open_channel import OpenChannel
from protocol.errors import Unavailable
from tests.simulation import loop
from tests.simulation.ancestry import Ancestry
from tests.simulation.memory_store import MemoryStore
from tests.simulation.swarm import Swarm, draw
from tests.simulation.world import World

SHOW_LOG = "PARLEY_SEED" in os.environ


class SeedFailedError(AssertionError):
    """A seed that fails; says how to run it again."""


class BugError(Exception):
    """A bug in a handler, thrown in by the simulation."""


def run_seed(seed: int, make_store: Callable[..., MemoryStore] = MemoryStore) -> None:
    """Raises `SeedFailedError` from whatever broke."""
    random = Random(seed)
    swarm = draw(random)

    bugs, ancestry = Bugs(swarm.odds.bug, random), Ancestry()

    async def live() -> None:
        await World(swarm, random, ancestry, bugs.stop, make_store).run()

    try:
        with small_limits(swarm), bugs.around(), errors_count(), ancestry.watched():
            loop.run(live, random, first_come=swarm.odds.first_come, grid_s=swarm.odds.grid_s)
    except Exception as error:
        again = f"PARLEY_SEED={seed} pytest tests/simulation -k one_seed"
        raise SeedFailedError(f"seed {seed} is broken; `{again}` runs it again: {error}") from error


def run_many(seeds: Iterable[int]) -> None:
    """Raises `SeedFailedError` from the first that broke."""
    for seed in seeds:
        run_seed(seed)


def first_broken(seeds: Iterable[int], make_store: Callable[..., MemoryStore] = MemoryStore) -> int | None:
    """The first of these seeds that fails."""
    for seed in seeds:
        try:
            run_seed(seed, make_store)
        except SeedFailedError:
            return seed
    return None


@contextmanager
def changed(**values: Any) -> Iterator[None]:
    """Set `module__NAME`s of the actors for a while."""
    before = []
    for key, value in values.items():
        module_name, name = key.split("__")
        module = importlib.import_module(f"actors.{module_name}")
        before.append((module, name, getattr(module, name)))
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@contextmanager
def small_limits(swarm: Swarm) -> Iterator[None]:
    """Limits that a short run reaches."""
    with changed(
        recent__RECENT_MAX_ROWS=swarm.recent_rows,
        known_messages__OLDER_MAX_MESSAGES=2,
        channel_feed__PAGE_MAX_ROWS=swarm.page_rows,
        channel_reads__PAGE_MAX_ROWS=swarm.page_rows,
        journal__COMMIT_MAX_FACTS=4,
        chat__SWEEP_EVERY_S=1.0,
        chat__PRESENCE_EVERY_S=1.0,
        outbox__LEASE_S=3.0,
        outbox__EXTEND_EVERY_S=1.0,
        outbox__LOOK_EVERY_S=2.0,
        outbox__CUT_OFF_AFTER_S=0.2,
        outboxes__random=Random(swarm.actions),
    ):
        yield


class Errors(logging.Handler):
    """Whatever the actors log as an error is a failure of the run, unless the simulation made it."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno >= logging.ERROR and not isinstance(error, BugError | Unavailable):
            context = {"message": record.getMessage(), "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


@contextmanager
def errors_count() -> Iterator[None]:
    log, handler = logging.getLogger("actors"), Errors()
    propagate, log.propagate = log.propagate, SHOW_LOG
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


class Bugs:
    """Now and then a handler of the channel actor raises: before its work, or after what answers nobody."""

    places: Final[list[tuple[Any, str, float]]] = [
        (OpenChannel, "handle", 0.0),
        (OpenChannel, "_answer", 0.0),
        (KnownMessages, "learn", 0.5),
        (Announcement, "make", 0.5),
    ]

    def __init__(self, odds: float, random: Random) -> None:
        self._odds = odds
        self._random = random

    def stop(self) -> None:
        self._odds = 0.0

    @contextmanager
    def around(self) -> Iterator[None]:
        originals = [getattr(owner, name) for owner, name, _ in self.places]
        try:
            for owner, name, after in self.places if self._odds else ():
                setattr(owner, name, self._sometimes_broken(getattr(owner, name), after))
            yield
        finally:
            for (owner, name, _), original in zip(self.places, originals, strict=True):
                setattr(owner, name, original)

    def _sometimes_broken(self, original: Any, after: float) -> Any:
        def work(*args: Any) -> Any:
            if self._random.random() < self._odds:
                raise BugError
            result = original(*args)
            if self._random.random() < self._odds * after:
                raise BugError
            return result

        return work
