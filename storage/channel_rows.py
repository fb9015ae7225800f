"""Channels as rows: what each reader is shown of one, and what counts as unread.

Queries are made once: making one costs more than running it.
"""

from typing import Any

from msgspec import UNSET
from sqlalchemy import BindParameter, Connection, ScalarSelect, and_, bindparam, func, select

from protocol.facts import ChannelSnapshot, MemberRow
from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import bridge_of
from protocol.resources import Channel, ChannelInfo, Invite, ReadyChannel
from storage.tables import channel_members, channels, invites, messages, users, webhooks

LIVE = channels.c.deleted_at.is_(None)
SEES_JOIN_CODE = ("owner", "admin")

_members = channel_members.alias("counted")
MEMBER_COUNT: ScalarSelect[int] = (
    select(func.count())
    .where(_members.c.channel_id == channels.c.id, _members.c.left_at.is_(None))
    .correlate(channels)
    .scalar_subquery()
)

USER_ID: BindParameter[int] = bindparam("user_id")
CHANNEL_ID: BindParameter[int] = bindparam("channel_id")

own = channel_members.alias("own")
"""The membership of `USER_ID`, where a query joins it to `channels`."""

UNREAD_COUNT: ScalarSelect[int] = (
    select(func.count())
    .where(
        messages.c.channel_id == channels.c.id,
        messages.c.seq > own.c.read_seq,
        messages.c.sender_id != USER_ID,
        messages.c.deleted_at.is_(None),
    )
    .correlate(channels, own)
    .scalar_subquery()
)
"""Messages by others, not deleted, after the marker."""

_is_own = and_(own.c.channel_id == channels.c.id, own.c.user_id == USER_ID, own.c.left_at.is_(None))
_view_columns = (
    channels,
    MEMBER_COUNT.label("member_count"),
    own.c.role,
    own.c.read_seq,
    UNREAD_COUNT.label("unread_count"),
)
VIEWS = select(*_view_columns).outerjoin(own, _is_own).where(LIVE)
"""Live channels as `USER_ID` sees them: to be narrowed, ordered and given to `view_of`."""
OWN_VIEWS = select(*_view_columns).join(own, _is_own).where(LIVE)
"""Those that the user is a member of."""
VIEW = VIEWS.where(channels.c.id == CHANNEL_ID)

_peer = channel_members.alias("peer")
READY = (
    select(
        channels.c.id,
        channels.c.kind,
        channels.c.name,
        channels.c.conversation_id,
        channels.c.last_seq,
        own.c.role,
        own.c.read_seq,
        UNREAD_COUNT.label("unread_count"),
        _peer.c.read_seq.label("peer_read_seq"),
    )
    .join(own, _is_own)
    .outerjoin(
        _peer,
        and_(_peer.c.channel_id == channels.c.id, _peer.c.user_id != USER_ID, channels.c.kind == "direct"),
    )
    .where(LIVE)
    .order_by(channels.c.id)
)

SNAPSHOT = select(channels).where(channels.c.id == CHANNEL_ID, LIVE)
INFO = select(channels, MEMBER_COUNT.label("member_count")).where(channels.c.id == CHANNEL_ID)
MEMBERS = (
    select(
        channel_members.c.user_id,
        users.c.username,
        channel_members.c.role,
        channel_members.c.joined_at,
        channel_members.c.read_seq,
        users.c.is_bot,
    )
    .join(users, users.c.id == channel_members.c.user_id)
    .where(channel_members.c.channel_id == CHANNEL_ID, channel_members.c.left_at.is_(None))
    .order_by(channel_members.c.joined_seq, channel_members.c.user_id)
)
LAST_VIA: ScalarSelect[str] = (
    select(messages.c.via)
    .where(messages.c.channel_id == CHANNEL_ID, messages.c.sender_id == channel_members.c.user_id)
    .order_by(messages.c.seq.desc())
    .limit(1)
    .correlate(channel_members)
    .scalar_subquery()
)
DIRECT_MEMBERS = MEMBERS.add_columns(LAST_VIA.label("last_via"))
"""With what their own last message here came by."""
INVITES = (
    select(invites)
    .where(invites.c.channel_id == CHANNEL_ID, invites.c.revoked_at.is_(None))
    .order_by(invites.c.id)
)

OUTGOING = (
    select(webhooks.c.id)
    .where(webhooks.c.channel_id == CHANNEL_ID, webhooks.c.direction == "outgoing", webhooks.c.is_active)
    .order_by(webhooks.c.id)
)
"""The webhooks that are told what happens in the channel."""


def load_snapshot(connection: Connection, channel_id: ChannelId) -> ChannelSnapshot | None:
    row = connection.execute(SNAPSHOT, {"channel_id": channel_id}).one_or_none()
    if row is None:
        return None
    load_members = _load_direct_members if row.kind == "direct" else _load_members
    members = load_members(connection, channel_id)
    return ChannelSnapshot(
        info=_info(row, len(members)),
        join_code=row.join_code,
        members=members,
        invites=_load_invites(connection, channel_id),
        outgoing=tuple(connection.execute(OUTGOING, {"channel_id": channel_id}).scalars()),
    )


def load_info(connection: Connection, channel_id: ChannelId) -> ChannelInfo:
    """Of a channel that is there."""
    row = connection.execute(INFO, {"channel_id": channel_id}).one()
    return _info(row, row.member_count)


def load_view(connection: Connection, channel_id: ChannelId, user_id: UserId) -> Channel | None:
    """The channel as this user sees it; None when it does not exist."""
    row = connection.execute(VIEW, {"channel_id": channel_id, "user_id": user_id}).one_or_none()
    return None if row is None else view_of(row)


def view_of(row: Any) -> Channel:
    """Of a row of `VIEWS`."""
    return Channel(
        id=row.id,
        kind=row.kind,
        name=row.name,
        description=row.description,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        is_private=row.is_private,
        is_archived=row.is_archived,
        member_count=row.member_count,
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        my_role=row.role,
        read_seq=Seq(row.read_seq or 0),
        unread_count=row.unread_count if row.role else 0,
        join_code=row.join_code if row.role in SEES_JOIN_CODE else UNSET,
    )


def load_ready(connection: Connection, user_id: UserId) -> list[ReadyChannel]:
    """The channels that the user is in, by id; in direct ones how far the other side has read."""
    return [_ready(row) for row in connection.execute(READY, {"user_id": user_id})]


def _ready(row: Any) -> ReadyChannel:
    return ReadyChannel(
        id=row.id,
        kind=row.kind,
        name=row.name,
        conversation_id=row.conversation_id,
        last_seq=row.last_seq,
        read_seq=row.read_seq,
        unread_count=row.unread_count,
        my_role=row.role,
        peer_read_seq=Seq(row.peer_read_seq or 0) if row.kind == "direct" else UNSET,
    )


def _info(row: Any, member_count: int) -> ChannelInfo:
    return ChannelInfo(
        id=row.id,
        kind=row.kind,
        name=row.name,
        description=row.description,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        is_private=row.is_private,
        is_archived=row.is_archived,
        member_count=member_count,
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _load_members(connection: Connection, channel_id: ChannelId) -> tuple[MemberRow, ...]:
    """Those who joined first come first."""
    return tuple(
        MemberRow(user_id, username, role, joined_at, is_bot=is_bot)
        for user_id, username, role, joined_at, _, is_bot in connection.execute(
            MEMBERS, {"channel_id": channel_id}
        )
    )


def _load_direct_members(connection: Connection, channel_id: ChannelId) -> tuple[MemberRow, ...]:
    """With what only the two of a direct channel have."""
    return tuple(
        MemberRow(user_id, username, role, joined_at, read_seq, is_bot, bridge_of(via))
        for user_id, username, role, joined_at, read_seq, is_bot, via in connection.execute(
            DIRECT_MEMBERS, {"channel_id": channel_id}
        )
    )


def _load_invites(connection: Connection, channel_id: ChannelId) -> tuple[Invite, ...]:
    return tuple(
        Invite(join_code=row.code, expires_at=row.expires_at, max_uses=row.max_uses, uses=row.uses)
        for row in connection.execute(INVITES, {"channel_id": channel_id})
    )
