"""A channel's past: its messages in order, what changed after a cursor, replies and earlier texts.

Queries are made once: making one costs more than running it.
"""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, Table, bindparam, select, union_all

from protocol.facts import Changes
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import Edit, MemberChange, Message
from storage.channel_rows import CHANNEL_ID, load_info
from storage.message_rows import MESSAGES, fetch_messages
from storage.tables import channel_members, channels, message_edits, messages, users
from storage.user_rows import PROFILE_COLUMNS, profile_of

_OF_CHANNEL = MESSAGES.where(messages.c.channel_id == CHANNEL_ID)
_BEFORE = messages.c.seq < bindparam("before")
_AFTER = messages.c.seq > bindparam("after")
_OLDEST_FIRST = messages.c.seq
_NEWEST_FIRST = messages.c.seq.desc()
_LIMIT: BindParameter[int] = bindparam("limit")

HISTORY = {
    (False, False): _OF_CHANNEL.order_by(_NEWEST_FIRST).limit(_LIMIT),
    (True, False): _OF_CHANNEL.where(_BEFORE).order_by(_NEWEST_FIRST).limit(_LIMIT),
    (False, True): _OF_CHANNEL.where(_AFTER).order_by(_OLDEST_FIRST).limit(_LIMIT),
    (True, True): _OF_CHANNEL.where(_BEFORE, _AFTER).order_by(_OLDEST_FIRST).limit(_LIMIT),
}
"""By whether `before` and `after` are given."""

PAGE_MAX_CHARS = 256 * 1024
"""How much text a page may hold, so that a few bytes that ask for one do not cost 12 MB."""

STANDING = select(channels.c.last_seq, channels.c.changed_seq).where(channels.c.id == CHANNEL_ID)


def _is_changed(table: Table) -> ColumnElement[bool]:
    changed_seq = table.c.changed_seq
    in_page = (changed_seq > bindparam("after")) & (changed_seq <= bindparam("to"))
    return (table.c.channel_id == CHANNEL_ID) & in_page


CHANGED_MESSAGES = MESSAGES.where(_is_changed(messages)).order_by(messages.c.changed_seq)
CHANGED_MEMBERS = (
    select(*PROFILE_COLUMNS, channel_members.c.role, channel_members.c.joined_at, channel_members.c.left_at)
    .join(channel_members, channel_members.c.user_id == users.c.id)
    .where(_is_changed(channel_members))
    .order_by(channel_members.c.changed_seq, channel_members.c.user_id)
)


def _next_seqs(table: Table) -> Select[tuple[int]]:
    changed = (table.c.channel_id == CHANNEL_ID) & (table.c.changed_seq > bindparam("after"))
    first = select(table.c.changed_seq).where(changed).order_by(table.c.changed_seq).limit(_LIMIT).subquery()
    return select(first.c.changed_seq)


_both = union_all(_next_seqs(messages), _next_seqs(channel_members)).subquery()
NEXT_SEQS = select(_both.c.changed_seq).order_by(_both.c.changed_seq).limit(_LIMIT)


def load_history(
    connection: Connection, channel_id: ChannelId, before: Seq | None, after: Seq | None, limit: int
) -> list[Message]:
    """By `seq`: newest first, or oldest first when `after` is given."""
    query = HISTORY[before is not None, after is not None]
    cursors = {name: cursor for name, cursor in (("before", before), ("after", after)) if cursor is not None}
    return fetch_messages(connection, query, channel_id=channel_id, limit=limit, **cursors)


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
    """At most `limit` rows, but never only some of the rows that one `seq` changed.

    Fewer rows where they hold much text: a page is bounded in characters too.
    """
    changes = _load_page(connection, channel_id, after, limit)
    chars = sum(len(message.content or "") for message in changes.messages)
    if chars <= PAGE_MAX_CHARS or limit == 1:
        return changes
    rows = len(changes.messages) + len(changes.members)
    return load_changes(connection, channel_id, after, max(1, rows * PAGE_MAX_CHARS // chars))


def _load_page(connection: Connection, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
    last_seq, changed_seq = connection.execute(STANDING, {"channel_id": channel_id}).one()
    end = _page_end(connection, channel_id, after, limit)
    to = last_seq if end is None else end
    page = {"channel_id": channel_id, "after": after, "to": to}
    return Changes(
        to=to,
        last_seq=last_seq,
        messages=tuple(fetch_messages(connection, CHANGED_MESSAGES, **page)),
        members=tuple(_member_change(row) for row in connection.execute(CHANGED_MEMBERS, page)),
        channel=load_info(connection, channel_id) if changed_seq > after else None,
        more=end is not None,
    )


def _page_end(connection: Connection, channel_id: ChannelId, after: Seq, limit: int) -> Seq | None:
    """Up to where `limit` rows changed; None when there are no more than that."""
    parameters = {"channel_id": channel_id, "after": after, "limit": limit + 1}
    seqs = connection.execute(NEXT_SEQS, parameters).scalars().all()
    if len(seqs) <= limit:
        return None
    # Just before the first row that is left out; a `seq` that changed more rows than that comes whole.
    return Seq(max(seqs[limit] - 1, seqs[0]))


def _member_change(row: Any) -> MemberChange:
    return MemberChange(profile_of(row), None if row.left_at else row.role, row.joined_at, row.left_at)
