"""Activation, sleep, supervision and the orderly end."""

import asyncio
import logging
from typing import Any

import pytest
from typing_extensions import override

from actors.actor import BROKEN, Actor, Cell
from actors.system import BACKOFF_MAX_S, DRAINING, OVERLOADED, System
from protocol.errors import Refusal
from tests.actors.scene import StillClock
from tests.actors.test_actor import Mail


class Worker(Actor):
    def __init__(self, key: int) -> None:
        self.key = key
        self.received: list[Any] = []
        self.ended: list[str] = []
        self.is_busy = False

    @property
    @override
    def is_idle(self) -> bool:
        return not self.is_busy

    @override
    def receive(self, mail: Any) -> None:
        self.received.append(mail)
        if mail == "fail" or getattr(mail, "name", "") == "fail":
            raise ValueError("a bug")

    @override
    def abandon(self, refusal: Refusal) -> None:
        self.ended.append(refusal.code)

    @override
    def sleep(self) -> None:
        self.ended.append("asleep")


class House:
    """A system of workers, and all that it ever made."""

    def __init__(self, *, max_mail: int = 100, restarts: bool = False) -> None:
        self.clock = StillClock()
        self.system = System(self.clock, idle_after_s=60.0)
        self.made: list[Worker] = []
        self.system.register("worker", self._make, max_mail=max_mail, restarts=restarts)

    def is_left_alone(self) -> bool:
        mail = Mail()
        self.system.offer(ONE, mail)
        return bool(mail.answers)

    def _make(self, key: int) -> Worker:
        self.made.append(Worker(key))
        return self.made[-1]


ONE = ("worker", 1)


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_actor_is_activated_by_its_first_mail_and_stays() -> None:
    house = House()
    assert house.system.actor(ONE) is None
    for mail in ("a", "b"):
        house.system.put(ONE, mail)
    await rest()
    (worker,) = house.made
    assert (worker.key, worker.received) == (1, ["a", "b"])
    assert house.system.actor(ONE) is worker
    assert len(house.system) == 1


async def test_an_idle_actor_sleeps_and_a_busy_one_does_not() -> None:
    house = House()
    for key in (1, 2):
        house.system.wake(("worker", key))
    await rest()
    house.made[1].is_busy = True
    house.clock.passed_s = 59.0
    house.system.sweep()
    assert len(house.system) == 2
    house.clock.passed_s = 61.0
    house.system.sweep()
    assert [worker.ended for worker in house.made] == [["asleep"], []]
    house.system.put(ONE, "again")
    assert len(house.made) == 3


async def test_an_actor_with_unread_mail_does_not_sleep() -> None:
    house = House()
    house.system.put(ONE, "mail")
    house.clock.passed_s = 61.0
    house.system.sweep()
    assert house.made[0].ended == []


async def test_how_much_mail_waits_is_told_by_kind() -> None:
    house = House()
    for _ in range(3):
        house.system.offer(ONE, Mail())
    assert house.system.depths() == {"worker": [3]}
    await rest()
    assert house.system.depths() == {"worker": [0]}


async def test_a_full_mailbox_is_refused_at_once() -> None:
    house = House(max_mail=1)
    mails = [Mail() for _ in range(3)]
    for mail in mails:
        house.system.offer(ONE, mail)
    assert [mail.answers for mail in mails] == [[], [OVERLOADED], [OVERLOADED]]


async def test_a_failure_ends_only_its_activation_and_the_next_mail_starts_a_fresh_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    unread = Mail()
    house.system.wake(("worker", 2))
    house.system.put(ONE, "fail")
    house.system.offer(ONE, unread)
    await rest()
    assert "worker:1 failed on str" in caplog.text
    assert unread.answers == [BROKEN]
    assert [(worker.key, worker.ended) for worker in house.made] == [(2, []), (1, ["internal"])]
    house.system.offer(ONE, "next")
    await rest()
    assert house.made[-1].received == ["next"]


async def test_repeated_failures_back_off_and_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    house, waits = House(), []
    for _ in range(14):
        house.system.put(ONE, "fail")
        await rest()
        start = house.clock.passed_s
        while house.is_left_alone():
            house.clock.passed_s += 0.05
        waits.append(house.clock.passed_s - start)
        await rest()
    assert waits[0] == 0.0
    assert waits[1] == pytest.approx(0.2, abs=0.06)
    assert waits[2] == pytest.approx(0.4, abs=0.06)
    assert max(waits) == pytest.approx(BACKOFF_MAX_S, abs=0.1)
    house.clock.passed_s += 2 * BACKOFF_MAX_S + 61.0
    house.system.sweep()
    house.system.put(ONE, "fail")
    await rest()
    fine = Mail()
    house.system.offer(ONE, fine)
    assert fine.answers == []


async def test_what_must_come_back_is_woken_again_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    house = House(restarts=True)
    house.system.put(ONE, "fail")
    await rest()
    assert len(house.made) == 2


async def test_mail_that_an_ended_activation_has_not_read_goes_to_the_next() -> None:
    house = House()
    unread = Mail()
    house.system.put(ONE, "a")
    house.system.put(ONE, unread)
    worker = house.made[0]
    worker.cell.end()
    await rest()
    assert worker.received == []
    assert house.made[1].received == [unread]


async def test_work_that_fails_comes_back_as_its_exception() -> None:
    house, results = House(), list[Any]()

    async def work(result: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    error = ValueError()
    for result in (1, error):
        house.system.run("work", work(result), results.append)
    await rest()
    assert results == [1, error]


async def test_a_task_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("a bug")

    House().system.spawn("some work", work())
    await rest()
    assert "task some work failed" in caplog.text


async def test_stopping_cancels_tasks_and_answers_everybody() -> None:
    house, results = House(), list[Any]()

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    house.system.run("never begun", wait(), results.append)
    house.system.put(ONE, "read")
    await rest()
    unread, late = Mail(), Mail()
    house.system.run("begun", wait(), results.append)
    house.system.offer(ONE, unread)
    await house.system.stop()
    house.system.offer(ONE, late)
    house.system.wake_later(ONE, 0.0)
    await rest()
    assert (unread.answers, late.answers, results) == ([], [DRAINING], [])
    assert house.made[0].received == ["read", unread]
    assert house.made[0].ended == ["draining"]
    assert len(house.system) == 0


async def test_ending_a_kind_answers_its_unread_mail() -> None:
    house = House()
    unread = Mail()
    house.system.offer(ONE, unread)
    house.system.end_all("worker")
    assert unread.answers == [DRAINING]


async def test_an_actor_of_no_kind_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    worker = Worker(0)
    Cell(("journal", 0), worker, house.system, max_mail=10)
    worker.cell.put("fail")
    await rest()
    worker.cell.put("again")
    await rest()
    assert worker.received == ["fail", "again"]
