"""Runs the revisions in `versions/` against one database, or prints their SQL (`alembic upgrade head --sql`).

The database is the one that `storage.schema` names, else that of `DATABASE_URL` or `DB_URL`.
"""

import asyncio
import os
import warnings
from logging.config import fileConfig
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, event, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.tables import metadata
from storage.urls import driver_url

SEARCH_INDEX = "search_index"
"""The table that is searched, and the beginning of the names of those that SQLite keeps it in."""
DEFAULT_URL = "sqlite:///./backend.db"
MIGRATION_LOCK = 0x7061726C6579  # "parley": two servers that start at once migrate one after the other


def database_url() -> URL:
    configured = context.config.get_main_option("sqlalchemy.url")
    return driver_url(configured or os.environ.get("DATABASE_URL") or os.environ.get("DB_URL") or DEFAULT_URL)


def options() -> dict[str, Any]:
    # Both databases take part of a failed migration back whole: SQLite too, once it is told to.
    return {
        "target_metadata": metadata,
        "include_name": is_compared,
        "render_as_batch": True,
        "transactional_ddl": True,
    }


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """Whether autogeneration looks at this. What each database searches in has no common form."""
    return kind != "table" or not (name or "").startswith(SEARCH_INDEX)


def migrate(connection: Connection) -> None:
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.configure(connection=connection, **options())
        with context.begin_transaction():
            context.run_migrations()


async def migrate_online(url: URL) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    # Kept in the file: only while nobody reads can it be turned on.
    connection.cursor().execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def print_sql() -> None:
    dialect_opts = {"paramstyle": "named"}
    context.configure(url=database_url(), literal_binds=True, dialect_opts=dialect_opts, **options())
    with context.begin_transaction():
        context.run_migrations()


def run() -> None:
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    with warnings.catch_warnings():
        # Alembic cannot compare SQLite's indexes over lower(…) and says so each time.
        warnings.filterwarnings("ignore", message=".*(functional|expression-based) index.*")
        if context.is_offline_mode():
            print_sql()
        else:
            asyncio.run(migrate_online(database_url()))


run()
