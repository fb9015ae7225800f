"""Channels as rows: what each reader is shown of one, and what counts as unread."""

from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, and_, func, select

from protocol.facts import ChannelSnapshot, MemberRow
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Channel, ChannelInfo, Invite, ReadyChannel
from storage.tables import channel_members, channels, invites, messages

LIVE = channels.c.deleted_at.is_(None)
SEES_JOIN_CODE = ("owner", "admin")

_members = channel_members.alias("counted")
MEMBER_COUNT: ScalarSelect[int] = (
    select(func.count())
    .where(_members.c.channel_id == channels.c.id, _members.c.left_at.is_(None))
    .correlate(channels)
    .scalar_subquery()
)

_own = channel_members.alias("own")


def unread_count(user_id: UserId, read_seq: Any) -> ScalarSelect[int]:
    """Messages by others, not deleted, after the marker; of the `channels` row of the query around it."""
    unread = and_(
        messages.c.channel_id == channels.c.id,
        messages.c.seq > read_seq,
        messages.c.sender_id != user_id,
        messages.c.deleted_at.is_(None),
    )
    return select(func.count()).where(unread).correlate_except(messages).scalar_subquery()


def load_snapshot(connection: Connection, channel_id: ChannelId) -> ChannelSnapshot | None:
    row = connection.execute(select(channels).where(channels.c.id == channel_id, LIVE)).one_or_none()
    if row is None:
        return None
    members = _load_members(connection, channel_id, keeps_markers=row.kind == "direct")
    return ChannelSnapshot(
        info=_info(row, len(members)),
        join_code=row.join_code,
        members=members,
        invites=_load_invites(connection, channel_id),
    )


def load_info(connection: Connection, channel_id: ChannelId) -> ChannelInfo:
    """Of a channel that is there."""
    query = select(channels, MEMBER_COUNT.label("member_count")).where(channels.c.id == channel_id)
    row = connection.execute(query).one()
    return _info(row, row.member_count)


def views(user_id: UserId, *, own_only: bool = False) -> Select[Any]:
    """Live channels as this user sees them: to be narrowed, ordered and given to `view_of`."""
    mine = and_(_own.c.channel_id == channels.c.id, _own.c.user_id == user_id, _own.c.left_at.is_(None))
    unread = unread_count(user_id, _own.c.read_seq)
    columns = (MEMBER_COUNT.label("member_count"), _own.c.role, _own.c.read_seq, unread.label("unread_count"))
    return select(channels, *columns).join(_own, mine, isouter=not own_only).where(LIVE)


def view_of(row: Any) -> Channel:
    """Of a row of `views`."""
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
    peer = channel_members.alias("peer")
    is_peer = and_(peer.c.channel_id == channels.c.id, peer.c.user_id != user_id, channels.c.kind == "direct")
    query = (
        select(
            channels.c.id,
            channels.c.kind,
            channels.c.name,
            channels.c.conversation_id,
            channels.c.last_seq,
            _own.c.role,
            _own.c.read_seq,
            unread_count(user_id, _own.c.read_seq).label("unread_count"),
            peer.c.read_seq.label("peer_read_seq"),
        )
        .join(_own, _own.c.channel_id == channels.c.id)
        .outerjoin(peer, is_peer)
        .where(_own.c.user_id == user_id, _own.c.left_at.is_(None), LIVE)
        .order_by(channels.c.id)
    )
    return [_ready(row) for row in connection.execute(query)]


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


def _load_members(
    connection: Connection, channel_id: ChannelId, *, keeps_markers: bool
) -> tuple[MemberRow, ...]:
    """Those who joined first come first."""
    of_channel: ColumnElement[bool] = channel_members.c.channel_id == channel_id
    query = (
        select(
            channel_members.c.user_id,
            channel_members.c.role,
            channel_members.c.joined_at,
            channel_members.c.read_seq,
        )
        .where(of_channel, channel_members.c.left_at.is_(None))
        .order_by(channel_members.c.joined_seq, channel_members.c.user_id)
    )
    return tuple(
        MemberRow(row.user_id, row.role, row.joined_at, row.read_seq if keeps_markers else UNSET)
        for row in connection.execute(query)
    )


def _load_invites(connection: Connection, channel_id: ChannelId) -> tuple[Invite, ...]:
    live = (invites.c.channel_id == channel_id) & invites.c.revoked_at.is_(None)
    query = select(invites).where(live).order_by(invites.c.id)
    return tuple(
        Invite(join_code=row.code, expires_at=row.expires_at, max_uses=row.max_uses, uses=row.uses)
        for row in connection.execute(query)
    )
