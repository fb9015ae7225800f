"""Brings a database's schema to where this version of Parley needs it. `revision.py` asks where it is."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config

from storage.urls import driver_url

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate forward. An SQLite file is made if need be; servers that start at once take turns."""
    _make_file(url)
    await asyncio.to_thread(command.upgrade, alembic_config(url), revision)


async def downgrade(url: str, revision: str = "base") -> None:
    """As `upgrade`, backward."""
    await asyncio.to_thread(command.downgrade, alembic_config(url), revision)


def alembic_config(url: str) -> Config:
    """What Alembic's own commands need for this database, from whatever folder."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _make_file(url: str) -> None:
    """It holds password hashes: nobody but its owner may read it, nor what SQLite puts beside it."""
    parsed = driver_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
