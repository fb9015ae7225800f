"""The indexer follows what is said, rests between, and outlives what goes wrong."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from types import SimpleNamespace

import pytest

from protocol.errors import Unavailable
from protocol.ids import ChannelId, Seq
from server import search_indexing
from server.clock import SystemClock
from server.search_indexing import (
    BUSY_REST_RATIO,
    IDLE_REST_RATIO,
    LOOK_EVERY_S,
    PAGE_CHANGES,
    catch_up,
    keep_index,
)
from storage.engine import Database
from storage.search_index import FIRST, Range, SearchIndex
from tests.storage.conftest import database
from tests.storage.people import Chat
from tests.storage.searching import find

__all__ = ["database"]

CLOCK = SystemClock()


class ScriptedIndex(SearchIndex):
    """One channel that is far behind, an indexer that may fail, and what it was asked."""

    def __init__(self, last_seq: int = 3, follow: Callable[[], bool] = lambda: True) -> None:
        self.last_seq = Seq(last_seq)
        self.at = Seq(0)
        self.asked = asyncio.Semaphore(0)
        self.pages: list[Sequence[Range]] = []
        self._follow = follow

    async def behind(self, *, after: ChannelId = FIRST, limit: int = 1_000) -> list[Range]:
        self.asked.release()
        is_behind = self.at < self.last_seq and after < 1
        return [Range(ChannelId(1), self.at, self.last_seq)] if is_behind else []

    async def follow(self, ranges: Sequence[Range], now: datetime) -> bool:
        self.pages.append(ranges)
        if self._follow():
            self.at = ranges[-1].to
            return True
        return False


async def test_everything_that_was_said_is_found_after_catching_up(database: Database) -> None:
    chat = await Chat.of(database, "ann")
    for name in ("one", "two"):
        await chat.say(await chat.channel(name), f"hello {name}")
    await catch_up(SearchIndex(database), CLOCK)
    assert sorted(await find(chat, "hello")) == ["hello one", "hello two"]
    assert await SearchIndex(database).behind() == []


async def test_a_long_way_is_gone_in_short_steps() -> None:
    index = ScriptedIndex(last_seq=PAGE_CHANGES * 3 + 1)
    await catch_up(index, CLOCK)
    assert [sum(each.to - each.after for each in page) for page in index.pages] == [PAGE_CHANGES] * 3 + [1]
    assert index.at == index.last_seq


async def test_it_stops_while_another_process_is_at_it() -> None:
    index = ScriptedIndex(last_seq=PAGE_CHANGES * 3, follow=lambda: False)
    await catch_up(index, CLOCK)
    assert len(index.pages) == 1


async def test_it_gives_way_while_somebody_waits_for_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, rests = itertools.count(), list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if seconds == LOOK_EVERY_S:
            raise asyncio.CancelledError

    monkeypatch.setattr(search_indexing, "time", SimpleNamespace(perf_counter=lambda: float(next(looks))))
    monkeypatch.setattr(search_indexing, "asyncio", SimpleNamespace(sleep=rest))
    is_busy = iter([False, True, False])
    with pytest.raises(asyncio.CancelledError):
        await keep_index(ScriptedIndex(last_seq=PAGE_CHANGES * 3), CLOCK, lambda: next(is_busy))
    assert rests == [IDLE_REST_RATIO, BUSY_REST_RATIO, IDLE_REST_RATIO, LOOK_EVERY_S]


@pytest.mark.parametrize("error", [Unavailable("away"), ValueError("a bug")])
async def test_whatever_goes_wrong_it_goes_on_later(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(search_indexing, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(search_indexing, "AFTER_BUG_S", 0.0)
    errors = [error]

    def fail_once() -> bool:
        if errors:
            raise errors.pop()
        return True

    index = ScriptedIndex(follow=fail_once)
    task = asyncio.create_task(keep_index(index, CLOCK, lambda: False))
    while index.at < index.last_seq:
        await index.asked.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.levelno for record in caplog.records] == [
        logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
    ]
