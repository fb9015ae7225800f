"""Whether a schema is current, told without Alembic and as Alembic would."""

from pathlib import Path

from alembic.script import ScriptDirectory

from storage import schema
from storage.engine import Database
from storage.revision import is_current, newest_revision


def test_the_newest_revision_is_alembics_head() -> None:
    assert newest_revision() == ScriptDirectory(str(schema.SCRIPTS)).get_current_head()


async def test_a_migrated_database_is_current(database: Database) -> None:
    assert await is_current(database)


async def test_an_empty_database_is_not(empty_database_url: str) -> None:
    if empty_database_url.startswith("sqlite"):
        make_empty(empty_database_url.removeprefix("sqlite:///"))
    database = await Database.open(empty_database_url)
    assert not await is_current(database)
    await database.close()


async def test_an_older_database_is_not(database_url: str) -> None:
    await schema.downgrade(database_url, "-1")
    database = await Database.open(database_url)
    assert not await is_current(database)
    await database.close()


def make_empty(file: str) -> None:
    Path(file).touch()
