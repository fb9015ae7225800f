import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from protocol.errors import Code, Refusal
from protocol.events import AnyEvent, Limits
from server.socket_registry import HEARTBEAT_S, SocketRegistry

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(65_536, 16_000, 20.0, 40, 1_048_576)


class StillClock:
    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s


class Recorder:
    """A socket that writes down what is done to it."""

    def __init__(self, expires_in_s: float = 0.0) -> None:
        self.slot = 0
        self.expires_at_s = START.timestamp() + expires_in_s if expires_in_s else 0.0
        self.done: list[str | int | Code] = []
        self.fails = False

    def _note(self, what: str | int | Code) -> None:
        self.done.append(what)
        if self.fails:
            raise LookupError(what)

    def flush(self) -> None:
        self._note("flush")

    def beat(self) -> None:
        self._note("beat")

    def close(self, code: int, reason: str) -> None:
        self._note(code)

    def abort(self) -> None:
        self.done.append("abort")

    def say(self, event: AnyEvent) -> None:
        self._note("say")

    def end_for(self, refusal: Refusal) -> None:
        self._note(refusal.code)

    @property
    def but_beats(self) -> list[str | int | Code]:
        return [each for each in self.done if each != "beat"]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def registry(clock: StillClock) -> SocketRegistry:
    return SocketRegistry(clock, LIMITS, max_sockets=3)


def add(registry: SocketRegistry, count: int = 1, expires_in_s: float = 0.0) -> list[Recorder]:
    sockets = [Recorder(expires_in_s) for _ in range(count)]
    for socket in sockets:
        registry.add(socket)
    return sockets


def pass_s(registry: SocketRegistry, clock: StillClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.passed_s += 1
        registry.tick()


# Room.


def test_there_is_room_for_so_many_and_again_when_one_leaves(registry: SocketRegistry) -> None:
    first, *_ = add(registry, 2)
    assert not registry.is_full
    add(registry)
    assert registry.is_full
    registry.remove(first)
    assert (registry.is_full, len(registry)) == (False, 2)


def test_leaving_twice_counts_once(registry: SocketRegistry) -> None:
    first, second = add(registry, 2)
    registry.remove(first)
    registry.remove(first)
    assert (len(registry), registry.all()) == (1, [second])


def test_there_is_no_room_once_new_ones_are_refused(registry: SocketRegistry) -> None:
    registry.refuse_new()
    assert registry.is_full


async def test_whoever_waits_for_the_last_one_hears_of_it(registry: SocketRegistry) -> None:
    first, second = add(registry, 2)
    waiting = asyncio.ensure_future(registry.emptied())
    await asyncio.sleep(0)
    registry.remove(first)
    await asyncio.sleep(0)
    assert not waiting.done()
    registry.remove(second)
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(registry.emptied(), 1)


async def test_whoever_gave_up_waiting_is_left_alone(registry: SocketRegistry) -> None:
    (socket,) = add(registry)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(registry.emptied(), 0.001)
    registry.remove(socket)
    assert len(registry) == 0


# Heartbeats.


def test_each_socket_hears_one_heartbeat_in_each_period(registry: SocketRegistry, clock: StillClock) -> None:
    sockets = add(registry, 60)
    pass_s(registry, clock, 2 * HEARTBEAT_S)
    assert {tuple(socket.done) for socket in sockets} == {("beat", "beat")}


def test_heartbeats_stay_even_while_sockets_come_and_go(registry: SocketRegistry) -> None:
    sockets = add(registry, 2 * HEARTBEAT_S)
    for socket in sockets:
        registry.remove(socket)
        add(registry)
    assert set(Counter(socket.slot for socket in registry.all()).values()) == {2}


# Deadlines.


def test_who_does_not_say_hello_is_closed_after_ten_seconds(
    registry: SocketRegistry, clock: StillClock
) -> None:
    silent, polite = add(registry, 2)
    registry.await_hello(silent)
    registry.await_hello(polite)
    registry.greeted(polite)
    pass_s(registry, clock, 9)
    assert silent.but_beats == []
    pass_s(registry, clock, 20)
    assert (silent.but_beats, polite.but_beats) == ([4408], [])


def test_who_is_behind_for_thirty_seconds_is_closed(registry: SocketRegistry, clock: StillClock) -> None:
    slow, recovered = add(registry, 2)
    registry.congested(slow)
    registry.congested(recovered)
    pass_s(registry, clock, 20)
    registry.congested(slow)
    registry.drained(recovered)
    pass_s(registry, clock, 9)
    assert slow.but_beats == []
    pass_s(registry, clock, 1)
    assert (slow.but_beats, recovered.but_beats) == ([4410], [])


def test_who_does_not_take_part_in_closing_is_let_go(registry: SocketRegistry, clock: StillClock) -> None:
    (socket,) = add(registry)
    registry.closing(socket)
    pass_s(registry, clock, 4)
    assert socket.but_beats == []
    pass_s(registry, clock, 3)
    assert socket.but_beats == ["abort"]


def test_credentials_end_when_they_expire(registry: SocketRegistry, clock: StillClock) -> None:
    (lasting,) = add(registry)
    (socket,) = add(registry, expires_in_s=5.5)
    pass_s(registry, clock, 5)
    assert socket.but_beats == []
    pass_s(registry, clock, 5)
    assert (socket.but_beats, lasting.but_beats) == ([Code.TOKEN_EXPIRED], [])


def test_credentials_that_were_renewed_end_later(registry: SocketRegistry, clock: StillClock) -> None:
    (socket,) = add(registry, expires_in_s=5)
    socket.expires_at_s += 10
    registry.expires(socket)
    pass_s(registry, clock, 14)
    assert socket.but_beats == []
    pass_s(registry, clock, 1)
    assert socket.but_beats == [Code.TOKEN_EXPIRED]


def test_nothing_is_due_for_who_has_left_and_nothing_of_it_is_kept(
    registry: SocketRegistry, clock: StillClock
) -> None:
    (socket,) = add(registry, expires_in_s=5)
    for due in (registry.await_hello, registry.congested, registry.closing):
        due(socket)
    registry.remove(socket)
    pass_s(registry, clock, 60)
    assert socket.done == []
    kept = [value for value in vars(registry).values() if isinstance(value, dict | list)]
    assert socket not in [each for value in kept for each in value]


# Writing.


async def test_all_that_is_written_in_one_tick_is_flushed_once(registry: SocketRegistry) -> None:
    first, second = add(registry, 2)
    registry.mark_dirty(first)
    registry.mark_dirty(second)
    assert first.done == []
    await asyncio.sleep(0)
    assert first.done == second.done == ["flush"]
    registry.mark_dirty(first)
    await asyncio.sleep(0)
    assert first.done == ["flush", "flush"]


# Failures.


async def test_a_socket_that_fails_is_let_go_and_hurts_no_other(
    registry: SocketRegistry, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    failing, well = add(registry, 2)
    failing.fails = True
    for socket in (failing, well):
        registry.mark_dirty(socket)
        registry.await_hello(socket)
    with caplog.at_level(logging.ERROR, "server"):
        await asyncio.sleep(0)
        pass_s(registry, clock, 30)
    assert failing.done == ["flush", "abort", 4408, "abort", "beat", "abort"]
    assert well.done == ["flush", "beat", 4408, "beat"]
    assert {record.getMessage() for record in caplog.records} == {"a socket failed and is let go"}


async def test_the_timer_ticks_until_it_is_cancelled(
    registry: SocketRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = asyncio.Semaphore(0)
    monkeypatch.setattr("server.socket_registry.TICK_S", 0.0)
    monkeypatch.setattr(registry, "tick", ticks.release)
    running = asyncio.ensure_future(registry.run())
    for _ in range(3):
        await asyncio.wait_for(ticks.acquire(), 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
