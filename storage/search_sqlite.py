"""Searching in SQLite: an FTS5 table whose rows bear the ids of the messages."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import Connection

from protocol.ids import ChannelId, MessageId
from storage.row_statements import Kind, Row, RowsStatement, execute_driver
from storage.search_dialect import CHANGED, IS_VISIBLE, RANKED_MAX
from storage.search_terms import Term, Terms

MERGED_PAGES: Final = 4
"""How much of the index is put in order with each step, so that it never has to be all at once."""
STEPS_BETWEEN_LOOKS: Final = 10_000
"""How many steps of its machine SQLite takes between two looks at the clock: some tenths of a millisecond."""

# CROSS: what matches is asked first, and each match whether it may be seen. The other way around everything
# that may be seen would be asked whether it matches.
FIND: Final = f"""
    SELECT id, score AS rank FROM (
        SELECT messages.id, -bm25(search_index, 1.0, 0.0) AS score
        FROM search_index CROSS JOIN messages ON messages.id = search_index.rowid
        WHERE search_index MATCH :expression AND {IS_VISIBLE} {{conditions}}
        ORDER BY search_index.rowid DESC
        LIMIT {RANKED_MAX}
    )
    ORDER BY score DESC, id DESC LIMIT :limit OFFSET :skip
"""

_RANGE: Final = {"channel_id": Kind.INTEGER, "after_seq": Kind.INTEGER, "to_seq": Kind.INTEGER}
REMOVE: Final = RowsStatement(
    f"""
    DELETE FROM search_index WHERE rowid IN (
        SELECT messages.id FROM {CHANGED} WHERE messages.deleted_at IS NOT NULL
    )
    """,
    **_RANGE,
)
ADD: Final = RowsStatement(
    f"""
    INSERT OR REPLACE INTO search_index (rowid, words, channel)
    SELECT messages.id, messages.content, messages.channel_id
    FROM {CHANGED} WHERE messages.deleted_at IS NULL
    """,
    **_RANGE,
)
FORGET: Final = RowsStatement("DELETE FROM search_index WHERE rowid IN {rows}", message_id=Kind.INTEGER)
MERGE: Final = "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)"


class SqliteSearch:
    """Fits `SearchDialect`. There is one process, and one writer."""

    def find_sql(self, conditions: str) -> str:
        return FIND.format(conditions=conditions)

    def parameters(self, terms: Terms, channel_id: ChannelId | None) -> dict[str, str]:
        """The channel is a word of its own column, so that one channel's matches are found by themselves."""
        words = " AND ".join(map(_phrase, terms.wanted))
        if terms.unwanted:
            words = f"({words}) NOT ({' OR '.join(map(_phrase, terms.unwanted))})"
        of_channel = "" if channel_id is None else f'channel : "{channel_id}" AND '
        return {"expression": f"{of_channel}words : ({words})"}

    def set_deadline(self, connection: Connection, seconds: float) -> None:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        deadline_s = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > deadline_s, STEPS_BETWEEN_LOOKS)

    def lift_deadline(self, connection: Connection) -> None:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.set_progress_handler(None, 0)

    def may_index(self, _: Connection) -> bool:
        return True

    def index(self, connection: Connection, ranges: Sequence[Row]) -> None:
        REMOVE.run(connection, ranges)
        ADD.run(connection, ranges)
        execute_driver(connection, MERGE, (MERGED_PAGES,))

    def forget(self, connection: Connection, ids: Sequence[MessageId]) -> None:
        FORGET.run(connection, [(message_id,) for message_id in ids])


def _phrase(term: Term) -> str:
    return f'"{" ".join(term.words)}"' + (" *" if term.is_prefix else "")
