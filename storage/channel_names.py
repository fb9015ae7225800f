"""Channel names: unique without case among live channels, in every script."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from protocol.ids import ChannelId
from storage.tables import channels


def name_key(name: str) -> str:
    """A name as names are compared. SQLite folds ASCII only, and PostgreSQL as its locale says."""
    return name.casefold()


def is_any_taken(
    connection: Connection, names: Iterable[str], except_channel: ChannelId | None = None
) -> bool:
    """Whether another live channel has one of these names."""
    keys = [name_key(name) for name in names]
    is_live = (channels.c.kind == "channel") & channels.c.deleted_at.is_(None)
    query = select(channels.c.id).where(is_live, channels.c.name_key.in_(keys))
    if except_channel is not None:
        query = query.where(channels.c.id != except_channel)
    return bool(keys) and connection.execute(query).first() is not None
