"""Deleted users who are still in channels, and who inherits what they own.

A user is deleted in one transaction and then leaves each channel through its actor. Whatever ends that
midway, these rows say what is left to do.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, or_, select

from protocol.ids import ChannelId, UserId
from protocol.resources import PublicProfile
from storage.direct import CREATION_SEQ
from storage.engine import Database
from storage.tables import channel_members, channels, users
from storage.user_rows import EXISTS, PROFILE_COLUMNS, profile_of


class Departure(Struct, frozen=True):
    """A channel that a deleted user has to leave. `heir` becomes the owner, if the user is it."""

    channel_id: ChannelId
    heir: PublicProfile | None


class Departures:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def departing(self, *, after: UserId, limit: int = 50) -> list[PublicProfile]:
        """Deleted users who still have something to leave, by id, those after `after`."""
        query = (
            select(*PROFILE_COLUMNS)
            .where(users.c.id > after, ~EXISTS, users.c.id.in_(_TO_LEAVE.with_only_columns(_member.user_id)))
            .order_by(users.c.id)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [profile_of(row) for row in rows]

    async def of(self, user_id: UserId, *, after: ChannelId, limit: int = 50) -> list[Departure]:
        """The channels that this user has to leave, by id, those after `after`."""
        return await self._database.read(lambda connection: _load(connection, user_id, after, limit))


_member = channel_members.c
_TO_LEAVE = (
    select(channels.c.id, _member.role)
    .join(channel_members, _member.channel_id == channels.c.id)
    .where(
        _member.left_at.is_(None),
        channels.c.deleted_at.is_(None),
        or_(
            channels.c.kind == "channel",
            # A direct channel in which nothing was ever said has not appeared to anybody.
            and_(~channels.c.is_archived, channels.c.last_seq > CREATION_SEQ),
        ),
    )
)


def _load(connection: Connection, user_id: UserId, after: ChannelId, limit: int) -> list[Departure]:
    query = _TO_LEAVE.where(_member.user_id == user_id, channels.c.id > after)
    rows = connection.execute(query.order_by(channels.c.id).limit(limit)).all()
    heirs = _heirs(connection, user_id, [row.id for row in rows if row.role == "owner"])
    return [Departure(row.id, heirs.get(row.id)) for row in rows]


def _heirs(
    connection: Connection, owner_id: UserId, channel_ids: Sequence[ChannelId]
) -> dict[ChannelId, PublicProfile]:
    """Who comes after the owner of each channel: the oldest admin, or else the oldest member; no bots."""
    rank = func.row_number().over(
        partition_by=_member.channel_id,
        order_by=(case((_member.role == "admin", 0), else_=1), _member.joined_seq, _member.user_id),
    )
    others = (
        select(_member.channel_id, _member.user_id, rank.label("rank"))
        .join(users, users.c.id == _member.user_id)
        .where(_member.channel_id.in_(channel_ids), _member.left_at.is_(None), _member.user_id != owner_id)
        .where(~users.c.is_bot)
        .subquery()
    )
    query: Any = select(others.c.channel_id, *PROFILE_COLUMNS).join(others, others.c.user_id == users.c.id)
    rows = connection.execute(query.where(others.c.rank == 1)) if channel_ids else ()
    return {row.channel_id: profile_of(row) for row in rows}
