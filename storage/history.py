"""A channel's past: its messages in order, what changed after a cursor, replies and earlier texts."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, select, union_all

from protocol.facts import Changes
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import Edit, MemberChange, Message
from storage.channel_rows import load_info
from storage.message_rows import MESSAGES, fetch_messages
from storage.tables import channel_members, channels, message_edits, messages, users
from storage.user_rows import PROFILE_COLUMNS, profile_of


def load_history(
    connection: Connection, channel_id: ChannelId, before: Seq | None, after: Seq | None, limit: int
) -> list[Message]:
    """By `seq`: newest first, or oldest first when `after` is given."""
    query = MESSAGES.where(messages.c.channel_id == channel_id)
    if before is not None:
        query = query.where(messages.c.seq < before)
    if after is not None:
        query = query.where(messages.c.seq > after)
    order = messages.c.seq if after is not None else messages.c.seq.desc()
    return fetch_messages(connection, query.order_by(order).limit(limit))


def load_replies(
    connection: Connection, parent_id: MessageId, before: Seq | None, skip: int, limit: int
) -> list[Message]:
    """Newest first."""
    query = MESSAGES.where(messages.c.parent_id == parent_id)
    if before is not None:
        query = query.where(messages.c.seq < before)
    return fetch_messages(connection, query.order_by(messages.c.seq.desc()).offset(skip).limit(limit))


def load_edits(connection: Connection, message_id: MessageId, skip: int, limit: int) -> list[Edit]:
    """Newest first."""
    query = (
        select(message_edits.c.content, message_edits.c.edited_at)
        .where(message_edits.c.message_id == message_id)
        .order_by(message_edits.c.id.desc())
    )
    rows = connection.execute(query.offset(skip).limit(limit))
    return [Edit(row.content, row.edited_at) for row in rows]


def load_changes(connection: Connection, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
    """At most `limit` rows, but never only some of the rows that one `seq` changed."""
    query = select(channels.c.last_seq, channels.c.changed_seq).where(channels.c.id == channel_id)
    standing = connection.execute(query).one()
    end = _page_end(connection, channel_id, after, limit)
    to = standing.last_seq if end is None else end
    return Changes(
        to=to,
        messages=tuple(_changed_messages(connection, channel_id, after, to)),
        members=tuple(_changed_members(connection, channel_id, after, to)),
        channel=load_info(connection, channel_id) if standing.changed_seq > after else None,
        more=end is not None,
    )


def _page_end(connection: Connection, channel_id: ChannelId, after: Seq, limit: int) -> Seq | None:
    """Up to where `limit` rows changed; None when there are no more than that."""
    tables = (messages, channel_members)
    changed = (
        select(table.c.changed_seq)
        .where(table.c.channel_id == channel_id, table.c.changed_seq > after)
        .order_by(table.c.changed_seq)
        .limit(limit + 1)
        .subquery()
        for table in tables
    )
    both = union_all(*(select(branch.c.changed_seq) for branch in changed)).subquery()
    query = select(both.c.changed_seq).order_by(both.c.changed_seq).limit(limit + 1)
    seqs: Sequence[Seq] = connection.execute(query).scalars().all()
    if len(seqs) <= limit:
        return None
    # Just before the first row that is left out; a `seq` that changed more rows than that comes whole.
    return Seq(max(seqs[limit] - 1, seqs[0]))


def _changed_messages(connection: Connection, channel_id: ChannelId, after: Seq, to: Seq) -> list[Message]:
    is_changed: ColumnElement[bool] = messages.c.channel_id == channel_id
    is_changed &= (messages.c.changed_seq > after) & (messages.c.changed_seq <= to)
    return fetch_messages(connection, MESSAGES.where(is_changed).order_by(messages.c.changed_seq))


def _changed_members(
    connection: Connection, channel_id: ChannelId, after: Seq, to: Seq
) -> list[MemberChange]:
    member = channel_members.c
    query = (
        select(*PROFILE_COLUMNS, member.role, member.joined_at, member.left_at)
        .join(channel_members, member.user_id == users.c.id)
        .where(member.channel_id == channel_id, member.changed_seq > after, member.changed_seq <= to)
        .order_by(member.changed_seq, member.user_id)
    )
    return [
        MemberChange(profile_of(row), None if row.left_at else row.role, row.joined_at, row.left_at)
        for row in connection.execute(query)
    ]
