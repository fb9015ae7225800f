"""The pacer: as many calls as are due, each with the tick at which it was."""

import asyncio
import sys

import pytest

from loadtest.histogram import TICKS_PER_S, clock
from loadtest.pacer import Pacer


@pytest.mark.parametrize("platform", ["linux", "other"])
@pytest.mark.parametrize("rate", [200.0, 20_000.0])
async def test_calls_keep_the_rate_whatever_the_timer(
    platform: str, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    due: list[int] = []
    enough = asyncio.Event()

    def call(tick: int) -> None:
        due.append(tick)
        if len(due) == 50:
            enough.set()

    began = clock()
    pacing = Pacer(rate, call)
    async with asyncio.timeout(5):
        await enough.wait()
    pacing.stop()
    interval = TICKS_PER_S / rate
    assert due[49] - due[0] == pytest.approx(49 * interval, abs=1)
    assert began <= due[0]
    assert due[-1] <= clock()


async def test_a_stall_loses_no_call() -> None:
    due: list[int] = []
    pacing = Pacer(1000.0, due.append)
    until = clock() + TICKS_PER_S // 10
    while clock() < until:
        pass
    caught_up = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, caught_up.set)
    await caught_up.wait()
    pacing.stop()
    assert len(due) >= 100
