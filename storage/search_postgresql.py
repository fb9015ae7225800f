"""Searching in PostgreSQL: a table of the words of each message beside the messages, with a GIN index."""

import math
import unicodedata
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from protocol.ids import ChannelId, MessageId
from storage.row_statements import Kind, Row, RowsStatement
from storage.search_dialect import CHANGED, IS_VISIBLE, RANKED_MAX
from storage.search_terms import WORD, Term, Terms

INDEX_LOCK: Final = 0x7061726C65 + 1

# PostgreSQL's own reading of a text takes addresses, paths and signed numbers for words: it sees none of
# their punctuation. Letters lose their accents, as in SQLite, without an extension that may be missing.
# The channel is a word that no text holds, so that one channel's matches are found by themselves.
WORDS: Final = r"""
    to_tsvector('simple', regexp_replace(
        regexp_replace(normalize(messages.content, NFKD), '[\u0300-\u036F]+', '', 'g'),
        '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF\u2000-\u206F]+', ' ', 'g'
    )) || array_to_tsvector(ARRAY['#' || messages.channel_id])
"""

# What matches is found first and whole, whatever the planner thinks of walking back through all messages.
FIND: Final = f"""
    WITH matching AS MATERIALIZED (
        SELECT message_id FROM search_index
        WHERE words @@ (to_tsquery('simple', :expression) && CAST(:of_channel AS tsquery))
    ), visible AS (
        SELECT messages.id FROM matching JOIN messages ON messages.id = matching.message_id
        WHERE {IS_VISIBLE} {{conditions}}
        ORDER BY messages.id DESC
        LIMIT {RANKED_MAX}
    )
    SELECT visible.id, ts_rank_cd(search_index.words, to_tsquery('simple', :expression), 1) AS rank
    FROM visible JOIN search_index ON search_index.message_id = visible.id
    ORDER BY rank DESC, visible.id DESC LIMIT :limit OFFSET :skip
"""

_RANGE: Final = {"channel_id": Kind.INTEGER, "after_seq": Kind.INTEGER, "to_seq": Kind.INTEGER}
REMOVE: Final = RowsStatement(
    f"""
    DELETE FROM search_index WHERE message_id IN (
        SELECT messages.id FROM {CHANGED} WHERE messages.deleted_at IS NOT NULL
    )
    """,
    **_RANGE,
)
ADD: Final = RowsStatement(
    f"""
    INSERT INTO search_index (message_id, words)
    SELECT messages.id, {WORDS} FROM {CHANGED} WHERE messages.deleted_at IS NULL
    ON CONFLICT (message_id) DO UPDATE SET words = excluded.words
    WHERE search_index.words <> excluded.words
    """,
    **_RANGE,
)
FORGET: Final = RowsStatement("DELETE FROM search_index WHERE message_id IN {rows}", message_id=Kind.INTEGER)


class PostgresqlSearch:
    """Fits `SearchDialect`. Several processes may be at work: one at a time adds to the index."""

    def find_sql(self, conditions: str) -> str:
        return FIND.format(conditions=conditions)

    def parameters(self, terms: Terms, channel_id: ChannelId | None) -> dict[str, str]:
        wanted, unwanted = map(_phrase, terms.wanted), map(_phrase, terms.unwanted)
        return {
            "expression": " & ".join([*wanted, *(f"!{phrase}" for phrase in unwanted)]),
            "of_channel": "" if channel_id is None else f"'#{channel_id}'",
        }

    def set_deadline(self, connection: Connection, seconds: float) -> None:
        connection.execute(text(f"SET LOCAL statement_timeout = {math.ceil(seconds * 1000)}"))

    def lift_deadline(self, _: Connection) -> None:
        """It ends with the transaction."""

    def may_index(self, connection: Connection) -> bool:
        lock = text("SELECT pg_try_advisory_xact_lock(:key)")
        return bool(connection.execute(lock, {"key": INDEX_LOCK}).scalar_one())

    def index(self, connection: Connection, ranges: Sequence[Row]) -> None:
        REMOVE.run(connection, ranges)
        ADD.run(connection, ranges)

    def forget(self, connection: Connection, ids: Sequence[MessageId]) -> None:
        FORGET.run(connection, [(message_id,) for message_id in ids])


def _phrase(term: Term) -> str:
    lexemes = [f"'{word}'" for typed in term.words for word in _folded(typed)]
    if term.is_prefix and lexemes:
        lexemes[-1] += ":*"
    return f"({' <-> '.join(lexemes)})"


def _folded(word: str) -> list[str]:
    """As `WORDS` does it: some characters stand for several, and some of those are no letters."""
    base = unicodedata.normalize("NFKD", word)
    return WORD.findall("".join(char for char in base if not "\u0300" <= char <= "\u036f"))
