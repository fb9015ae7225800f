"""The fence: each channel of a commit moves from where its owner believes it to stand, or not at all.

What moves is given the ids of the messages that will be posted there.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from protocol.facts import Part
from protocol.ids import ChannelId, MessageId
from storage.fact_rows import Row, fence_row
from storage.row_statements import Kind, RowsStatement

MOVE = """
    UPDATE channels SET last_seq = moving.last_seq,
        changed_seq = coalesce(moving.changed_seq, channels.changed_seq)
    FROM {rows} AS moving
    WHERE channels.id = moving.id AND channels.last_seq = moving.expected AND channels.deleted_at IS NULL
"""
# Asked for in one row: the interpreter has to be won back from the event loop after each.
STANDING = """
    SELECT json_group_array(channels.id) AS ids,
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0) AS last_message_id
    FROM {rows} AS moving JOIN channels ON channels.id = moving.id
    WHERE channels.last_seq = moving.expected AND channels.deleted_at IS NULL
"""

# One round trip. Rows are locked in the order of their ids, so that two processes never deadlock.
MOVE_AND_NUMBER = """
    WITH moving AS MATERIALIZED (SELECT * FROM {rows} AS given),
    locked AS MATERIALIZED (
        SELECT channels.id FROM channels JOIN moving ON moving.id = channels.id
        ORDER BY channels.id FOR NO KEY UPDATE OF channels
    ),
    moved AS (
        UPDATE channels SET last_seq = moving.last_seq,
            changed_seq = coalesce(moving.changed_seq, channels.changed_seq)
        FROM moving JOIN locked ON locked.id = moving.id
        WHERE channels.id = moving.id AND channels.last_seq = moving.expected AND channels.deleted_at IS NULL
        RETURNING channels.id, moving.posts
    )
    SELECT
        ARRAY(SELECT id FROM moved) AS moved,
        ARRAY(
            SELECT nextval('messages_id_seq')
            FROM generate_series(1, (SELECT CAST(sum(posts) AS bigint) FROM moved))
        ) AS numbers
"""

_FIELDS = {
    "id": Kind.INTEGER,
    "expected": Kind.INTEGER,
    "last_seq": Kind.INTEGER,
    "changed_seq": Kind.INTEGER,
    "posts": Kind.INTEGER,
}
_STANDING = RowsStatement(STANDING, **_FIELDS)
_MOVE = RowsStatement(MOVE, **_FIELDS)
_POSTGRESQL = RowsStatement(MOVE_AND_NUMBER, **_FIELDS)
_ids = msgspec.json.Decoder(list[ChannelId]).decode


class Moved(Struct, frozen=True):
    """The channels that stood where they were expected, and as many new ids as are posted in them."""

    channels: frozenset[ChannelId]
    message_ids: list[MessageId]


def move_channels(connection: Connection, parts: Sequence[Part]) -> Moved:
    fences = sorted(fence_row(part) for part in parts)
    if connection.dialect.name == "postgresql":
        (row,) = _POSTGRESQL.fetch(connection, fences)
        return Moved(frozenset(row.moved), sorted(row.numbers))
    return _move_on_sqlite(connection, parts, fences)


def _move_on_sqlite(connection: Connection, parts: Sequence[Part], fences: Sequence[Row]) -> Moved:
    """SQLite has one writer: what stands there goes on to, and what follows on the last id is free."""
    found = _STANDING.fetch(connection, fences)
    standing = frozenset(channel_id for row in found for channel_id in _ids(row.ids))
    _MOVE.run(connection, fences)
    posts = sum(part.posts for part in parts if part.channel_id in standing)
    last = found[0].last_message_id if found else 0
    return Moved(standing, [MessageId(last + number) for number in range(1, posts + 1)])
