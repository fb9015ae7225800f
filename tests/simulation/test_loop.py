"""The simulated loop: any order, one order for each seed, and time that passes only when nothing is ready."""

import asyncio
from random import Random

import pytest

from tests.simulation.loop import run


async def note_order(count: int) -> list[int]:
    order: list[int] = []
    for number in range(count):
        asyncio.get_running_loop().call_soon(order.append, number)
    await asyncio.sleep(1.0)
    return order


def test_a_seed_is_an_order() -> None:
    orders = [run(lambda: note_order(6), Random(seed)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[2]) == list(range(6))


def test_first_come_first_served_is_an_order_too() -> None:
    assert run(lambda: note_order(6), Random(1), first_come=1.0) == list(range(6))


def test_time_jumps_to_the_next_timer() -> None:
    async def wait() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(5))
        return before, loop.time()

    assert run(wait, Random(1)) == (0.0, 1000.0)


def test_futures_timeouts_and_cancellation_work_in_any_order() -> None:
    async def work() -> list[str]:
        loop = asyncio.get_running_loop()
        never: asyncio.Future[None] = loop.create_future()
        told: asyncio.Future[str] = loop.create_future()
        loop.call_later(1, told.set_result, "told")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never, 3)
        task = asyncio.ensure_future(asyncio.sleep(99))
        await asyncio.sleep(0)
        task.cancel()
        results = await asyncio.gather(told, task, return_exceptions=True)
        return [type(result).__name__ for result in results]

    for seed in range(20):
        assert run(work, Random(seed)) == ["str", "CancelledError"]


def test_waiting_for_nothing_is_an_error() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="never happen"):
        run(wait, Random(1))


def test_going_round_in_circles_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.loop.STEPS_MAX", 100)

    async def spin() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="no rest"):
        run(spin, Random(1))


def test_an_exception_that_nobody_catches_fails_the_run() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(work, Random(1))


def test_whoever_waits_for_what_is_left_hears_of_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        for name in "abc":
            task = asyncio.get_running_loop().create_task(asyncio.sleep(99), name=name)
            task.add_done_callback(lambda task: ended.append(task.get_name()))

    for seed in range(20):
        run(work, Random(seed))
    assert sorted(ended) == sorted("abc" * 20)
