"""What a channel is and what may become of it: pure. `channel.py` runs it.

`decide(state, command, …)` says which facts a command makes, or refuses it; `apply(state, fact)` is the
channel after a fact. States share structure and are never changed, so that the state that was decided and the
state that is committed can both be held at the cost of one.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from msgspec import UNSET, Struct, structs

from actors import permissions
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
    Rename,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.consequences import BRIDGES, Outside, after_message, jobs_for, outside_after, outside_of
from actors.invites import is_usable, standing
from actors.mentions import find_mentions, with_name, without_name
from actors.permissions import ARCHIVED, NOT_FOUND, require
from protocol.errors import Code, Refusal
from protocol.facts import (
    AnyFact,
    ChannelChanged,
    ChannelClosed,
    ChannelSnapshot,
    InviteCreated,
    InviteRevoked,
    MarkerMoved,
    MemberJoined,
    MemberLeft,
    MemberRenamed,
    MemberRow,
    MessagePosted,
    Numbered,
    PrivacyChanged,
    RoleChanged,
    WebhooksKnown,
)
from protocol.ids import Seq, UserId
from protocol.resources import ChannelInfo, Invite, PublicProfile, Role, Via

CREATION_SEQ = 1
"""Where a channel stands when it is made, with its first members in it."""

Facts = list[AnyFact]
Decision = Facts | Refusal


class ChannelState(Struct, frozen=True):
    """A channel after its change `last_seq`. `invites` are the live ones, by code; `names` the members';
    `outside` follows from `members`."""

    base: ChannelInfo
    last_seq: Seq
    members: dict[UserId, MemberRow]
    invites: dict[str, Invite]
    join_code: str | None
    names: dict[str, UserId]
    is_closed: bool = False
    outside: Outside | None = None

    @property
    def is_direct(self) -> bool:
        return self.base.kind == "direct"

    @property
    def is_unspoken(self) -> bool:
        """A direct channel appears to its members with the first thing that happens in it."""
        return self.is_direct and self.last_seq <= CREATION_SEQ

    @property
    def info(self) -> ChannelInfo:
        """The channel as broadcasts show it."""
        return structs.replace(self.base, last_seq=self.last_seq, member_count=len(self.members))

    def role_of(self, user_id: UserId) -> Role | None:
        member = self.members.get(user_id)
        return member.role if member else None

    def peer_of(self, user_id: UserId) -> UserId | None:
        """The other side of a direct channel."""
        if not self.is_direct:
            return None
        return next((member for member in self.members if member != user_id), None)


def restore(snapshot: ChannelSnapshot) -> ChannelState:
    return ChannelState(
        snapshot.info,
        snapshot.info.last_seq,
        {member.user_id: member for member in snapshot.members},
        {invite.join_code: invite for invite in snapshot.invites},
        snapshot.join_code,
        {member.username.lower(): member.user_id for member in snapshot.members},
        outside=outside_of(snapshot.members, snapshot.outgoing),
    )


# Deciding.


def decide_post(state: ChannelState, by: Identity, command: PostMessage, now: datetime) -> Decision:
    if refusal := may_write(state, by, command.via):
        return refusal
    fact = MessagePosted(
        at=now,
        seq=next_seq(state),
        sender_id=by.user_id,
        content=command.content,
        nonce=command.nonce,
        recipient_id=state.peer_of(by.user_id) if state.is_direct else None,
        conversation_id=state.base.conversation_id,
        parent_id=command.parent_id,
        mentions=find_mentions(command.content, state.names) if "@" in command.content else (),
        attachments=command.attachments,
        via=command.via,
        stream_id=command.stream_id,
    )
    return [fact] if state.outside is None else [fact, *jobs_for(state.outside, state.base.id, fact)]


def decide_join(state: ChannelState, by: Identity, command: JoinChannel, now: datetime) -> Decision:
    if state.is_direct:
        return NOT_FOUND
    if is_member(state, by):
        return []
    if state.base.is_private and command.join_code is None:
        return NOT_FOUND
    if command.join_code is not None and not is_usable(state.invites.get(command.join_code), now):
        return Refusal(Code.GONE, "The invite has expired, is used up or was revoked. Ask for a new one.")
    if state.base.is_archived:
        return ARCHIVED
    return [
        MemberJoined(
            at=now, seq=next_seq(state), user=by.profile, role="member", invite_code=command.join_code
        )
    ]


def decide_leave(state: ChannelState, by: Identity, _: LeaveChannel, now: datetime) -> Decision:
    if refusal := manages(state, by, "member"):
        return refusal
    left = MemberLeft(
        at=now, seq=next_seq(state), user=by.profile, joined_at=state.members[by.user_id].joined_at
    )
    if state.base.owner_id != by.user_id:
        return [left]
    if len(state.members) > 1:
        return Refusal(Code.OWNER_MUST_HAND_OVER, "Make somebody else the owner before you leave.")
    return [left, ChannelClosed(at=now, seq=Seq(left.seq + 1))]


def decide_remove(state: ChannelState, by: Identity, command: RemoveMember, now: datetime) -> Decision:
    if refusal := manages(state, by, "admin"):
        return refusal
    member = state.members.get(command.member.id)
    if member is None:
        return Refusal(Code.NOT_FOUND, "There is no such member in this channel.")
    if not permissions.may_remove(state.members[by.user_id].role, member.role):
        return Refusal(Code.FORBIDDEN, "Members are removed by those above them; use leave for yourself.")
    seq, joined_at = next_seq(state), member.joined_at
    return [MemberLeft(at=now, seq=seq, user=command.member, joined_at=joined_at, removed_by=by.user_id)]


def decide_role(state: ChannelState, by: Identity, command: SetRole, now: datetime) -> Decision:
    if refusal := manages(state, by, "owner"):
        return refusal
    member = state.members.get(command.member.id)
    if member is None:
        return Refusal(Code.NOT_FOUND, "There is no such member in this channel.")
    if member.role == command.role:
        return []
    if member.user_id == by.user_id:
        return Refusal(Code.INVALID, "Make somebody else the owner to hand over.", field="role")
    if command.role == "owner" and member.is_bot:
        return Refusal(Code.INVALID, "A bot cannot own a channel: hand it over to a person.", field="role")
    seq = next_seq(state)
    changed = RoleChanged(at=now, seq=seq, user=command.member, joined_at=member.joined_at, role=command.role)
    if command.role != "owner":
        return [changed]
    owner = state.members[by.user_id]
    return [
        changed,
        RoleChanged(at=now, seq=Seq(seq + 1), user=by.profile, joined_at=owner.joined_at, role="admin"),
    ]


def decide_change(state: ChannelState, by: Identity, command: ChangeChannel, now: datetime) -> Decision:
    if refusal := manages(state, by, "admin"):
        return refusal
    if state.base.is_archived and command.is_archived is not False:
        return ARCHIVED
    asked = {name: value for name, value in structs.asdict(command).items() if value is not UNSET}
    changes = {name: value for name, value in asked.items() if getattr(state.base, name) != value}
    if not changes:
        return []
    seq = next_seq(state)
    info = structs.replace(state.info, **changes, last_seq=seq, updated_at=now)
    return [ChannelChanged(at=now, seq=seq, channel=info)]


def decide_privacy(state: ChannelState, by: Identity, command: SetPrivacy, now: datetime) -> Decision:
    if refusal := manages(state, by, "owner"):
        return refusal
    if state.base.is_archived:
        return ARCHIVED
    if state.base.is_private == command.is_private:
        return []
    seq = next_seq(state)
    info = structs.replace(state.info, is_private=command.is_private, last_seq=seq, updated_at=now)
    join_code = command.join_code if command.is_private else None
    return [PrivacyChanged(at=now, seq=seq, channel=info, join_code=join_code)]


def decide_close(state: ChannelState, by: Identity, _: CloseChannel, now: datetime) -> Decision:
    if state.is_direct:
        return NOT_FOUND
    if not by.is_superuser and (refusal := manages(state, by, "owner")):
        return refusal
    return [ChannelClosed(at=now, seq=next_seq(state))]


def decide_invite(state: ChannelState, by: Identity, command: CreateInvite, now: datetime) -> Decision:
    if refusal := manages(state, by, "admin"):
        return refusal
    if state.base.is_archived:
        return ARCHIVED
    invite = Invite(
        join_code=command.join_code, expires_at=command.expires_at, max_uses=command.max_uses, uses=0
    )
    return [InviteCreated(at=now, invite=invite, created_by=by.user_id)]


def decide_revoke(state: ChannelState, by: Identity, command: RevokeInvite, now: datetime) -> Decision:
    if refusal := manages(state, by, "admin"):
        return refusal
    if command.join_code not in state.invites:
        return Refusal(Code.NOT_FOUND, "There is no such invite.")
    return [InviteRevoked(at=now, join_code=command.join_code)]


def decide_marker(state: ChannelState, by: Identity, command: MoveMarker, now: datetime) -> Decision:
    if refusal := may_read(state, by):
        return refusal
    return [MarkerMoved(at=now, user_id=by.user_id, read_seq=Seq(min(command.seq, state.last_seq)))]


def decide_rename(state: ChannelState, by: Identity, _: Rename, now: datetime) -> Decision:
    member, username = state.members.get(by.user_id), by.profile.username
    # A direct channel that nobody has spoken in yet must stay unseen, and is loaded again before long.
    if member is None or member.username == username or state.is_unspoken:
        return []
    return [MemberRenamed(at=now, user_id=by.user_id, username=username)]


C = TypeVar("C", bound=ChannelCommand)
Decide = Callable[[ChannelState, Identity, Any, datetime], Decision]

DECIDERS: dict[type[ChannelCommand], Decide] = {
    PostMessage: decide_post,
    JoinChannel: decide_join,
    LeaveChannel: decide_leave,
    RemoveMember: decide_remove,
    SetRole: decide_role,
    ChangeChannel: decide_change,
    SetPrivacy: decide_privacy,
    CloseChannel: decide_close,
    CreateInvite: decide_invite,
    RevokeInvite: decide_revoke,
    MoveMarker: decide_marker,
    Rename: decide_rename,
}


def may_read(state: ChannelState, by: Identity) -> Refusal | None:
    """Whether somebody may read the channel's messages: members may."""
    if by.user_id in state.members:
        return None
    return require(None, "member", is_private=state.base.is_private or state.is_direct)


def may_write(state: ChannelState, by: Identity, via: Via = "web") -> Refusal | None:
    """Members may; what comes by a webhook has shown its secret at the edge."""
    refusal = None if via == "webhook" else may_read(state, by)
    return refusal or (ARCHIVED if state.base.is_archived else None)


def manages(state: ChannelState, by: Identity, needed: Role) -> Refusal | None:
    """Whether somebody may do what changes the channel itself; a direct one cannot be changed."""
    if state.is_direct:
        return NOT_FOUND
    return require(state.role_of(by.user_id), needed, is_private=state.base.is_private)


def is_member(state: ChannelState, by: Identity) -> bool:
    return by.user_id in state.members


def next_seq(state: ChannelState) -> Seq:
    return Seq(state.last_seq + 1)


# Applying.


def apply(state: ChannelState, fact: AnyFact) -> ChannelState:
    """The channel after a fact; messages are kept elsewhere and only move `last_seq`."""
    if isinstance(fact, MessagePosted):
        members, outside = state.members, state.outside
        if state.is_direct and (outside is not None or fact.via in BRIDGES):
            members, outside = after_message(members, fact)
        return ChannelState(
            state.base,
            fact.seq,
            members,
            state.invites,
            state.join_code,
            state.names,
            state.is_closed,
            outside,
        )
    changes = changed_fields(state, fact)
    if "members" in changes or isinstance(fact, WebhooksKnown):
        changes["outside"] = outside_after(state.outside, changes.get("members", state.members), fact)
    if isinstance(fact, Numbered):
        changes["last_seq"] = fact.seq
    return structs.replace(state, **changes)


def changed_fields(state: ChannelState, fact: AnyFact) -> dict[str, Any]:
    """What a fact changes beside `last_seq`."""
    changes: dict[str, Any] = {}
    match fact:
        case MemberJoined():
            changes |= joined(state, fact)
        case MemberLeft():
            changes["members"] = {key: row for key, row in state.members.items() if key != fact.user.id}
            changes["names"] = without_name(state.names, fact.user.id)
        case RoleChanged():
            changes |= role_changed(state, fact.user, fact.role)
        case ChannelChanged():
            changes["base"] = fact.channel
        case PrivacyChanged():
            changes |= {"base": fact.channel, "join_code": fact.join_code}
            changes["invites"] = {fact.join_code: standing(fact.join_code)} if fact.join_code else {}
        case ChannelClosed():
            changes |= {"is_closed": True, "members": {}, "names": {}, "invites": {}}
        case MemberRenamed():
            row = structs.replace(state.members[fact.user_id], username=fact.username)
            changes["members"] = {**state.members, row.user_id: row}
            changes["names"] = with_name(state.names, row.username, row.user_id)
        case InviteCreated():
            changes["invites"] = {**state.invites, fact.invite.join_code: fact.invite}
        case InviteRevoked():
            changes |= revoked(state, fact.join_code)
    return changes


def joined(state: ChannelState, fact: MemberJoined) -> dict[str, Any]:
    row = MemberRow(fact.user.id, fact.user.username, fact.role, fact.at, is_bot=fact.user.is_bot)
    changes: dict[str, Any] = {
        "members": {**state.members, row.user_id: row},
        "names": with_name(state.names, row.username, row.user_id),
    }
    if fact.invite_code is not None:
        invite = state.invites[fact.invite_code]
        changes["invites"] = {
            **state.invites,
            invite.join_code: structs.replace(invite, uses=invite.uses + 1),
        }
    return changes


def role_changed(state: ChannelState, user: PublicProfile, role: Role) -> dict[str, Any]:
    row = structs.replace(state.members[user.id], role=role)
    changes: dict[str, Any] = {"members": {**state.members, user.id: row}}
    if role == "owner":
        changes["base"] = structs.replace(state.base, owner_id=user.id)
    return changes


def revoked(state: ChannelState, join_code: str) -> dict[str, Any]:
    invites = {code: invite for code, invite in state.invites.items() if code != join_code}
    return {"invites": invites, "join_code": None if state.join_code == join_code else state.join_code}
