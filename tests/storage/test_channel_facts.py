"""What happens to a channel and its members, as it is read back."""

import pytest
from msgspec import UNSET, structs
from sqlalchemy import func, select

from protocol.facts import (
    ChannelChanged,
    ChannelClosed,
    InviteCreated,
    InviteRevoked,
    MarkerMoved,
    MemberLeft,
    PrivacyChanged,
    RoleChanged,
)
from protocol.ids import ChannelId, Seq
from protocol.resources import Invite
from storage.engine import Database
from storage.tables import invites
from tests.storage.people import LATER, NOW, Chat, profile


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


@pytest.fixture
async def room(chat: Chat) -> ChannelId:
    return await chat.channel("room")


async def test_who_joins_has_read_everything_before(chat: Chat, room: ChannelId) -> None:
    await chat.say(room, "before")
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "after")
    (ready,) = await chat.channels.ready_channels(chat.ids[1])
    assert (ready.read_seq, ready.unread_count, ready.my_role, ready.last_seq) == (2, 1, "member", 4)
    assert ready.peer_read_seq is UNSET


async def test_who_leaves_is_gone_and_may_come_back(chat: Chat, room: ChannelId) -> None:
    await chat.write(room, chat.joined(room, 1))
    left = MemberLeft(
        at=LATER, seq=chat.next_seq(room), user=profile(chat.people[1]), joined_at=LATER, removed_by=None
    )
    await chat.write(room, left)
    assert await chat.channels.ready_channels(chat.ids[1]) == []
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert [member.user_id for member in snapshot.members] == [chat.ids[0]]
    assert snapshot.info.member_count == 1
    await chat.write(room, chat.joined(room, 1))
    (ready,) = await chat.channels.ready_channels(chat.ids[1])
    assert ready.read_seq == 3


async def test_joining_and_leaving_at_once_leaves_nobody(chat: Chat, room: ChannelId) -> None:
    left = MemberLeft(at=LATER, seq=chat.next_seq(room, 2), user=profile(chat.people[1]), joined_at=LATER)
    await chat.write(room, chat.joined(room, 1), left)
    assert await chat.channels.ready_channels(chat.ids[1]) == []


async def test_handing_over_changes_both_roles_and_the_owner(chat: Chat, room: ChannelId) -> None:
    seq = chat.next_seq
    await chat.write(
        room,
        chat.joined(room, 1),
        RoleChanged(at=LATER, seq=seq(room, 2), user=profile(chat.people[1]), joined_at=LATER, role="owner"),
        RoleChanged(at=LATER, seq=seq(room, 3), user=profile(chat.people[0]), joined_at=NOW, role="admin"),
    )
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert snapshot.info.owner_id == chat.ids[1]
    assert [(member.user_id, member.role) for member in snapshot.members] == [
        (chat.ids[0], "admin"),
        (chat.ids[1], "owner"),
    ]
    (ready,) = await chat.channels.ready_channels(chat.ids[1])
    assert ready.read_seq == 1


async def test_a_marker_never_goes_back(chat: Chat, room: ChannelId) -> None:
    for seq in (5, 3):
        await chat.write(room, MarkerMoved(at=LATER, user_id=chat.ids[0], read_seq=Seq(seq)))
    (ready,) = await chat.channels.ready_channels(chat.ids[0])
    assert ready.read_seq == 5


# The channel itself.


async def test_a_change_of_the_channel_is_stored_whole(chat: Chat, room: ChannelId) -> None:
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    info = structs.replace(
        snapshot.info, name="hall", description="big", is_archived=True, last_seq=Seq(2), updated_at=LATER
    )
    await chat.write(room, ChannelChanged(at=LATER, seq=chat.next_seq(room), channel=info))
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert snapshot.info == info
    assert await chat.channel("room") != room


async def test_going_private_leaves_one_way_in(chat: Chat, room: ChannelId) -> None:
    one_off = Invite(join_code="one-off", expires_at=LATER, max_uses=3, uses=0)
    await chat.write(room, InviteCreated(at=NOW, invite=one_off, created_by=chat.ids[0]))
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert snapshot.invites == (one_off,)
    private = structs.replace(snapshot.info, is_private=True, last_seq=Seq(2), updated_at=LATER)
    seq = chat.next_seq(room)
    await chat.write(room, PrivacyChanged(at=LATER, seq=seq, channel=private, join_code="standing"))
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert snapshot.info == private
    assert snapshot.join_code == "standing"
    assert [invite.join_code for invite in snapshot.invites] == ["standing"]
    assert await chat.channels.find_invite("one-off") == room
    assert await chat.channels.find_invite("standing") == room
    assert await chat.channels.find_invite("never") is None


async def test_going_public_leaves_none(chat: Chat) -> None:
    room = await chat.channel("secret", join_code="standing")
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert snapshot.info.is_private
    public = structs.replace(snapshot.info, is_private=False, last_seq=Seq(2), updated_at=LATER)
    seq = chat.next_seq(room)
    await chat.write(room, PrivacyChanged(at=LATER, seq=seq, channel=public, join_code=None))
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert (snapshot.join_code, snapshot.invites, snapshot.info.is_private) == (None, (), False)


async def test_joining_uses_up_an_invite(chat: Chat) -> None:
    room = await chat.channel("secret", join_code="standing")
    await chat.write(
        room,
        chat.joined(room, 1, invite_code="standing"),
        chat.joined(room, 2, ahead=2, invite_code="standing"),
    )
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert [invite.uses for invite in snapshot.invites] == [2]


async def test_the_standing_invite_can_be_revoked(chat: Chat) -> None:
    room = await chat.channel("secret", join_code="standing")
    await chat.write(room, InviteRevoked(at=LATER, join_code="standing"))
    snapshot = await chat.messages.load_channel(room)
    assert snapshot is not None
    assert (snapshot.join_code, snapshot.invites) == (None, ())


async def test_a_closed_channel_is_gone_and_its_name_free(chat: Chat) -> None:
    room = await chat.channel("secret", join_code="standing")
    await chat.write(room, ChannelClosed(at=LATER, seq=chat.next_seq(room)))
    assert await chat.messages.load_channel(room) is None
    assert await chat.channels.view_channel(room, chat.ids[0]) is None
    assert await chat.channels.ready_channels(chat.ids[0]) == []
    assert await chat.channels.list_own(chat.ids[0]) == []
    live = select(func.count()).select_from(invites).where(invites.c.revoked_at.is_(None))
    assert await chat.database.read(lambda connection: connection.execute(live).scalar_one()) == 0
    assert await chat.channel("Secret", join_code="another") != room
