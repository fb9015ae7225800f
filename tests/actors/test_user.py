"""A user's commands: their budget, their order, and their way to a channel."""

from typing import Any

import pytest

from actors.channel_commands import LookAt, PostMessage
from actors.streams import NO_STREAM
from actors.user import GREETED, User
from actors.user_mail import Attach
from protocol import commands
from protocol.errors import Code, Refused, Unavailable
from protocol.events import (
    Ack,
    ErrorEvent,
    MemberJoined,
    NewMessage,
    Pong,
    PresenceEvent,
    ReactionUpdate,
    Reset,
    SyncPage,
    UserUpdate,
)
from protocol.ids import ChannelId
from protocol.resources import PublicProfile
from tests.actors.scene import Listener, Scene, limited, scene
from tests.simulation.memory_store import Calm
from tests.simulation.seeds import changed


class Storm(Calm):
    """Calls of these names fail."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    async def before(self, call: str) -> None:
        if call in self.failing:
            raise Unavailable(call)


async def one_channel(on: Scene) -> tuple[Listener, Listener, ChannelId]:
    """Ann's channel with Bob, both connected."""
    ann, bob = on.user("ann"), on.user("bob")
    channel_id = on.store.add_channel(ann.id, "one", [bob.id])
    listeners = await on.attach(ann), await on.attach(bob)
    for listener in listeners:
        listener.take()
    return *listeners, channel_id


def send(channel_id: int, nonce: str = "n", **fields: Any) -> commands.Send:
    return commands.Send(id=nonce, content=f"text {nonce}", nonce=nonce, channel_id=channel_id, **fields)


def codes(events: list[Any]) -> list[Any]:
    return [event.code if isinstance(event, ErrorEvent) else type(event) for event in events]


async def test_a_command_costs_a_token_and_they_come_back() -> None:
    async with scene(limits=limited(2.0, 2)) as on:
        ann, _, _ = await one_channel(on)
        answers = [codes(await on.say(ann, commands.Ping())) for _ in range(3)]
        assert answers == [[Pong], [Pong], [Code.RATE_LIMITED]]
        refused = ann.only(ErrorEvent)[0]
        assert (refused.retryable, refused.retry_after_ms) == (True, 500)
        assert on.chat.budget(ann.user_id) == (2, 0, 1)
        await on.pass_s(0.5)
        assert on.chat.budget(ann.user_id) == (2, 1, 0.5)
        assert codes(await on.say(ann, commands.Ping())) == [Pong]


async def test_a_user_has_one_budget_over_all_transports() -> None:
    async with scene(limits=limited(1.0, 2)) as on:
        ann, _, channel_id = await one_channel(on)
        await on.ask(ann.profile, channel_id, PostMessage(content="x", nonce=None))
        await on.ask(ann.profile, channel_id, LookAt())
        await on.say(ann, commands.Ping())
        with pytest.raises(Refused) as refused:
            await on.ask(ann.profile, channel_id, PostMessage(content="x", nonce=None))
        assert refused.value.refusal.code is Code.RATE_LIMITED


async def test_a_budget_is_not_filled_by_falling_asleep() -> None:
    async with scene(limits=limited(0.001, 1), idle_after_s=120.0) as on:
        ann = on.user("ann")
        channel_id = on.store.add_channel(ann.id, "one")
        await on.ask(ann, channel_id, PostMessage(content="x", nonce=None))
        await on.pass_s(500.0)
        on.chat.system.sweep()
        with pytest.raises(Refused) as refused:
            await on.ask(ann, channel_id, PostMessage(content="x", nonce=None))
        assert refused.value.refusal.code is Code.RATE_LIMITED
        await on.pass_s(500.0)
        await on.ask(ann, channel_id, PostMessage(content="x", nonce=None))
        await on.pass_s(1000.0)
        on.chat.system.sweep()
        assert on.chat.system.actor(("user", ann.id)) is None


async def test_whoever_floods_for_long_loses_the_socket() -> None:
    async with scene(limits=limited(1.0, 1)) as on:
        ann, _, _ = await one_channel(on)
        for _ in range(13):
            for _ in range(3):
                await on.say(ann, commands.Ping())
            await on.pass_s(0.9)
        assert ann.closed is not None
        assert ann.closed[0] == 4429


async def test_a_pause_ends_a_flood() -> None:
    async with scene(limits=limited(1.0, 1)) as on:
        ann, _, _ = await one_channel(on)
        for _ in range(13):
            for _ in range(3):
                await on.say(ann, commands.Ping())
            await on.pass_s(1.5)
        assert ann.closed is None


async def test_without_a_limit_nothing_is_counted() -> None:
    async with scene() as on:
        ann, _, _ = await one_channel(on)
        for _ in range(50):
            on.send(ann, commands.Ping())
        await on.settle()
        assert codes(ann.heard) == [Pong] * 50
        assert on.chat.budget(ann.user_id) == (0, 0, 0)


async def test_a_budget_is_full_before_the_first_command() -> None:
    async with scene(limits=limited(1.0, 5)) as on:
        ann = on.user("ann")
        assert on.chat.budget(ann.id) == (5, 5, 0)
        await on.attach(ann)
        assert on.chat.budget(ann.id) == (5, 5, 0)


async def test_what_a_socket_cannot_ask_of_its_user_is_refused() -> None:
    async with scene() as on:
        ann, _, _ = await one_channel(on)
        assert codes(await on.say(ann, commands.Cancel(stream_id="s"))) == [NO_STREAM.code]
        assert codes(await on.say(ann, commands.Hello(token="t"))) == [GREETED.code]
        assert codes(await on.say(ann, commands.Auth(token="t"))) == [Ack]


async def test_commands_stay_in_order_while_one_is_looked_up() -> None:
    async with scene() as on:
        ann, bob, channel_id = await one_channel(on)
        on.send(ann, commands.Send(content="1", nonce="1", recipient_id=bob.user_id))
        on.send(ann, send(channel_id, "2"))
        on.send(ann, commands.Send(content="3", nonce="3", recipient_id=bob.user_id))
        on.send(ann, send(channel_id, "4"))
        await on.settle()
        direct = [event.message.content for event in bob.only(NewMessage) if event.channel_id != channel_id]
        own = [event.message.nonce for event in bob.only(NewMessage) if event.channel_id == channel_id]
        assert (direct, own) == (["1", "3"], ["2", "4"])


async def test_a_peers_channel_is_looked_up_once() -> None:
    async with scene() as on:
        ann, bob, _ = await one_channel(on)
        calls = []

        class Counting(Calm):
            async def before(self, call: str) -> None:
                calls.append(call)

        on.store._weather = Counting()
        for nonce in "abc":
            await on.say(ann, commands.Send(content=nonce, nonce=nonce, recipient_id=bob.user_id))
        assert calls.count("open_direct") == 1
        with changed(user__DIRECT_MAX_PEERS=1):
            cid = on.user("cid")
            await on.say(ann, commands.Send(content="d", nonce="d", recipient_id=cid.id))
            await on.say(ann, commands.Send(content="e", nonce="e", recipient_id=bob.user_id))
        assert calls.count("open_direct") == 3


async def test_nobody_writes_to_themselves_or_to_nobody() -> None:
    async with scene() as on:
        ann, _, _ = await one_channel(on)
        for recipient_id, code in ((ann.user_id, Code.INVALID), (404, Code.NOT_FOUND)):
            say = commands.Send(content="x", nonce=str(recipient_id), recipient_id=recipient_id)
            assert codes(await on.say(ann, say)) == [code]


async def test_a_database_that_is_gone_is_said_and_what_waited_goes_on() -> None:
    storm = Storm()
    async with scene(storm) as on:
        ann, bob, channel_id = await one_channel(on)
        storm.failing.add("open_direct")
        on.send(ann, commands.Send(content="x", nonce="1", recipient_id=bob.user_id))
        on.send(ann, send(channel_id, "2"))
        await on.settle()
        assert codes(ann.take()) == [Code.UNAVAILABLE, Ack, NewMessage]


async def test_looking_up_is_bounded() -> None:
    async with scene() as on:
        ann, _, channel_id = await one_channel(on)
        with changed(user__RESOLVING_MAX=2):
            for nonce in "abc":
                on.send(ann, send(channel_id, nonce, attachments=[1]))
            await on.settle()
        assert codes(ann.heard) == [Code.OVERLOADED, Code.INVALID, Code.INVALID]


async def test_files_and_reactions_are_looked_up() -> None:
    async with scene() as on:
        ann, _, channel_id = await one_channel(on)
        on.store.add_reaction("+1")
        await on.say(ann, send(channel_id))
        for code in ("+1", "+1", "none"):
            await on.say(ann, commands.React(message_id=1, channel_id=channel_id, code=code))
        kinds = codes(ann.take())
        assert kinds[2:] == [Ack, ReactionUpdate, Ack, Code.INVALID]


async def test_a_cursor_of_another_life_is_reset_before_its_pages() -> None:
    async with scene() as on:
        ann, _, channel_id = await one_channel(on)
        heard = await on.say(ann, commands.Sync(id="r", channel_id=channel_id, from_=1, epoch="another"))
        assert codes(heard) == [Reset, SyncPage]
        assert [page.from_ for page in ann.only(SyncPage)] == [0]
        same = await on.say(ann, commands.Sync(id="r", channel_id=channel_id, from_=1, epoch="epoch-1"))
        assert codes(same) == [SyncPage]


async def test_presence_is_shown_as_asked() -> None:
    async with scene() as on:
        ann, bob, _ = await one_channel(on)
        on.chat._presence.tell()
        bob.take()
        asked = [commands.Presence(status=status) for status in ("away", "invisible", "online")]
        for command, shown in zip(asked, ("away", "offline", "online"), strict=True):
            await on.say(ann, command)
            on.chat._presence.tell()
            assert [event.status for event in bob.only(PresenceEvent)] == [shown]
            assert on.chat.presence(ann.user_id) == shown
            bob.take()


async def test_a_new_profile_is_shown_and_used_at_once() -> None:
    async with scene() as on:
        ann, bob, _ = await one_channel(on)
        public = on.store.add_channel(bob.user_id, "two")
        await on.say(bob, commands.Ping())
        new = PublicProfile(ann.user_id, "anna")
        on.chat.profile_changed(new)
        await on.settle()
        assert bob.only(UserUpdate) == [UserUpdate(user=new)]
        await on.say(ann, commands.Join(channel_id=public))
        assert [event.user for event in bob.only(MemberJoined)] == [new]


async def test_a_new_name_can_be_mentioned_at_once_in_channels_that_are_awake_and_wakes_none() -> None:
    async with scene() as on:
        ann, bob, channel_id = await one_channel(on)
        asleep = on.store.add_channel(ann.user_id, "two")
        await on.say(bob, commands.Send(channel_id=channel_id, content="@ann", nonce="1"))
        anna = PublicProfile(ann.user_id, "Anna")
        on.store.tables.users[ann.user_id].profile = anna
        on.chat.profile_changed(anna)
        await on.settle()
        await on.say(bob, commands.Send(channel_id=channel_id, content="@ann @anna", nonce="2"))
        await on.say(bob, commands.Send(channel_id=channel_id, content="@ann", nonce="3"))
        mentions = [event.message.mentions for event in bob.only(NewMessage)]
        assert mentions == [(ann.user_id,), (ann.user_id,), ()]
        assert on.chat.system.actor(("channel", asleep)) is None


async def test_a_profile_that_cannot_be_shown_now_is_shown_later_by_ready() -> None:
    storm = Storm()
    async with scene(storm) as on:
        ann, bob, _ = await one_channel(on)
        storm.failing.add("ready_channels")
        on.chat.profile_changed(PublicProfile(ann.user_id, "anna"))
        await on.settle()
        assert bob.heard == []


async def test_a_user_without_sockets_or_commands_sleeps() -> None:
    async with scene(idle_after_s=10.0) as on:
        ann, bob, _ = await one_channel(on)
        on.chat.detach(bob)
        await on.settle()
        await on.pass_s(11.0)
        on.chat.system.sweep()
        assert isinstance(on.chat.system.actor(("user", ann.user_id)), User)
        assert on.chat.system.actor(("user", bob.user_id)) is None


async def test_a_failing_user_actor_sends_its_sockets_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene() as on:
        ann, bob, channel_id = await one_channel(on)

        def fail(*_: Any) -> None:
            raise ValueError("a bug")

        on.send(ann, send(channel_id, "1", attachments=[1]))
        with monkeypatch.context() as patch:
            patch.setattr(User, "_for_oneself", fail)
            on.send(ann, commands.Ping())
            late = Listener(ann.profile, 9)
            on.chat.attach(Attach(late, late.by, {}))
            await on.settle()
        assert codes(ann.take()) == [Code.INTERNAL, Code.INTERNAL]
        assert [listener.closed and listener.closed[0] for listener in (ann, late, bob)] == [1012, 1012, None]
        assert on.chat.fanout.connections_of(ann.user_id) == ()
        assert on.chat.presence(ann.user_id) == "offline"
