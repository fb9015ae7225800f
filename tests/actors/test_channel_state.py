"""What a channel decides, and what becomes of it."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import UNSET, structs

from actors.channel_commands import (
    ChangeChannel,
    ChannelCommand,
    CloseChannel,
    CreateInvite,
    Identity,
    JoinChannel,
    LeaveChannel,
    MoveMarker,
    PostMessage,
    RemoveMember,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.channel_state import DECIDERS, ChannelState, apply, restore
from protocol.errors import Code, Refusal
from protocol.facts import (
    AnyFact,
    ChannelChanged,
    ChannelClosed,
    ChannelSnapshot,
    MarkerMoved,
    MemberJoined,
    MemberLeft,
    MemberRow,
    MessageEdited,
    PrivacyChanged,
    RoleChanged,
)
from protocol.ids import MessageId, Seq, UserId
from protocol.resources import Attachment, Role
from tests.actors.making import ANN, BOB, CID, DOT, LATER, NOW, by, invite, message, posted, state

POST = PostMessage(content="text", nonce="n")
ROLES: dict[UserId, Role] = {ANN.id: "owner", BOB.id: "admin", CID.id: "member"}
FILE = Attachment(5, "a.txt", "text/plain", 3, "/files/5")


def decide(before: ChannelState, who: Identity, command: ChannelCommand) -> list[AnyFact]:
    """What the command makes; it must not be refused."""
    facts = DECIDERS[type(command)](before, who, command, LATER)
    assert not isinstance(facts, Refusal), facts
    return facts


def refused(before: ChannelState, who: Identity, command: ChannelCommand) -> Refusal:
    refusal = DECIDERS[type(command)](before, who, command, LATER)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def code(before: ChannelState, who: Identity, command: ChannelCommand) -> Code:
    return refused(before, who, command).code


def after(before: ChannelState, who: Identity, command: ChannelCommand) -> ChannelState:
    for fact in decide(before, who, command):
        before = apply(before, fact)
    return before


# The channel itself.


def test_a_channel_restored_from_a_snapshot_is_the_channel() -> None:
    channel = state(last_seq=9, invites=(invite("standing"), invite("other", uses=1)), is_private=True)
    snapshot = ChannelSnapshot(
        info=channel.base,
        join_code="standing",
        members=tuple(channel.members.values()),
        invites=tuple(channel.invites.values()),
    )
    assert restore(snapshot) == channel


def test_what_broadcasts_show_follows_the_changes_and_the_members() -> None:
    channel = after(after(state(), by(CID), JoinChannel()), by(CID), POST)
    assert (channel.info.last_seq, channel.info.member_count) == (3, 3)


def test_roles_and_peers_are_those_of_the_members() -> None:
    direct, channel = state(kind="direct"), state()
    assert (channel.role_of(ANN.id), channel.role_of(CID.id)) == ("owner", None)
    assert (direct.peer_of(ANN.id), direct.peer_of(BOB.id)) == (BOB.id, ANN.id)
    assert channel.peer_of(ANN.id) is None


def test_a_direct_channel_is_unspoken_until_something_happens_in_it() -> None:
    direct = state(kind="direct")
    assert direct.is_unspoken
    assert not after(direct, by(ANN), POST).is_unspoken
    assert not state().is_unspoken


# Posting.


def test_a_post_takes_the_next_seq_and_carries_everything_that_was_sent() -> None:
    command = PostMessage(
        content="text", nonce="n", parent_id=MessageId(3), attachments=(FILE,), via="agent", stream_id="s"
    )
    expected = posted(
        5,
        BOB,
        at=LATER,
        content="text",
        nonce="n",
        parent_id=MessageId(3),
        attachments=(FILE,),
        via="agent",
        stream_id="s",
    )
    assert decide(state(last_seq=4), by(BOB), command) == [expected]


def test_a_direct_post_names_its_conversation_and_the_other_side() -> None:
    (fact,) = decide(state(kind="direct"), by(BOB), POST)
    assert fact == posted(
        2, BOB, at=LATER, content="text", nonce="n", recipient_id=ANN.id, conversation_id="direct:1:2"
    )


def test_strangers_and_the_archive_take_no_posts() -> None:
    assert code(state(), by(CID), POST) == Code.FORBIDDEN
    assert code(state(is_private=True), by(CID), POST) == Code.NOT_FOUND
    assert code(state(kind="direct"), by(CID), POST) == Code.NOT_FOUND
    assert code(state(is_archived=True), by(ANN), POST) == Code.CHANNEL_ARCHIVED


def test_a_post_only_moves_the_channel_on() -> None:
    before = state(invites=(invite("x"),))
    moved = apply(before, posted(2))
    assert moved == structs.replace(before, last_seq=Seq(2))
    assert apply(structs.replace(before, is_closed=True), posted(2)).is_closed


# Joining and leaving.


def test_anybody_joins_a_public_channel_as_a_member() -> None:
    assert decide(state(), by(CID), JoinChannel()) == [
        MemberJoined(at=LATER, seq=Seq(2), user=CID, role="member")
    ]
    joined = after(state(), by(CID), JoinChannel())
    assert joined.members[CID.id] == MemberRow(CID.id, "cid", "member", LATER)
    assert joined.last_seq == 2


def test_joining_again_changes_nothing_and_uses_no_invite_up() -> None:
    channel = state(is_private=True, is_archived=True, invites=(invite("x"),))
    assert decide(channel, by(BOB), JoinChannel()) == []
    assert decide(channel, by(BOB), JoinChannel(join_code="x")) == []


def test_an_invite_opens_a_private_channel_and_is_used_up_once() -> None:
    channel = state(is_private=True, invites=(invite("x", max_uses=1), invite("y")))
    assert decide(channel, by(CID), JoinChannel(join_code="x")) == [
        MemberJoined(at=LATER, seq=Seq(2), user=CID, role="member", invite_code="x")
    ]
    joined = after(channel, by(CID), JoinChannel(join_code="x"))
    assert joined.invites == {"x": invite("x", max_uses=1, uses=1), "y": invite("y")}
    assert code(joined, by(DOT), JoinChannel(join_code="x")) == Code.GONE


@pytest.mark.parametrize(
    ("fields", "is_usable"),
    [
        ({}, True),
        ({"expires_at": LATER}, False),
        ({"expires_at": LATER - timedelta(microseconds=1)}, False),
        ({"expires_at": LATER + timedelta(microseconds=1)}, True),
        ({"max_uses": 2, "uses": 1}, True),
        ({"max_uses": 2, "uses": 2}, False),
    ],
)
def test_an_invite_serves_until_it_expires_or_is_used_up(fields: dict[str, Any], *, is_usable: bool) -> None:
    channel = state(is_private=True, invites=(invite("x", **fields),))
    decision = DECIDERS[JoinChannel](channel, by(CID), JoinChannel(join_code="x"), LATER)
    assert isinstance(decision, Refusal) != is_usable


def test_joining_is_refused_where_there_is_no_way_in() -> None:
    assert code(state(kind="direct"), by(CID), JoinChannel()) == Code.NOT_FOUND
    assert code(state(is_private=True), by(CID), JoinChannel()) == Code.NOT_FOUND
    assert code(state(is_private=True), by(CID), JoinChannel(join_code="x")) == Code.GONE
    assert code(state(is_archived=True), by(CID), JoinChannel()) == Code.CHANNEL_ARCHIVED


def test_members_leave_even_the_archive() -> None:
    channel = state(is_archived=True)
    assert decide(channel, by(BOB), LeaveChannel()) == [
        MemberLeft(at=LATER, seq=Seq(2), user=BOB, joined_at=NOW)
    ]
    assert list(after(channel, by(BOB), LeaveChannel()).members) == [ANN.id]


def test_an_owner_hands_over_before_leaving_others_behind() -> None:
    assert code(state(), by(ANN), LeaveChannel()) == Code.OWNER_MUST_HAND_OVER


def test_the_last_member_closes_the_channel_by_leaving() -> None:
    alone = state(roles={ANN.id: "owner"}, invites=(invite("x"),))
    assert decide(alone, by(ANN), LeaveChannel()) == [
        MemberLeft(at=LATER, seq=Seq(2), user=ANN, joined_at=NOW),
        ChannelClosed(at=LATER, seq=Seq(3)),
    ]
    closed = after(alone, by(ANN), LeaveChannel())
    assert (closed.is_closed, closed.members, closed.invites, closed.last_seq) == (True, {}, {}, 3)


def test_nobody_leaves_a_direct_channel_or_one_that_they_are_not_in() -> None:
    assert code(state(kind="direct"), by(ANN), LeaveChannel()) == Code.NOT_FOUND
    assert code(state(), by(CID), LeaveChannel()) == Code.FORBIDDEN


def test_admins_remove_members() -> None:
    channel = state(roles=ROLES)
    assert decide(channel, by(BOB), RemoveMember(member=CID)) == [
        MemberLeft(at=LATER, seq=Seq(2), user=CID, joined_at=NOW, removed_by=BOB.id)
    ]


@pytest.mark.parametrize(
    ("who", "member", "expected"),
    [
        (CID, BOB, Code.FORBIDDEN),
        (BOB, ANN, Code.FORBIDDEN),
        (BOB, BOB, Code.FORBIDDEN),
        (ANN, ANN, Code.FORBIDDEN),
        (ANN, DOT, Code.NOT_FOUND),
    ],
)
def test_nobody_removes_their_equals_their_betters_or_strangers(
    who: Any, member: Any, expected: Code
) -> None:
    assert code(state(roles=ROLES), by(who), RemoveMember(member=member)) == expected


# Roles.


def test_the_owner_gives_and_takes_roles() -> None:
    channel = state(roles=ROLES)
    assert decide(channel, by(ANN), SetRole(member=CID, role="admin")) == [
        RoleChanged(at=LATER, seq=Seq(2), user=CID, joined_at=NOW, role="admin")
    ]
    changed = after(channel, by(ANN), SetRole(member=BOB, role="member"))
    assert (changed.role_of(BOB.id), changed.base.owner_id) == ("member", ANN.id)


def test_handing_over_makes_one_new_owner_and_an_admin_of_the_old_one() -> None:
    channel = state(roles=ROLES)
    assert decide(channel, by(ANN), SetRole(member=CID, role="owner")) == [
        RoleChanged(at=LATER, seq=Seq(2), user=CID, joined_at=NOW, role="owner"),
        RoleChanged(at=LATER, seq=Seq(3), user=ANN, joined_at=NOW, role="admin"),
    ]
    handed = after(channel, by(ANN), SetRole(member=CID, role="owner"))
    assert (handed.role_of(ANN.id), handed.role_of(CID.id)) == ("admin", "owner")
    assert (handed.base.owner_id, handed.last_seq) == (CID.id, 3)


def test_a_role_that_somebody_has_already_changes_nothing() -> None:
    assert decide(state(roles=ROLES), by(ANN), SetRole(member=BOB, role="admin")) == []
    assert decide(state(roles=ROLES), by(ANN), SetRole(member=ANN, role="owner")) == []


def test_roles_are_refused_to_others_for_strangers_and_for_oneself() -> None:
    channel = state(roles=ROLES)
    assert code(channel, by(BOB), SetRole(member=CID, role="admin")) == Code.FORBIDDEN
    assert code(channel, by(ANN), SetRole(member=DOT, role="admin")) == Code.NOT_FOUND
    refusal = refused(channel, by(ANN), SetRole(member=ANN, role="member"))
    assert (refusal.code, refusal.field) == (Code.INVALID, "role")


def test_a_bot_may_be_admin_and_never_owner() -> None:
    channel = state(roles=ROLES)
    bot = structs.replace(channel.members[CID.id], is_bot=True)
    channel = structs.replace(channel, members=channel.members | {CID.id: bot})
    refusal = refused(channel, by(ANN), SetRole(member=CID, role="owner"))
    assert (refusal.code, refusal.field) == (Code.INVALID, "role")
    assert after(channel, by(ANN), SetRole(member=CID, role="admin")).role_of(CID.id) == "admin"


# The channel's settings.


def test_a_change_shows_the_channel_as_it_is_then() -> None:
    channel = state(roles=ROLES, last_seq=4)
    (fact,) = decide(channel, by(BOB), ChangeChannel(name="two", description="about"))
    info = structs.replace(
        channel.base, name="two", description="about", last_seq=Seq(5), updated_at=LATER, member_count=3
    )
    assert fact == ChannelChanged(at=LATER, seq=Seq(5), channel=info)
    assert apply(channel, fact).info == info


def test_a_change_to_what_is_so_already_changes_nothing() -> None:
    assert decide(state(), by(ANN), ChangeChannel()) == []
    assert decide(state(), by(ANN), ChangeChannel(name="one", description=None)) == []


def test_the_archive_takes_no_change_but_its_opening() -> None:
    archived = after(state(), by(ANN), ChangeChannel(is_archived=True))
    assert archived.base.is_archived
    assert code(archived, by(ANN), ChangeChannel(name="two")) == Code.CHANNEL_ARCHIVED
    assert code(archived, by(ANN), ChangeChannel(is_archived=True)) == Code.CHANNEL_ARCHIVED
    opened = after(archived, by(ANN), ChangeChannel(is_archived=False, name="two"))
    assert (opened.base.is_archived, opened.base.name) == (False, "two")


def test_going_private_revokes_every_invite_but_a_standing_one() -> None:
    channel = state(invites=(invite("old"),))
    (fact,) = decide(channel, by(ANN), SetPrivacy(is_private=True, join_code="new"))
    info = structs.replace(channel.base, is_private=True, last_seq=Seq(2), updated_at=LATER)
    assert fact == PrivacyChanged(at=LATER, seq=Seq(2), channel=info, join_code="new")
    private = apply(channel, fact)
    assert (private.base, private.join_code, private.invites) == (info, "new", {"new": invite("new")})


def test_going_public_revokes_every_invite() -> None:
    channel = state(is_private=True, invites=(invite("standing"), invite("other")))
    public = after(channel, by(ANN), SetPrivacy(is_private=False, join_code="unused"))
    assert (public.base.is_private, public.join_code, public.invites) == (False, None, {})


def test_privacy_is_the_owners_and_not_the_archives() -> None:
    command = SetPrivacy(is_private=True, join_code="new")
    assert code(state(roles=ROLES), by(BOB), command) == Code.FORBIDDEN
    assert code(state(is_archived=True), by(ANN), command) == Code.CHANNEL_ARCHIVED
    assert decide(state(is_private=True), by(ANN), command) == []


def test_owners_and_superusers_close_a_channel() -> None:
    expected = [ChannelClosed(at=LATER, seq=Seq(2))]
    assert decide(state(), by(ANN), CloseChannel()) == expected
    assert decide(state(is_private=True), by(DOT, is_superuser=True), CloseChannel()) == expected
    assert code(state(roles=ROLES), by(BOB), CloseChannel()) == Code.FORBIDDEN
    assert code(state(kind="direct"), by(ANN, is_superuser=True), CloseChannel()) == Code.NOT_FOUND


# Invites.


def test_a_marker_goes_as_far_as_the_channel_and_takes_no_seq() -> None:
    channel = state(last_seq=5, is_archived=True)
    assert decide(channel, by(BOB), MoveMarker(seq=Seq(3))) == [
        MarkerMoved(at=LATER, user_id=BOB.id, read_seq=Seq(3))
    ]
    (fact,) = decide(channel, by(BOB), MoveMarker(seq=Seq(99)))
    assert fact == MarkerMoved(at=LATER, user_id=BOB.id, read_seq=Seq(5))
    assert apply(channel, fact) == channel
    assert code(channel, by(CID), MoveMarker(seq=Seq(3))) == Code.FORBIDDEN


# All of them.

MANAGING: list[ChannelCommand] = [
    LeaveChannel(),
    RemoveMember(member=BOB),
    SetRole(member=BOB, role="admin"),
    ChangeChannel(name="two"),
    SetPrivacy(is_private=True, join_code="x"),
    CloseChannel(),
    CreateInvite(join_code="x", expires_at=None, max_uses=None),
    RevokeInvite(join_code="x"),
]


@pytest.mark.parametrize("command", MANAGING, ids=lambda command: type(command).__name__)
def test_a_direct_channel_cannot_be_managed_and_a_private_one_hides_from_strangers(
    command: ChannelCommand,
) -> None:
    assert code(state(kind="direct"), by(ANN), command) == Code.NOT_FOUND
    assert code(state(is_private=True), by(DOT), command) == Code.NOT_FOUND
    assert code(state(), by(DOT), command) == Code.FORBIDDEN


def test_facts_about_messages_only_move_the_channel_on() -> None:
    before = state()
    edited = MessageEdited(at=LATER, seq=Seq(2), message=message(), previous="text")
    assert apply(before, edited) == structs.replace(before, last_seq=Seq(2))
    assert before.members[ANN.id].read_seq is UNSET
