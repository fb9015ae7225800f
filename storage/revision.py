"""Whether a database's schema is the one of this version, without the time that importing Alembic takes."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from storage.engine import Database

VERSIONS: Final = Path(__file__).resolve().parent.parent / "migrations" / "versions"


async def is_current(database: Database) -> bool:
    """False too for a database that was never migrated, or by a newer version."""
    return await database.read(_revision) == newest_revision()


def newest_revision() -> str:
    """Revisions are numbered in order, and each file is named after its own."""
    return max(file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
