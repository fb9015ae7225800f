"""Sockets of one user: `ready`, subscribing without a gap, falling behind and coming back, being ended."""

import asyncio
from typing import Any

from actors.catch_up import stream_changes
from actors.channel_commands import Done, JoinChannel, PostMessage, RemoveMember, Result
from actors.user_mail import Attach, Refresh
from protocol import commands
from protocol.errors import Refusal, Unavailable
from protocol.events import (
    AnyEvent,
    ChannelAdded,
    ChannelRemoved,
    Lagging,
    NewMessage,
    Ready,
    Reset,
    SessionEnded,
    SyncPage,
)
from protocol.ids import ChannelId, Seq, SessionId
from protocol.resources import PublicProfile
from tests.actors.scene import Listener, Scene, limited, scene
from tests.simulation.memory_store import Calm
from tests.simulation.seeds import changed


class Gate(Calm):
    """Calls of `name` wait, on the way there or back, until it is opened, or fail."""

    def __init__(self, name: str = "", *, on_the_way_back: bool = False) -> None:
        self.name = name
        self.fails = False
        self._on_the_way_back = on_the_way_back
        self.opened = asyncio.Event()

    async def before(self, call: str) -> None:
        if call == self.name and not self._on_the_way_back:
            await self._pass(call)

    async def after(self, call: str) -> None:
        if call == self.name and self._on_the_way_back:
            await self._pass(call)

    async def _pass(self, call: str) -> None:
        if self.fails:
            raise Unavailable(call)
        await self.opened.wait()


def kinds(events: list[AnyEvent]) -> list[type]:
    return [type(event) for event in events]


def listed(listener: Listener) -> list[int]:
    """The channels in the last `ready`."""
    return [channel.id for channel in listener.only(Ready)[-1].channels]


async def post(on: Scene, by: PublicProfile, channel_id: ChannelId, count: int = 1) -> None:
    for _ in range(count):
        await on.ask(by, channel_id, PostMessage(content="text", nonce=None))
    await on.settle()


async def two(on: Scene) -> tuple[PublicProfile, PublicProfile, ChannelId]:
    ann, bob = on.user("ann"), on.user("bob")
    return ann, bob, on.store.add_channel(ann.id, "one", [bob.id])


def fall_behind(on: Scene, listener: Listener) -> None:
    """As a socket does that has too much unsent."""
    listener.is_live = False
    listener.cursors = {**on.chat.fanout.unsubscribe_all(listener), **listener.cursors}


async def come_back(on: Scene, listener: Listener) -> None:
    on.chat.attach(Attach(listener, listener.by, {}, is_lagging=True))
    await on.settle()


async def test_ready_comes_first_and_then_live_events() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        listener = await on.attach(ann)
        await post(on, ann, channel_id)
        assert kinds(listener.heard) == [Ready, NewMessage]
        assert listed(listener) == [channel_id]


async def test_a_client_that_missed_nothing_is_told_so() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        listener = await on.attach(ann, cursors={channel_id: Seq(1)})
        page = listener.only(SyncPage)[0]
        assert (page.from_, page.to, page.messages, page.more) == (1, 1, (), False)


async def test_a_client_is_caught_up_from_memory() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        await post(on, bob, channel_id, 3)
        listener = await on.attach(ann, cursors={channel_id: Seq(2)})
        page = listener.only(SyncPage)[0]
        assert (page.from_, page.to, [message.seq for message in page.messages]) == (2, 4, [3, 4])
        await post(on, bob, channel_id)
        assert [event.seq for event in listener.only(NewMessage)] == [5]


async def test_a_client_is_caught_up_from_the_database_page_by_page() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        with changed(recent__RECENT_MAX_ROWS=2, channel_feed__PAGE_MAX_ROWS=3):
            await post(on, bob, channel_id, 9)
            listener = await on.attach(ann, cursors={channel_id: Seq(1)})
        pages = listener.only(SyncPage)
        assert [(page.from_, page.to, page.more) for page in pages] == [
            (1, 4, True),
            (4, 7, True),
            (7, 10, False),
            (10, 10, False),
        ]
        assert on.chat.fanout.is_subscribed(channel_id, listener)


async def test_a_channel_that_is_not_theirs_any_more_is_removed() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        await on.ask(ann, channel_id, RemoveMember(member=bob))
        listener = await on.attach(bob, cursors={channel_id: Seq(1), ChannelId(404): Seq(9)})
        assert listed(listener) == []
        removed = [(event.channel_id, event.reason) for event in listener.only(ChannelRemoved)]
        assert removed == [(channel_id, "not_visible"), (404, "not_visible")]


async def test_cursors_of_another_life_start_from_nothing() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        await post(on, bob, channel_id)
        listener = Listener(ann)
        on.chat.attach(Attach(listener, listener.by, {channel_id: Seq(1)}, epoch="another life"))
        await on.settle()
        assert kinds(listener.heard)[:2] == [Ready, Reset]
        assert listener.only(SyncPage)[0].from_ == 0


async def test_a_cursor_past_the_end_is_reset() -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        listener = await on.attach(ann, cursors={channel_id: Seq(99)})
        assert kinds(listener.heard)[:2] == [Ready, Reset]
        assert listener.only(SyncPage)[-1].to == 1
        assert on.chat.fanout.is_subscribed(channel_id, listener)


async def test_a_ready_that_a_change_overtook_is_read_again() -> None:
    gate = Gate("ready_channels", on_the_way_back=True)
    async with scene(gate) as on:
        ann, bob, _ = await two(on)
        other = on.store.add_channel(ann.id, "two")
        listener = Listener(bob)
        on.chat.attach(Attach(listener, listener.by, {}))
        await on.settle()
        await on.ask(bob, other, JoinChannel())
        gate.opened.set()
        await on.settle()
        assert len(listener.only(Ready)) == 1
        assert other in listed(listener)


async def test_a_ready_that_took_too_long_is_read_again() -> None:
    gate = Gate("ready_channels", on_the_way_back=True)
    async with scene(gate, idle_after_s=10.0) as on:
        ann, _, channel_id = await two(on)
        listener = Listener(ann)
        on.chat.attach(Attach(listener, listener.by, {}))
        await on.settle()
        on.store.add_channel(ann.id, "two")
        on.clock.passed_s += 6.0
        gate.opened.set()
        await on.settle()
        assert listed(listener) == [channel_id, 2]


async def test_a_client_whose_channels_cannot_be_read_is_sent_away() -> None:
    gate = Gate("ready_channels")
    gate.fails = True
    async with scene(gate) as on:
        listener = await on.attach(on.user("ann"))
        assert listener.closed is not None
        assert listener.closed[0] == 1012


async def test_a_client_that_cannot_be_caught_up_is_sent_away() -> None:
    gate = Gate("load_channel")
    gate.fails = True
    async with scene(gate) as on:
        ann, _, channel_id = await two(on)
        listener = await on.attach(ann, cursors={channel_id: Seq(0)})
        assert listener.closed is not None
        assert listener.closed[0] == 1012
        assert not listener.is_catching_up


async def test_a_socket_that_closed_while_its_ready_was_read_stays_closed() -> None:
    gate = Gate("ready_channels")
    async with scene(gate) as on:
        ann, _, _ = await two(on)
        closed, gone = Listener(ann, 1), Listener(ann, 2)
        for listener in (closed, gone):
            on.chat.attach(Attach(listener, listener.by, {}))
        await on.settle()
        closed.close(1000, "")
        on.chat.detach(gone)
        await on.settle()
        gate.opened.set()
        await on.settle()
        assert (closed.heard, gone.heard) == ([], [])
        assert on.chat.fanout.audience(ChannelId(1)) == []


async def test_more_sockets_than_allowed_are_refused() -> None:
    async with scene(limits=limited(20.0, 40, connections=2)) as on:
        ann = on.user("ann")
        listeners = [await on.attach(ann, number) for number in (1, 2, 3)]
        assert [listener.closed and listener.closed[0] for listener in listeners] == [None, None, 4429]
        on.chat.detach(listeners[0])
        await on.settle()
        assert (await on.attach(ann, 4)).closed is None


async def test_whoever_fell_behind_is_told_and_caught_up_from_there() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listener = await on.attach(ann)
        await post(on, bob, channel_id)
        fall_behind(on, listener)
        await post(on, bob, channel_id, 2)
        listener.take()
        await come_back(on, listener)
        assert kinds(listener.heard) == [Lagging, Ready, SyncPage]
        page = listener.only(SyncPage)[0]
        assert (page.from_, page.to) == (2, 4)
        await post(on, bob, channel_id)
        assert [event.seq for event in listener.only(NewMessage)] == [5]


async def test_coming_back_twice_changes_nothing() -> None:
    gate = Gate("ready_channels")
    async with scene(gate) as on:
        ann, bob, channel_id = await two(on)
        gate.opened.set()
        listener = await on.attach(ann)
        fall_behind(on, listener)
        await post(on, bob, channel_id)
        listener.take()
        for _ in range(3):
            on.chat.attach(Attach(listener, listener.by, {}, is_lagging=True))
        await on.settle()
        await come_back(on, listener)
        assert kinds(listener.heard) == [Lagging, Ready, SyncPage]


async def test_a_member_who_should_hear_and_does_not_gets_a_fresh_ready() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        listener, late = await on.attach(bob), Listener(bob, 2)
        on.chat.fanout.register(late)
        other = on.store.add_channel(ann.id, "two", [bob.id])
        listener.take()
        await post(on, ann, other)
        assert kinds(listener.heard)[:2] == [Lagging, Ready]
        assert listed(listener) == [channel_id, other]
        assert late.is_stale
        on.chat.system.put(("user", bob.id), Refresh(other))
        await on.settle()
        assert len(listener.only(Ready)) == 1


async def test_ended_sessions_are_told_why_and_closed() -> None:
    async with scene() as on:
        ann = on.user("ann")
        one, two_, three = [await on.attach(ann, number) for number in (1, 2, 3)]
        on.chat.end_sessions(ann.id, "logged_out", only=frozenset([SessionId(1)]))
        await on.settle()
        assert [listener.closed is not None for listener in (one, two_, three)] == [True, False, False]
        on.chat.end_sessions(ann.id, "password_changed", keep=SessionId(3))
        await on.settle()
        assert [listener.closed is not None for listener in (one, two_, three)] == [True, True, False]
        on.chat.end_sessions(ann.id, "disabled")
        await on.settle()
        assert [listener.closed and listener.closed[0] for listener in (one, two_, three)] == [
            4401,
            4401,
            4403,
        ]
        assert [event.reason for event in three.only(SessionEnded)] == ["disabled"]


async def test_the_last_socket_to_close_makes_its_user_offline() -> None:
    async with scene() as on:
        ann = on.user("ann")
        one, other = await on.attach(ann, 1), await on.attach(ann, 2)
        await on.say(one, commands.Presence(status="away"))
        seen = [on.chat.presence(ann.id)]
        for listener in (one, other, other):
            on.chat.detach(listener)
            await on.settle()
            seen.append(on.chat.presence(ann.id))
        assert seen == ["away", "away", "offline", "offline"]
        await on.attach(ann, 3)
        assert on.chat.presence(ann.id) == "online"


async def test_a_created_channel_appears_to_its_owner() -> None:
    async with scene() as on:
        ann = on.user("ann")
        live, late = await on.attach(ann), Listener(ann, 2)
        on.chat.fanout.register(late)
        channel_id = on.store.add_channel(ann.id, "new")
        channel = await on.store.view_channel(channel_id, ann.id)
        assert channel is not None
        for _ in range(2):
            on.chat.channel_opened(live.by, channel)
        assert [event.channel for event in live.only(ChannelAdded)] == [channel]
        assert late.is_stale


async def test_a_created_channel_that_others_entered_first_comes_with_a_fresh_ready() -> None:
    async with scene() as on:
        ann, bob = on.user("ann"), on.user("bob")
        live = await on.attach(ann)
        channel_id = on.store.add_channel(ann.id, "new")
        channel = await on.store.view_channel(channel_id, ann.id)
        assert channel is not None
        await on.ask(bob, channel_id, JoinChannel())
        on.chat.fanout.unsubscribe(channel_id, live)
        live.take()
        on.chat.channel_opened(live.by, channel)
        await on.settle()
        assert kinds(live.heard) == [Lagging, Ready]
        assert on.chat.fanout.is_subscribed(channel_id, live)


async def test_a_stream_of_changes_ends_with_its_reader() -> None:
    async with scene() as on:
        ann, bob, channel_id = await two(on)
        answers: list[Result] = []
        with changed(recent__RECENT_MAX_ROWS=1, channel_feed__PAGE_MAX_ROWS=2):
            await post(on, bob, channel_id, 6)
            gone = Listener(ann)
            gone.close(1000, "")
            await stream_changes(on.chat.system, gone, gone.by, channel_id, Seq(0), answers.append)
        assert len(answers) == 1
        assert isinstance(answers[0], Done)
        answers.clear()
        stranger = Listener(on.user("cid"))
        await stream_changes(on.chat.system, stranger, stranger.by, channel_id, Seq(0), answers.append)
        assert isinstance(answers[0], Refusal)


async def test_an_error_while_catching_up_sends_the_client_away(caplog: Any, monkeypatch: Any) -> None:
    async with scene() as on:
        ann, _, channel_id = await two(on)
        listener = Listener(ann)

        def fail(*_: Any) -> None:
            raise ValueError("a bug")

        monkeypatch.setattr("actors.catch_up.Resume", fail)
        on.chat.attach(Attach(listener, listener.by, {channel_id: Seq(0)}))
        await on.settle()
        assert listener.closed is not None
        assert "catch-up:ann-1 failed" in caplog.text


async def test_a_ready_that_is_ahead_of_memory_is_followed_by_what_is_being_committed() -> None:
    gate = Gate("commit", on_the_way_back=True)
    async with scene(gate) as on:
        ann, bob, channel_id = await two(on)
        asked = asyncio.ensure_future(post(on, bob, channel_id))
        await on.settle()
        listener = await on.attach(ann)
        assert [channel.last_seq for channel in listener.only(Ready)[0].channels] == [2]
        assert not on.chat.fanout.is_subscribed(channel_id, listener)
        gate.opened.set()
        await asked
        assert [(page.from_, page.to) for page in listener.only(SyncPage)] == [(2, 2)]
        assert listener.only(NewMessage) == []
        assert on.chat.fanout.is_subscribed(channel_id, listener)
