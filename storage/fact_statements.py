"""The statements that write a commit: one for each table that it touches, however many rows.

Next on a message's path: back in `messages.py`, the transaction ends and the journal is answered.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from protocol.ids import MessageId
from storage.audit import record_acts
from storage.channel_facts import write_channel_fact
from storage.delivery_facts import write_delivery
from storage.fact_rows import CommitRows, Row
from storage.job_rows import QUEUE_JOBS
from storage.row_statements import Kind, RowsStatement

INTEGER, TEXT, TIME = Kind.INTEGER, Kind.TEXT, Kind.TIME

ADD_MESSAGES = RowsStatement(
    """
    INSERT INTO messages (id, channel_id, seq, changed_seq, stream_id, sender_id, recipient_id,
        conversation_id, content, parent_id, nonce, via, created_at, updated_at)
    SELECT id, channel_id, seq, seq, stream_id, sender_id, recipient_id,
        conversation_id, content, parent_id, nonce, via, at, at
    FROM {rows} AS posted
    """,
    id=INTEGER,
    channel_id=INTEGER,
    seq=INTEGER,
    stream_id=TEXT,
    sender_id=INTEGER,
    recipient_id=INTEGER,
    conversation_id=TEXT,
    content=TEXT,
    parent_id=INTEGER,
    nonce=TEXT,
    via=TEXT,
    at=TIME,
)

ADD_MENTIONS = RowsStatement(
    """
    INSERT INTO mentions (message_id, user_id, created_at, updated_at)
    SELECT message_id, user_id, at, at FROM {rows} AS mentioned
    """,
    message_id=INTEGER,
    user_id=INTEGER,
    at=TIME,
)

ATTACH = RowsStatement(
    """
    UPDATE attachments SET message_id = attached.message_id, updated_at = attached.at
    FROM {rows} AS attached
    WHERE attachments.id = attached.id AND attachments.message_id IS NULL
    RETURNING attachments.id
    """,
    id=INTEGER,
    message_id=INTEGER,
    at=TIME,
)

CHANGE_MESSAGES = RowsStatement(
    """
    UPDATE messages SET changed_seq = changed.seq, content = changed.content, edited_at = changed.edited_at,
        deleted_at = changed.deleted_at, updated_at = changed.updated_at
    FROM {rows} AS changed
    WHERE messages.id = changed.id
    """,
    id=INTEGER,
    seq=INTEGER,
    content=TEXT,
    edited_at=TIME,
    deleted_at=TIME,
    updated_at=TIME,
)

ADD_EDITS = RowsStatement(
    """
    INSERT INTO message_edits (message_id, content, edited_at, created_at, updated_at)
    SELECT message_id, content, at, at, at FROM {rows} AS edited
    """,
    message_id=INTEGER,
    content=TEXT,
    at=TIME,
)

REMOVE_MENTIONS = RowsStatement("DELETE FROM mentions WHERE message_id IN {rows}", message_id=INTEGER)

_REACTION_FIELDS = {"message_id": INTEGER, "reaction_id": INTEGER, "user_id": INTEGER}
REMOVE_REACTIONS = RowsStatement(
    """
    DELETE FROM message_reactions
    WHERE (message_id, reaction_id, user_id) IN {rows}
    """,
    **_REACTION_FIELDS,
)
ADD_REACTIONS = RowsStatement(
    """
    INSERT INTO message_reactions (message_id, reaction_id, user_id, created_at, updated_at)
    SELECT message_id, reaction_id, user_id, at, at FROM {rows} AS added
    WHERE true
    ON CONFLICT (message_id, reaction_id, user_id) DO NOTHING
    """,
    **_REACTION_FIELDS,
    at=TIME,
)

# What was said is gone with the message; files without a message are swept.
FORGET_DELETED = tuple(
    RowsStatement(sql, message_id=INTEGER)
    for sql in (
        "DELETE FROM message_edits WHERE message_id IN {rows}",
        "DELETE FROM message_reactions WHERE message_id IN {rows}",
        "DELETE FROM mentions WHERE message_id IN {rows}",
        "UPDATE attachments SET message_id = NULL WHERE message_id IN {rows}",
    )
)

PUT_MEMBERS = RowsStatement(
    """
    INSERT INTO channel_members AS member (channel_id, user_id, role, changed_seq, joined_seq, read_seq,
        joined_at, left_at, created_at, updated_at)
    SELECT channel_id, user_id, role, changed_seq, coalesce(joined_seq, changed_seq), read_seq,
        joined_at, left_at, at, at
    FROM {rows} AS changed
    WHERE true
    ON CONFLICT (channel_id, user_id) DO UPDATE SET
        role = excluded.role,
        changed_seq = excluded.changed_seq,
        joined_seq = CASE WHEN excluded.joined_at = member.joined_at THEN member.joined_seq
            ELSE excluded.joined_seq END,
        read_seq = CASE WHEN excluded.read_seq > member.read_seq THEN excluded.read_seq
            ELSE member.read_seq END,
        joined_at = excluded.joined_at,
        left_at = excluded.left_at,
        updated_at = excluded.updated_at
    """,
    channel_id=INTEGER,
    user_id=INTEGER,
    role=TEXT,
    changed_seq=INTEGER,
    joined_seq=INTEGER,
    read_seq=INTEGER,
    joined_at=TIME,
    left_at=TIME,
    at=TIME,
)

SILENCE_WEBHOOKS = RowsStatement(
    """
    UPDATE webhooks SET is_active = false, updated_at = former.at
    FROM {rows} AS former
    WHERE webhooks.channel_id = former.channel_id AND webhooks.created_by = former.user_id
        AND webhooks.is_active
    """,
    channel_id=INTEGER,
    user_id=INTEGER,
    at=TIME,
)
"""Whoever may manage a channel no longer neither hears of it nor speaks in it by a webhook."""

MOVE_MARKERS = RowsStatement(
    """
    UPDATE channel_members SET read_seq = moved.read_seq
    FROM {rows} AS moved
    WHERE channel_members.channel_id = moved.channel_id AND channel_members.user_id = moved.user_id
        AND channel_members.read_seq < moved.read_seq
    """,
    channel_id=INTEGER,
    user_id=INTEGER,
    read_seq=INTEGER,
)

COUNT_INVITE_USES = RowsStatement(
    "UPDATE invites SET uses = uses + used.count FROM {rows} AS used WHERE invites.code = used.code",
    code=TEXT,
    count=INTEGER,
)


class NotWritten(Exception):
    """A fact rests on something that is no longer so."""


def write_rows(connection: Connection, rows: CommitRows) -> None:
    ADD_MESSAGES.run(connection, rows.messages)
    ADD_MENTIONS.run(connection, rows.mentions)
    _attach(connection, rows.attachments)
    CHANGE_MESSAGES.run(connection, list(rows.changed_messages.values()))
    ADD_EDITS.run(connection, rows.edits)
    if rows.edited_mentions:
        _mention_again(connection, rows.edited_mentions)
    REMOVE_REACTIONS.run(connection, list(rows.reactions_removed))
    ADD_REACTIONS.run(connection, list(rows.reactions_added.values()))
    for statement in FORGET_DELETED:
        statement.run(connection, rows.deleted_messages)
    for delivery in rows.deliveries:
        write_delivery(connection, delivery)
    PUT_MEMBERS.run(connection, list(rows.members.values()))
    SILENCE_WEBHOOKS.run(connection, list(rows.former_admins.values()))
    for channel_id, fact in rows.channel_facts:
        write_channel_fact(connection, channel_id, fact)
    COUNT_INVITE_USES.run(connection, list(rows.invite_uses.items()))
    record_acts(connection, rows.audited)
    QUEUE_JOBS.run(connection, rows.jobs)
    MOVE_MARKERS.run(connection, [(*key, read_seq) for key, read_seq in rows.markers.items()])


def _mention_again(connection: Connection, mentions: dict[MessageId, list[Row]]) -> None:
    """Whom edited messages mention now, in place of whom they did."""
    REMOVE_MENTIONS.run(connection, [(message_id,) for message_id in mentions])
    ADD_MENTIONS.run(connection, [row for rows in mentions.values() for row in rows])


def _attach(connection: Connection, rows: Sequence[Row]) -> None:
    if len(ATTACH.fetch(connection, rows)) < len(rows):
        raise NotWritten("a file was sent with another message first, or is gone")
