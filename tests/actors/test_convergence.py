"""Snapshot + events = fresh snapshot, for every kind of event."""

from typing import Any, get_args

import pytest
from msgspec import structs

from actors.channel_commands import (
    BeginDelivery,
    ChangeChannel,
    DeleteMessage,
    EditMessage,
    JoinChannel,
    LeaveChannel,
    MoveDelivery,
    PostMessage,
    ReactTo,
    RemoveMember,
    SetPrivacy,
    SetRole,
    Withdraw,
)
from protocol import commands
from protocol.events import Sequenced, SequencedEvent, SyncPage
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import PublicProfile
from tests.actors.scene import Listener, Scene, scene
from tests.simulation.replica import Replica

ONE = MessageId(1)
PLUS, MINUS = (
    ReactTo(message_id=ONE, reaction_id=1, code="+1", image_url=None, added=added) for added in (True, False)
)
BEGIN = BeginDelivery(message_id=ONE, transport="twilio", parts=2, sending=frozenset({0, 1}))
DELIVERY = "MessageUpdate of a delivery"
WITHDRAWAL = "RoleUpdated by the owner's withdrawal"


def changes(people: list[PublicProfile]) -> dict[str, list[tuple[int, Any]]]:
    """By event: who does what, after a message of Ann's in a channel of Ann, Bob and Cid."""
    ann, bob, cid, _ = people
    return {
        "NewMessage": [(0, PostMessage(content="new @bob", nonce="n", parent_id=ONE))],
        "MessageUpdate": [(0, EditMessage(message_id=ONE, content="edited @ann"))],
        DELIVERY: [
            (0, BEGIN),
            (0, MoveDelivery(message_id=ONE, part=1, state="queued", external_id="SM2", segments=1)),
            (0, MoveDelivery(message_id=ONE, part=1, state="failed", error_code="30003")),
            (0, MoveDelivery(message_id=ONE, part=0, state="undelivered", error_code="30005")),
            (0, EditMessage(message_id=ONE, content="edited")),
        ],
        "MessageDelete": [(1, PLUS), (0, BEGIN), (0, DeleteMessage(message_id=ONE))],
        "ReactionUpdate": [(0, PLUS), (1, PLUS), (0, MINUS), (2, PLUS)],
        "MemberJoined": [(3, JoinChannel())],
        "MemberLeft": [(0, RemoveMember(member=cid)), (1, LeaveChannel())],
        "RoleUpdated": [(0, SetRole(member=cid, role="admin")), (0, SetRole(member=bob, role="owner"))],
        WITHDRAWAL: [
            (0, SetRole(member=cid, role="owner")),
            (2, Withdraw(heir=ann)),
            (1, Withdraw(heir=None)),
        ],
        "ChannelUpdate": [
            (0, ChangeChannel(name="two", description="about")),
            (0, ChangeChannel(is_archived=True)),
        ],
        "PrivacyUpdated": [(0, SetPrivacy(is_private=True, join_code="c"))],
    }


async def snapshot(on: Scene, listener: Listener, channel_id: ChannelId) -> Replica:
    """The channel as somebody sees it who has just come."""
    heard = await on.say(listener, commands.Sync(id="s", channel_id=channel_id, from_=0))
    replica = Replica(channel_id, Seq(0))
    for page in heard:
        assert isinstance(page, SyncPage)
        replica.take_page(structs.replace(page, reply_to="s"))
    return replica


def kinds() -> list[str]:
    return [kind.__name__ for kind in get_args(SequencedEvent)]


@pytest.mark.parametrize("kind", [*kinds(), DELIVERY, WITHDRAWAL])
async def test_snapshot_and_events_are_a_fresh_snapshot(kind: str) -> None:
    async with scene() as on:
        people = [on.user(name) for name in ("ann", "bob", "cid", "dot")]
        ann, bob, cid, _ = people
        on.store.add_reaction("+1")
        channel_id = on.store.add_channel(ann.id, "one", [bob.id, cid.id])
        await on.ask(ann, channel_id, PostMessage(content="first @bob", nonce="1"))
        listener = await on.attach(ann)
        stayed = await snapshot(on, listener, channel_id)
        stayed.resume_at(stayed.applied)
        cursor = stayed.applied
        listener.take()
        for number, command in changes(people)[kind]:
            await on.ask(people[number], channel_id, command)
        await on.settle()
        events = [event for event in listener.take() if isinstance(event, Sequenced)]
        assert kind.partition(" ")[0] in {type(event).__name__ for event in events}
        for event in events:
            stayed.take_event(event)
        fresh = await snapshot(on, await on.attach(ann, 2), channel_id)
        assert stayed.picture() == fresh.picture()
        assert stayed.applied == fresh.applied

        away = await on.attach(ann, 3, cursors={channel_id: cursor})
        (page,) = away.only(SyncPage)
        assert (page.from_, page.to) == (cursor, fresh.applied)


async def test_the_direct_channel_of_a_deleted_user_is_as_a_fresh_snapshot_has_it() -> None:
    async with scene() as on:
        ann, bob = on.user("ann"), on.user("bob")
        listener = await on.attach(ann)
        direct = await on.chat.direct(listener.by, bob.id)
        await on.ask(ann, direct, PostMessage(content="hello", nonce="1"))
        stayed = await snapshot(on, listener, direct)
        stayed.resume_at(stayed.applied)
        listener.take()
        await on.ask(bob, direct, Withdraw(heir=None))
        await on.settle()
        for event in listener.take():
            if isinstance(event, Sequenced):
                stayed.take_event(event)
        fresh = await snapshot(on, await on.attach(ann, 2), direct)
        assert stayed.info is not None
        assert stayed.info.is_archived
        assert (stayed.picture(), stayed.applied) == (fresh.picture(), fresh.applied)
