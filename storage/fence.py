"""The fence: each channel of a commit moves from where its owner believes it to stand, or not at all.

What moves is given the ids of the messages that will be posted there.
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from protocol.facts import Part
from protocol.ids import ChannelId, MessageId
from storage.fact_rows import fence_row
from storage.row_statements import Kind, RowsStatement, execute_driver

MOVE = """
    UPDATE channels SET last_seq = moving.last_seq,
        changed_seq = coalesce(moving.changed_seq, channels.changed_seq)
    FROM {rows} AS moving
    WHERE channels.id = moving.id AND channels.last_seq = moving.expected AND channels.deleted_at IS NULL
    RETURNING channels.id
"""
LAST_ID = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)"

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
_SQLITE = RowsStatement(MOVE, **_FIELDS)
_POSTGRESQL = RowsStatement(MOVE_AND_NUMBER, **_FIELDS)


class Moved(Struct, frozen=True):
    """The channels that stood where they were expected, and as many new ids as are posted in them."""

    channels: frozenset[ChannelId]
    message_ids: list[MessageId]


def move_channels(connection: Connection, parts: Sequence[Part]) -> Moved:
    fences = sorted(fence_row(part) for part in parts)
    if connection.dialect.name == "postgresql":
        (row,) = _POSTGRESQL.fetch(connection, fences)
        return Moved(frozenset(row.moved), sorted(row.numbers))
    moved = frozenset(row.id for row in _SQLITE.fetch(connection, fences))
    return Moved(moved, _next_ids(connection, [part for part in parts if part.channel_id in moved]))


def _next_ids(connection: Connection, parts: Sequence[Part]) -> list[MessageId]:
    """SQLite has one writer: what follows on the last id is free until the transaction ends."""
    count = sum(part.posts for part in parts)
    last = execute_driver(connection, LAST_ID).fetchone()[0] if count else 0
    return [MessageId(last + number) for number in range(1, count + 1)]
