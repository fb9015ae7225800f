"""A loop in a thread of its own: what comes from there comes whole and in order, and ends when it should."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from server.side_loop import SideLoop, SideLoopStopped

PATIENCE_S = 10.0


class Source:
    """What is made over there; `begun` and `ended` are heard here."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.thread = ""

    async def count(self, limit: int) -> AsyncGenerator[int]:
        self.thread = threading.current_thread().name
        for number in range(limit):
            yield number

    async def fail(self) -> AsyncGenerator[int]:
        yield 1
        raise ValueError("no more")

    async def stay(self) -> AsyncGenerator[int]:
        try:
            yield 1
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.fixture
async def side() -> AsyncIterator[SideLoop]:
    side = SideLoop("side")
    yield side
    await side.close(nothing)


@pytest.fixture
def source() -> Source:
    return Source()


async def nothing() -> None:
    """As the last thing."""


async def heard_of(side: SideLoop, source: AsyncGenerator[int]) -> list[tuple[int, ...]]:
    async with aclosing(side.batches(lambda: source)) as batches:
        return [batch async for batch in batches]


def is_alive(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


async def test_all_pieces_come_in_order_and_few_batches(side: SideLoop, source: Source) -> None:
    batches = await heard_of(side, source.count(1000))
    assert [number for batch in batches for number in batch] == list(range(1000))
    assert batches[0] == (0,)
    assert len(batches) < 100
    assert source.thread == "side"


async def test_pieces_that_come_late_are_not_waited_for(side: SideLoop) -> None:
    go_on = threading.Event()

    async def slow() -> AsyncGenerator[int]:
        yield 1
        yield 2
        await asyncio.to_thread(go_on.wait, PATIENCE_S)
        yield 3

    async with aclosing(side.batches(slow)) as batches:
        assert await anext(batches) == (1,)
        assert await anext(batches) == (2,)
        go_on.set()
        assert await anext(batches) == (3,)


async def test_what_is_raised_there_is_raised_here_behind_what_came_before(
    side: SideLoop, source: Source
) -> None:
    async with aclosing(side.batches(source.fail)) as batches:
        assert await anext(batches) == (1,)
        with pytest.raises(ValueError, match="no more"):
            await anext(batches)


async def test_what_is_not_wanted_any_more_ends_there(side: SideLoop, source: Source) -> None:
    async with aclosing(side.batches(source.stay)) as batches:
        await anext(batches)
    assert source.ended.is_set()


async def test_a_timeout_here_ends_it_there(side: SideLoop, source: Source) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await heard_of(side, source.stay())
    assert source.ended.wait(PATIENCE_S)


async def test_who_is_cancelled_does_not_wait_for_what_does_not_end(
    side: SideLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.side_loop.CLOSE_WITHIN_S", 0.01)
    go_on = threading.Event()

    async def stuck() -> AsyncGenerator[int]:
        yield 1
        yield 2
        go_on.wait(PATIENCE_S)

    async with aclosing(side.batches(stuck)) as batches:
        await anext(batches)
    assert not go_on.is_set()
    go_on.set()


async def test_what_was_never_begun_can_be_cancelled(side: SideLoop, source: Source) -> None:
    hearing = asyncio.create_task(heard_of(side, source.count(1)))
    await asyncio.sleep(0)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
    assert await heard_of(side, source.count(1)) == [(0,)]


async def test_it_works_on_while_this_loop_is_busy(side: SideLoop) -> None:
    done = threading.Event()

    async def work() -> AsyncGenerator[int]:
        yield 1
        done.set()
        yield 2

    hearing = asyncio.create_task(heard_of(side, work()))
    await asyncio.sleep(0)
    assert done.wait(PATIENCE_S)
    assert sum(map(sum, await hearing)) == 3


async def test_closing_ends_what_is_under_way_and_the_thread(source: Source) -> None:
    side, closed = SideLoop("closing"), []

    async def last() -> None:
        closed.append(threading.current_thread().name)

    async with aclosing(side.batches(source.stay)) as batches:
        await anext(batches)
        await side.close(last)
        assert source.ended.is_set()
        with pytest.raises(SideLoopStopped):
            await anext(batches)
    assert closed == ["closing"]
    assert not is_alive("closing")


async def test_closed_it_starts_again_when_it_is_used(source: Source) -> None:
    side = SideLoop("again")
    assert not is_alive("again")
    await side.close(nothing)
    for _ in range(2):
        assert await heard_of(side, source.count(1)) == [(0,)]
        assert is_alive("again")
        await side.close(nothing)
        assert not is_alive("again")


async def test_closing_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.side_loop.STOP_WITHIN_S", 0.01)
    monkeypatch.setattr("server.side_loop.CLOSE_WITHIN_S", 0.01)
    go_on, side = threading.Event(), SideLoop("stuck")

    async def stuck() -> AsyncGenerator[int]:
        yield 1
        yield 2
        go_on.wait(PATIENCE_S)

    async with aclosing(side.batches(stuck)) as batches:
        await anext(batches)
        await side.close(nothing)
        go_on.set()
    assert "does not come to its end" in caplog.text
