"""The schema: up, down and up again, the same as the tables, and printed as SQL."""

import asyncio
import io
import stat
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from storage import schema
from storage.attachments import Attachments, NewAttachment, NewLink
from storage.engine import Database
from storage.revision import is_current, newest_revision
from storage.tables import attachments, metadata, reactions, server_state
from storage.urls import driver_url
from tests.storage.people import NOW, Chat

REQUIRED_INDEXES = {
    "users": {"ix_users_username", "ix_users_email", "ix_users_phone_number"},
    "roles": {"ix_roles_name"},
    "user_roles": {"ix_user_roles_user_id", "ix_user_roles_role_id"},
    "sessions": {"ix_sessions_session_token"},
    "refresh_tokens": {"ix_refresh_tokens_token"},
    "messages": {"ix_messages_sender_id", "ix_messages_recipient_id", "ix_messages_conversation_id"},
}


def table_names(connection: Connection) -> set[str]:
    """Without what is searched in, which has no common form."""
    found = set(inspect(connection).get_table_names()) - {"alembic_version"}
    return {name for name in found if not name.startswith("search_index")}


def index_names(connection: Connection) -> dict[str, set[str]]:
    if connection.dialect.name == "sqlite":
        query = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
    else:
        query = "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'"
    found: dict[str, set[str]] = {}
    for table, name in connection.execute(text(query)):
        found.setdefault(table, set()).add(name)
    return found


async def test_a_database_goes_up_down_and_up_again(empty_database_url: str) -> None:
    await schema.upgrade(empty_database_url)
    database = await Database.open(empty_database_url)
    assert await database.read(table_names) == set(metadata.tables)
    assert await is_current(database)
    await schema.downgrade(empty_database_url)
    assert await database.read(table_names) == set()
    assert not await is_current(database)
    await schema.upgrade(empty_database_url)
    assert await database.read(table_names) == set(metadata.tables)
    assert await is_current(database)
    await database.close()


async def test_each_revision_can_be_taken_back_alone(empty_database_url: str) -> None:
    await schema.upgrade(empty_database_url)
    database = await Database.open(empty_database_url)
    for _ in range(int(newest_revision())):
        await schema.downgrade(empty_database_url, "-1")
    assert await database.read(table_names) == set()
    for _ in range(int(newest_revision())):
        await schema.upgrade(empty_database_url, "+1")
    assert await is_current(database)
    await database.close()


async def test_links_go_with_the_column_that_they_are_kept_in(database_url: str) -> None:
    database = await Database.open(database_url)
    chat = await Chat.of(database, "ann")
    await Attachments(database).add_links(chat.ids[0], [NewLink("a", "image/png", "https://a.example/")], NOW)
    new = NewAttachment(owner_id=chat.ids[0], name="b", content_type="text/plain", size=1, sha256="b" * 64)
    await Attachments(database).add(new, NOW, unsent_max_bytes=1)
    await schema.downgrade(database_url, "0007")
    names = select(attachments.c.name)
    assert await database.read(lambda connection: connection.scalars(names).all()) == ["b"]
    await schema.upgrade(database_url)
    await database.close()


async def test_the_tables_and_the_migrations_agree(database_url: str) -> None:
    # Raises if autogeneration would change anything.
    await asyncio.to_thread(command.check, schema.alembic_config(database_url))


def test_the_newest_revision_is_the_head_of_the_history() -> None:
    assert ScriptDirectory(str(schema.SCRIPTS)).get_current_head() == newest_revision()


async def test_a_database_that_was_never_migrated_is_not_current(empty_database_url: str) -> None:
    make_file(empty_database_url)
    database = await Database.open(empty_database_url)
    assert not await is_current(database)
    await database.close()


async def test_indexes_of_the_older_schema_keep_their_names(database: Database) -> None:
    found = await database.read(index_names)
    for table, names in REQUIRED_INDEXES.items():
        assert names <= found[table]


async def test_two_databases_never_share_an_epoch(empty_database_url: str) -> None:
    epochs = []
    for _ in range(2):
        await schema.upgrade(empty_database_url)
        epochs.append((await first_state(empty_database_url))["epoch"])
        await schema.downgrade(empty_database_url)
    assert len(epochs[0]) == 32
    assert epochs[0] != epochs[1]


async def test_nothing_is_revoked_at_first(database_url: str) -> None:
    assert (await first_state(database_url))["revocations"] == "0"


async def test_system_reactions_are_there_from_the_start(database: Database) -> None:
    query = select(reactions.c.code).where(reactions.c.is_system)
    codes = await database.read(lambda connection: set(connection.scalars(query)))
    assert {"thumbsup", "heart", "joy"} <= codes


@pytest.mark.parametrize("url", ["sqlite:///unused.db", "postgresql://unused/unused"])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_the_sql_can_be_printed_without_a_database(url: str, direction: str) -> None:
    printed = io.StringIO()
    config = schema.alembic_config(url)
    config.output_buffer = printed
    if direction == "up":
        command.upgrade(config, "head", sql=True)
    else:
        command.downgrade(config, "head:base", sql=True)
    verb = "CREATE TABLE" if direction == "up" else "DROP TABLE"
    assert all(f"{verb} {table}" in printed.getvalue() for table in metadata.tables)
    assert not Path("unused.db").exists()


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/parley.db"
    await schema.upgrade(url)
    assert (tmp_path / "deep" / "er" / "parley.db").exists()


async def first_state(url: str) -> dict[str, str]:
    database = await Database.open(url)
    query = select(server_state.c.key, server_state.c.value)
    state = await database.read(lambda connection: {row.key: row.value for row in connection.execute(query)})
    await database.close()
    return state


async def test_servers_that_start_at_once_take_turns_to_migrate(empty_database_url: str) -> None:
    script = (
        f"import asyncio; from storage.schema import upgrade; asyncio.run(upgrade({empty_database_url!r}))"
    )
    starts = [asyncio.create_subprocess_exec(sys.executable, "-c", script) for _ in range(2)]
    servers = await asyncio.gather(*starts)
    assert await asyncio.gather(*(server.wait() for server in servers)) == [0, 0]
    database = await Database.open(empty_database_url)
    assert await is_current(database)
    await database.close()


def make_file(url: str) -> None:
    if url.startswith("sqlite"):
        Path(driver_url(url).database or "").touch()


def test_nobody_else_may_read_a_new_database(tmp_path: Path) -> None:
    asyncio.run(schema.upgrade(f"sqlite:///{tmp_path}/a.db"))

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
