"""Direct channels: made by the first of two people who writes to the other."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from protocol.ids import ChannelId, Seq, UserId
from storage.tables import channel_members, channels, users

CREATION_SEQ = Seq(1)
"""Both members join with the channel's first change."""

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def conversation_id(user_id: UserId, peer_id: UserId) -> str:
    low, high = sorted((user_id, peer_id))
    return f"direct:{low}:{high}"


def find_direct(connection: Connection, user_id: UserId, peer_id: UserId) -> ChannelId | None:
    """None when they have none yet, or one of them was deleted."""
    is_it = channels.c.conversation_id == conversation_id(user_id, peer_id)
    is_dead = exists().where(users.c.id.in_((user_id, peer_id)), users.c.deleted_at.is_not(None))
    return connection.execute(select(channels.c.id).where(is_it, ~is_dead)).scalar()


def make_direct(connection: Connection, user_id: UserId, peer_id: UserId, now: datetime) -> ChannelId | None:
    """The channel of these two; None when one of them does not exist. Of two who make it, one finds it."""
    both = select(func.count()).where(users.c.id.in_((user_id, peer_id)), users.c.deleted_at.is_(None))
    if connection.execute(both).scalar_one() != 2:
        return None
    row = _INSERT[connection.dialect.name](channels).values(
        kind="direct",
        conversation_id=conversation_id(user_id, peer_id),
        last_seq=CREATION_SEQ,
        changed_seq=CREATION_SEQ,
        created_at=now,
        updated_at=now,
    )
    made = row.on_conflict_do_nothing(index_elements=["conversation_id"]).returning(channels.c.id)
    channel_id = connection.execute(made).scalar()
    if channel_id is None:
        return find_direct(connection, user_id, peer_id)
    for member_id in (user_id, peer_id):
        add_member(connection, channel_id, member_id, "member", now)
    return ChannelId(channel_id)


def add_member(
    connection: Connection, channel_id: ChannelId, user_id: UserId, role: str, now: datetime
) -> None:
    """One of those that a channel is made with: nothing of it is unread."""
    row = insert(channel_members).values(
        channel_id=channel_id,
        user_id=user_id,
        role=role,
        read_seq=0,
        joined_seq=CREATION_SEQ,
        changed_seq=CREATION_SEQ,
        joined_at=now,
        created_at=now,
        updated_at=now,
    )
    connection.execute(row)
