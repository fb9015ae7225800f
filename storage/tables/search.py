"""How far the search index is; the index itself differs by database and is made by its migration."""

from sqlalchemy import Column, Table

from storage.tables.base import BIG_INTEGER, metadata, reference, timestamps

search_positions = Table(
    "search_positions",
    metadata,
    reference("channel_id", "channels.id", on_delete="CASCADE", primary_key=True),
    Column("seq", BIG_INTEGER, nullable=False),
    *timestamps(),
    sqlite_with_rowid=False,
)
