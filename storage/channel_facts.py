"""Writes what happens to a channel itself and to its invites: rare, so one statement for each."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, update

from protocol.facts import ChannelChanged, ChannelClosed, InviteCreated, InviteRevoked, PrivacyChanged
from protocol.ids import ChannelId, UserId
from protocol.resources import ChannelInfo, Invite
from storage.channel_names import name_key
from storage.fact_rows import ChannelFact
from storage.tables import channels, invites


def write_channel_fact(connection: Connection, channel_id: ChannelId, fact: ChannelFact) -> None:
    match fact:
        case ChannelChanged():
            _update(connection, channel_id, **_columns(fact.channel))
        case PrivacyChanged():
            _update(connection, channel_id, **_columns(fact.channel), join_code=fact.join_code)
            _revoke(connection, channel_id, fact.at)
            if fact.join_code is not None:
                standing = Invite(join_code=fact.join_code, expires_at=None, max_uses=None, uses=0)
                add_invite(connection, channel_id, standing, None, fact.at)
        case ChannelClosed():
            _update(connection, channel_id, deleted_at=fact.at, updated_at=fact.at, join_code=None)
            _revoke(connection, channel_id, fact.at)
        case InviteCreated():
            add_invite(connection, channel_id, fact.invite, fact.created_by, fact.at)
        case InviteRevoked():
            _revoke_one(connection, channel_id, fact)
        case _:
            if fact.role == "owner":
                _update(connection, channel_id, owner_id=fact.user.id)


def add_invite(
    connection: Connection, channel_id: ChannelId, invite: Invite, created_by: UserId | None, at: datetime
) -> None:
    row = insert(invites).values(
        channel_id=channel_id,
        code=invite.join_code,
        created_by=created_by,
        expires_at=invite.expires_at,
        max_uses=invite.max_uses,
        uses=invite.uses,
        created_at=at,
        updated_at=at,
    )
    connection.execute(row)


def _columns(info: ChannelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "name_key": None if info.name is None else name_key(info.name),
        "description": info.description,
        "is_archived": info.is_archived,
        "is_private": info.is_private,
        "updated_at": info.updated_at,
    }


def _update(connection: Connection, channel_id: ChannelId, **columns: Any) -> None:
    connection.execute(update(channels).where(channels.c.id == channel_id).values(**columns))


def _revoke(connection: Connection, channel_id: ChannelId, at: datetime) -> None:
    live = (invites.c.channel_id == channel_id) & invites.c.revoked_at.is_(None)
    connection.execute(update(invites).where(live).values(revoked_at=at, updated_at=at))


def _revoke_one(connection: Connection, channel_id: ChannelId, fact: InviteRevoked) -> None:
    is_it = (invites.c.channel_id == channel_id) & (invites.c.code == fact.join_code)
    connection.execute(update(invites).where(is_it).values(revoked_at=fact.at, updated_at=fact.at))
    is_standing = (channels.c.id == channel_id) & (channels.c.join_code == fact.join_code)
    connection.execute(update(channels).where(is_standing).values(join_code=None))
