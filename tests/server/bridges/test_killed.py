"""Killed between every two steps of delivering, and started again: everything is sent, and nothing twice."""

import inspect
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from actors.channel_commands import Identity, PostMessage
from actors.jobs import Outcome
from actors.outbox_state import settlement_of
from protocol.jobs import BRIDGE_JOBS
from protocol.resources import PublicProfile
from server.bridges.deliverer import Deliverer
from server.bridges.switchboard import Switchboard
from server.settings import Settings
from storage.deliveries import Deliveries
from tests.server.bridges.texting import PUBLIC_URL, Texting, texting
from tests.server.rest.client import Api

ANNS = "+15005550001"
LONG = "one " * 500
STEPS_MAX = 100


class KilledError(BaseException):
    """The process is gone."""


class Steps:
    """Counts what is done, and ends the process before step `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.done = 0

    def step(self) -> None:
        if self.done == self.last:
            raise KilledError
        self.done += 1


class Watched:
    """Something whose every call is two steps: one before it, one after it."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any) -> Any:
            self._steps.step()
            result = await found(*args)
            self._steps.step()
            return result

        return call


class Process:
    """One life of the deliverer over the same database."""

    def __init__(self, sms: Texting, steps: Steps) -> None:
        context = sms.home.context
        self._sms = sms
        self._board = Switchboard(context.settings, context.database, context.chat, context.clock)
        bridges: dict[Any, Any] = {each.name: Watched(each, steps) for each in self._board.bridges}
        chat: Any = Watched(context.chat, steps)
        deliveries: Any = Watched(Deliveries(context.database), steps)
        self._deliverer = Deliverer(
            BRIDGE_JOBS["twilio"], bridges, chat, deliveries, context.clock, public_url=PUBLIC_URL
        )

    async def run(self) -> None:
        """Do all that is due; what has to wait waits on the clock."""
        outbox, clock = self._sms.home.context.outbox, self._sms.home.clock
        for _ in range(STEPS_MAX):
            now = clock.now()
            due = await outbox.take("sms", 1, now, now + timedelta(seconds=30))
            for job in due.jobs:
                await self._settle(job, await self._deliverer.work(job))
            if not due.jobs:
                if due.next_at is None:
                    return
                clock.moved_s += max(0.1, (due.next_at - now).total_seconds())
        raise AssertionError("it does not come to an end")

    async def _settle(self, job: Any, outcome: Outcome) -> None:
        now = self._sms.home.clock.now()
        settlement = settlement_of(outcome, job, self._deliverer.retries, now, 0.0)
        assert await self._sms.home.context.outbox.settle([settlement], now)

    async def close(self) -> None:
        await self._board.close()


@pytest.fixture
async def idle(quick_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Texting]:
    """A server that delivers nothing by itself."""
    monkeypatch.setattr(Switchboard, "open", lambda self: None)
    async with texting(quick_settings) as sms:
        yield sms


async def converse(sms: Texting, number: int) -> Api:
    """Somebody writes and has two answers coming, the second in two parts."""
    phone = f"+1500555{number:04d}"
    person = await sms.person(f"person{number}", phone)
    await sms.text(phone, "Hello?")

    async def is_answered() -> bool:
        return len(await sms.chat_of(person)) == 2

    await sms.until(is_answered)
    answered = (await sms.chat_of(person))[-1]
    by = Identity(PublicProfile(answered["sender_id"], "assistant"))
    more = PostMessage(content=f"{number} {LONG}", nonce=f"n{number}", via="agent")
    await sms.home.context.chat.ask(by, answered["channel_id"], more)
    return person


async def lives(sms: Texting, last: int | None) -> bool:
    """Whether the deliverer got to the end before step `last`; it is started again if not."""
    process = Process(sms, Steps(last))
    try:
        await process.run()
    except KilledError:
        return False
    finally:
        await process.close()
    return True


async def test_whenever_it_is_killed_everything_is_sent_once(idle: Texting) -> None:
    sent = 0
    for last in range(STEPS_MAX):
        person = await converse(idle, last)
        was_killed = not await lives(idle, last)
        if was_killed:
            assert await lives(idle, None)
        texts = idle.phone.texts[sent:]
        sent += len(texts)
        assert len(texts) == 3, f"killed before step {last}"
        assert "".join(texts[1:]) == f"{last} {LONG}"
        first, second = [await idle.delivery_of(person, number) for number in (0, 1)]
        assert first["state"] == second["state"] == "queued"
        assert second["parts"] == [{"state": "queued", "error_code": None}] * 2
        if not was_killed:
            assert last > 20
            return
    raise AssertionError("it never came to its end")


async def test_killed_twice_in_one_message_everything_is_sent_once(idle: Texting) -> None:
    for number, (one, two) in enumerate([(9, 9), (13, 5), (13, 9), (9, 13), (21, 13)]):
        await converse(idle, number)
        before = len(idle.phone.sent)
        assert not await lives(idle, one)
        await lives(idle, two)
        await lives(idle, None)
        after = len(idle.phone.sent)
        assert after <= 3 * (number + 1)
        assert before <= after
    assert len(idle.phone.sent) == 15


async def test_what_was_under_way_at_a_crash_has_a_minute_to_arrive(idle: Texting) -> None:
    await converse(idle, 1)
    context, clock = idle.home.context, idle.home.clock
    now = clock.now()
    assert (await context.outbox.take("sms", 1, now, now + timedelta(seconds=30))).jobs
    # Nobody settles it.
    began_s = clock.moved_s
    assert await lives(idle, None)
    assert len(idle.phone.sent) == 3
    assert clock.moved_s - began_s >= 60
