"""What differs between the databases in searching: how each finds, adds and forgets."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from protocol.ids import ChannelId, MessageId
from storage.row_statements import Row
from storage.search_terms import Terms

RANKED_MAX = 1_000
"""How many of the newest matches that somebody may see are ranked; older ones are not found."""

IS_VISIBLE = """
    messages.deleted_at IS NULL
    AND EXISTS (
        SELECT 1 FROM channel_members AS own
        WHERE own.channel_id = messages.channel_id AND own.user_id = :user_id AND own.left_at IS NULL
    )
    AND EXISTS (
        SELECT 1 FROM channels WHERE channels.id = messages.channel_id AND channels.deleted_at IS NULL
    )
"""
"""Whether a user may see a message now."""

CHANGED = """
    {rows} AS page
    JOIN messages ON messages.channel_id = page.channel_id
        AND messages.changed_seq > page.after_seq AND messages.changed_seq <= page.to_seq
"""
"""The messages that changed in some ranges: rows of (channel, after, up to)."""


class SearchDialect(Protocol):
    def find_sql(self, conditions: str) -> str:
        """SQL for the (id, rank) of matches by falling rank, the newer first among equals.

        It takes `user_id`, `limit`, `skip`, what `parameters` gives and what `conditions` on `messages` do.
        """
        ...

    def parameters(self, terms: Terms, channel_id: ChannelId | None) -> dict[str, str]:
        """What `find_sql` takes to look for these terms, in one channel or in all."""
        ...

    def set_deadline(self, connection: Connection, seconds: float) -> None:
        """From now on a query that takes this long fails as `Unavailable`, in this transaction."""
        ...

    def lift_deadline(self, connection: Connection, /) -> None:
        """What comes after the query may take its time."""
        ...

    def may_index(self, connection: Connection, /) -> bool:
        """Whether nobody else writes to the index; nobody will until this transaction ends."""
        ...

    def index(self, connection: Connection, ranges: Sequence[Row]) -> None:
        """Make the index say what the messages do that changed in these ranges."""
        ...

    def forget(self, connection: Connection, ids: Sequence[MessageId]) -> None:
        """Take messages out of the index."""
        ...
