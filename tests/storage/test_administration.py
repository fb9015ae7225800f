"""What superusers do to users: recorded with the act, and never to the last of them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from protocol.audit import AuditRecord, Doer
from protocol.ids import UserId
from protocol.resources import PublicProfile, User
from storage.accounts import Accounts, NewUser
from storage.administration import BotSuperuser, LastSuperuser
from storage.audit import AuditFilter, AuditLog
from storage.engine import Database
from storage.server_state import ServerState
from storage.sessions import Refused, Sessions
from storage.tables import refresh_tokens, roles, sessions, telegram_links, user_roles, users
from tests.storage.people import EXPIRY, LATER, NOW, add_user, open_session


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


@pytest.fixture
async def root(database: Database) -> User:
    return await add_user(database, "root", is_superuser=True)


async def acts(database: Database) -> list[tuple[str, UserId | None, str | None, str | None]]:
    """Action, actor, target and address of each entry, newest first."""
    entries = await AuditLog(database).list_entries(AuditFilter())
    return [(entry.action, entry.actor_id, entry.target_id, entry.ip_address) for entry in entries]


async def count(database: Database, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return await database.read(lambda connection: connection.execute(query).scalar_one())


async def test_every_act_is_recorded_once_however_often_it_is_done(
    database: Database, accounts: Accounts, root: User
) -> None:
    by = Doer(root.id, "192.0.2.1")
    new = NewUser(username="ann", email="ann@example.org", hashed_password=None)
    ann = await accounts.create(new, NOW, by)
    assert isinstance(ann, User)
    for _ in range(2):
        await accounts.disable(ann.id, NOW, by)
    for _ in range(2):
        await accounts.enable(ann.id, NOW, by)
    for _ in range(2):
        await accounts.set_superuser(ann.id, NOW, by, is_superuser=True)
    for _ in range(2):
        await accounts.set_superuser(ann.id, NOW, by, is_superuser=False)
    for _ in range(2):
        await accounts.delete(ann.id, NOW, by)
    wanted = ["user.deleted", "user.demoted", "user.promoted", "user.enabled", "user.disabled"]
    expected = [(action, root.id, str(ann.id), "192.0.2.1") for action in [*wanted, "user.created"]]
    assert await acts(database) == expected


async def test_what_is_refused_is_not_recorded(database: Database, accounts: Accounts, root: User) -> None:
    by = Doer(root.id)
    assert await accounts.disable(root.id, NOW, by) == LastSuperuser()
    assert await accounts.set_superuser(root.id, NOW, by, is_superuser=False) == LastSuperuser()
    assert await accounts.set_superuser(root.id, NOW, by, is_superuser=None) == LastSuperuser()
    assert await accounts.delete(root.id, NOW, by) == LastSuperuser()
    taken = NewUser(username="ROOT", email="x@example.org", hashed_password=None)
    await accounts.create(taken, NOW, by)
    absent = UserId(404)
    assert await accounts.disable(absent, NOW, by) is None
    assert await accounts.enable(absent, NOW, by) is None
    assert await accounts.set_superuser(absent, NOW, by, is_superuser=None) is None
    assert await accounts.delete(absent, NOW, by) is None
    assert await acts(database) == []
    assert await accounts.find(root.id) == root


async def test_without_saying_to_what_it_is_the_other(accounts: Accounts, database: Database) -> None:
    await add_user(database, "root", is_superuser=True)
    ann = await add_user(database, "ann")
    for expected in (True, False, True):
        changed = await accounts.set_superuser(ann.id, NOW, is_superuser=None)
        assert isinstance(changed, User)
        assert changed.is_superuser is expected


@pytest.mark.parametrize("act", ["disable", "delete", "demote"])
async def test_of_superusers_who_take_each_other_out_one_stays(
    database: Database, accounts: Accounts, act: str
) -> None:
    people = [await add_user(database, f"root{n}", is_superuser=True) for n in range(4)]

    async def take_out(user_id: UserId) -> object:
        match act:
            case "disable":
                return await accounts.disable(user_id, NOW)
            case "delete":
                return await accounts.delete(user_id, NOW)
            case _:
                return await accounts.set_superuser(user_id, NOW, is_superuser=False)

    outcomes = await asyncio.gather(*(take_out(person.id) for person in people))
    assert sum(isinstance(outcome, LastSuperuser) for outcome in outcomes) == 1
    able = select(func.count()).where(users.c.is_superuser, users.c.is_active, users.c.deleted_at.is_(None))
    assert await database.read(lambda connection: connection.execute(able).scalar_one()) == 1


async def test_a_superuser_who_cannot_log_in_does_not_count(database: Database, accounts: Accounts) -> None:
    one, other = [await add_user(database, name, is_superuser=True) for name in ("one", "other")]
    assert isinstance(await accounts.disable(other.id, NOW), User)
    assert await accounts.delete(one.id, NOW) == LastSuperuser()
    assert isinstance(await accounts.delete(other.id, NOW), PublicProfile)
    assert await accounts.disable(one.id, NOW) == LastSuperuser()


async def test_a_bot_is_no_superuser_and_does_not_count_as_one(
    database: Database, accounts: Accounts
) -> None:
    root = await add_user(database, "root", is_superuser=True)
    await add_user(database, "old", is_superuser=True, is_bot=True)
    bot = await add_user(database, "bot", is_bot=True)
    assert await accounts.delete(root.id, NOW) == LastSuperuser()
    for wanted in (True, None):
        assert await accounts.set_superuser(bot.id, NOW, is_superuser=wanted) == BotSuperuser()
    demoted = await accounts.set_superuser(bot.id, NOW, is_superuser=False)
    assert isinstance(demoted, User)
    assert await acts(database) == []


async def belongings(database: Database, user_id: UserId) -> None:
    """A session with its token, a role and a link to Telegram."""
    await open_session(Sessions(database), user_id)
    times: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
    role = insert(roles).values(name="editor", **times).returning(roles.c.id)
    role_id = await database.write(lambda connection: connection.execute(role).scalar_one())
    given = insert(user_roles).values(user_id=user_id, role_id=role_id, **times)
    await database.write(lambda connection: connection.execute(given).rowcount)
    link = insert(telegram_links).values(user_id=user_id, chat_id=5, expires_at=EXPIRY, **times)
    await database.write(lambda connection: connection.execute(link).rowcount)


async def test_nothing_personal_is_left_of_a_deleted_user(
    database: Database, accounts: Accounts, root: User
) -> None:
    ann = await add_user(
        database, "ann", full_name="Ann Other", phone_number="+4930123456", is_superuser=True
    )
    await accounts.update(ann.id, NOW, bio="Curious", picture="https://x.example/ann.png")
    await belongings(database, ann.id)
    before = await ServerState(database).revocations()
    left = await accounts.delete(ann.id, LATER, Doer(root.id))
    assert left == PublicProfile(ann.id, f"deleted user {ann.id}")
    assert await ServerState(database).revocations() > before
    for table in (sessions, refresh_tokens, user_roles, telegram_links):
        assert await count(database, table) == 0
    query = select(users).where(users.c.id == ann.id)
    row = await database.read(lambda connection: connection.execute(query).one())
    assert (row.deleted_at, row.is_active, row.is_superuser) == (LATER, False, False)
    kept = " ".join(str(value) for value in row)
    assert not any(word in kept for word in ("ann", "Ann", "Curious", "+49", "hash"))
    entries = await AuditLog(database).list_entries(AuditFilter())
    assert "ann" not in str([entry.detail for entry in entries])


async def test_the_names_of_a_deleted_user_are_free(
    database: Database, accounts: Accounts, root: User
) -> None:
    ann = await add_user(database, "ann", phone_number="+4930123456")
    await accounts.delete(ann.id, NOW)
    other = await add_user(database, "ann", phone_number="+4930123456")
    assert other.id != ann.id
    assert isinstance(await accounts.delete(other.id, NOW), PublicProfile)


async def test_a_deleted_user_is_found_nowhere_and_cannot_come_back(
    database: Database, accounts: Accounts, root: User
) -> None:
    ann = await add_user(database, "ann")
    name = f"deleted user {ann.id}"
    await open_session(Sessions(database), ann.id)
    await accounts.delete(ann.id, NOW)
    assert await accounts.find(ann.id) is None
    assert await accounts.load_profile(ann.id) is None
    assert await accounts.find_credentials(name) is None
    assert await accounts.enable(ann.id, NOW) is None
    assert await accounts.update(ann.id, NOW, full_name="Ann") is None
    assert [user.id for user in await accounts.list_users()] == [root.id]
    assert await accounts.list_profiles(q="deleted") == []
    refused = await Sessions(database).rotate_refresh_token("refresh one", "two", EXPIRY, NOW)
    assert refused == Refused("unknown")


def test_a_record_says_what_its_doer_did() -> None:
    record = Doer(UserId(1), "192.0.2.1").did("user.deleted", "user", 7)
    assert record == AuditRecord(
        actor_id=UserId(1), action="user.deleted", target_type="user", target_id=7, ip_address="192.0.2.1"
    )
