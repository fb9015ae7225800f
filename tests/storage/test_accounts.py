"""Users: made, found without case, changed, disabled."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from protocol.ids import UserId
from protocol.resources import User
from storage.accounts import Accounts, NewUser, TakenField
from storage.administration import LastSuperuser
from storage.engine import Database
from storage.server_state import ServerState
from storage.sessions import Sessions
from storage.tables import roles, user_roles, users
from tests.storage.people import LATER, NOW, add_user, open_session


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


async def test_a_new_user_comes_back_whole(accounts: Accounts) -> None:
    new = NewUser(
        username="Ann",
        email="Ann@Example.org",
        hashed_password="hash",
        full_name="Ann Example",
        phone_number="+4912345",
    )
    user = await accounts.create(new, NOW)
    assert isinstance(user, User)
    assert user == await accounts.find(user.id)
    assert (user.username, user.email, user.full_name) == ("Ann", "Ann@Example.org", "Ann Example")
    assert (user.phone_number, user.bio, user.picture, user.roles) == ("+4912345", None, None, ())
    assert (user.is_active, user.is_superuser, user.is_bot) == (True, False, False)
    assert user.created_at == user.updated_at == NOW


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"username": "aNN"}, "username"),
        ({"email": "ANN@example.ORG"}, "email"),
        ({"phone_number": "+4912345"}, "phone_number"),
        ({"username": "ann", "email": "ann@example.org"}, "username"),
    ],
)
async def test_the_field_that_is_taken_is_named(
    database: Database, accounts: Accounts, fields: dict[str, Any], taken: str
) -> None:
    await add_user(database, "ann", phone_number="+4912345")
    other = {"username": "bob", "email": "bob@example.org", "hashed_password": None} | fields
    refused = await accounts.create(NewUser(**other), NOW)
    assert isinstance(refused, TakenField)
    assert refused.field == taken


async def test_of_two_who_register_one_name_at_once_one_gets_it(accounts: Accounts) -> None:
    new = NewUser(username="ann", email="ann@example.org", hashed_password=None)
    made = await asyncio.gather(*(accounts.create(new, NOW) for _ in range(5)))
    assert sorted(type(outcome).__name__ for outcome in made) == ["TakenField"] * 4 + ["User"]


async def test_users_are_found_by_name_or_address_without_case(
    database: Database, accounts: Accounts
) -> None:
    ann = await add_user(database, "Ann")
    for login in ("ann", "ANN", "ann@example.org", "ANN@EXAMPLE.ORG"):
        assert await accounts.find_by_login(login) == ann
        found = await accounts.find_credentials(login)
        assert found is not None
        assert (found.user_id, found.hashed_password, found.is_active) == (ann.id, "hash", True)
    for login in ("an", "ann%", "nobody"):
        assert await accounts.find_by_login(login) is None
        assert await accounts.find_credentials(login) is None


async def test_credentials_are_found_by_id(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann")
    found = await accounts.credentials_of(ann.id)
    assert found is not None
    assert found.hashed_password == "hash"
    assert await accounts.credentials_of(UserId(404)) is None


async def test_a_change_touches_only_what_is_named(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann", full_name="Ann", phone_number="+4912345")
    changed = await accounts.update(ann.id, LATER, bio="hi", username="Annie", phone_number=None)
    assert isinstance(changed, User)
    assert (changed.username, changed.full_name, changed.bio) == ("Annie", "Ann", "hi")
    assert (changed.phone_number, changed.updated_at, changed.created_at) == (None, LATER, NOW)


async def test_a_change_to_what_somebody_else_has_is_refused(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann")
    await add_user(database, "bob")
    assert await accounts.update(ann.id, LATER, email="BOB@example.org") == TakenField("email")
    assert await accounts.find(ann.id) == ann
    assert isinstance(await accounts.update(ann.id, LATER, username="ANN"), User)


async def test_nobody_is_changed_who_is_not_there(accounts: Accounts) -> None:
    assert await accounts.update(UserId(404), NOW, bio="x") is None
    assert await accounts.disable(UserId(404), NOW) is None
    assert await accounts.enable(UserId(404), NOW) is None
    assert await accounts.find(UserId(404)) is None
    assert await accounts.load_profile(UserId(404)) is None


async def test_a_deleted_user_is_not_found(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann")
    gone = update(users).where(users.c.id == ann.id).values(deleted_at=LATER)
    await database.write(lambda connection: connection.execute(gone).rowcount)
    assert await accounts.find(ann.id) is None
    assert await accounts.find_by_login("ann") is None
    assert await accounts.load_profile(ann.id) is None
    assert await accounts.list_users() == []


async def test_users_are_listed_newest_first_in_pages(database: Database, accounts: Accounts) -> None:
    ids = [(await add_user(database, name)).id for name in ("ann", "anna", "bob")]
    await accounts.disable(ids[1], NOW)
    assert [user.id for user in await accounts.list_users()] == ids[::-1]
    assert [user.id for user in await accounts.list_users(before=ids[2], limit=1)] == [ids[1]]
    assert [user.id for user in await accounts.list_users(skip=2)] == [ids[0]]
    assert [user.id for user in await accounts.list_users(is_active=False)] == [ids[1]]
    assert [profile.id for profile in await accounts.list_profiles()] == [ids[2], ids[0]]
    assert [profile.id for profile in await accounts.list_profiles(before=ids[2])] == [ids[0]]


@pytest.mark.parametrize(
    ("q", "names"),
    [("AN", ["anna", "ann"]), ("anna", ["anna"]), ("sm", ["bob"]), ("%", []), ("a_", []), ("b", ["bob"])],
)
async def test_people_are_found_by_how_their_names_begin(
    database: Database, accounts: Accounts, q: str, names: list[str]
) -> None:
    await add_user(database, "ann")
    await add_user(database, "anna")
    await add_user(database, "bob", full_name="Smith, Bob")
    assert [profile.username for profile in await accounts.list_profiles(q=q)] == names
    assert [user.username for user in await accounts.list_users(q=q)] == names


async def test_roles_come_with_the_user(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann")
    times = {"created_at": NOW, "updated_at": NOW}
    names = insert(roles).values([{"name": name, **times} for name in ("writer", "editor")])
    given = insert(user_roles).from_select(
        ["user_id", "role_id", "created_at", "updated_at"],
        select(users.c.id, roles.c.id, users.c.created_at, users.c.updated_at).join(roles, roles.c.id > 0),
    )
    await database.write(lambda connection: connection.execute(names).rowcount)
    await database.write(lambda connection: connection.execute(given).rowcount)
    found = await accounts.find(ann.id)
    assert found is not None
    assert found.roles == ("editor", "writer")
    await database.write(lambda connection: connection.execute(delete(roles)).rowcount)
    found = await accounts.find(ann.id)
    assert found is not None
    assert found.roles == ()


async def test_disabling_ends_every_session_and_is_seen_by_all(
    database: Database, accounts: Accounts
) -> None:
    ann = await add_user(database, "ann")
    sessions, state = Sessions(database), ServerState(database)
    one, two = [await open_session(sessions, ann.id, name) for name in ("one", "two")]
    before = await state.revocations()
    disabled = await accounts.disable(ann.id, LATER)
    assert isinstance(disabled, User)
    assert not disabled.is_active
    assert await state.revocations() > before
    assert await sessions.find_ended([one, two], NOW) == {one, two}
    enabled = await accounts.enable(ann.id, LATER)
    assert enabled is not None
    assert enabled.is_active
    assert await sessions.find_ended([one, two], NOW) == {one, two}


async def test_a_new_password_ends_the_other_sessions(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann")
    sessions = Sessions(database)
    keep, other = [await open_session(sessions, ann.id, name) for name in ("keep", "other")]
    assert await accounts.set_password(ann.id, "new hash", LATER, keep=keep) == [other]
    found = await accounts.credentials_of(ann.id)
    assert found is not None
    assert found.hashed_password == "new hash"
    assert await sessions.find_ended([keep, other], NOW) == {other}
    assert await accounts.set_password(ann.id, "newer", LATER) == [keep]


async def test_the_last_superuser_stays(database: Database, accounts: Accounts) -> None:
    ann = await add_user(database, "ann", is_superuser=True)
    bob = await add_user(database, "bob")
    assert await accounts.disable(ann.id, NOW) == LastSuperuser()
    assert await accounts.set_superuser(ann.id, NOW, is_superuser=False) == LastSuperuser()
    assert isinstance(await accounts.set_superuser(bob.id, NOW, is_superuser=True), User)
    demoted = await accounts.set_superuser(ann.id, NOW, is_superuser=False)
    assert isinstance(demoted, User)
    assert not demoted.is_superuser
    assert isinstance(await accounts.disable(ann.id, NOW), User)


async def test_of_two_superusers_who_demote_each_other_one_stays(
    database: Database, accounts: Accounts
) -> None:
    both = [(await add_user(database, name, is_superuser=True)).id for name in ("ann", "bob")]
    await asyncio.gather(*(accounts.set_superuser(one, NOW, is_superuser=False) for one in both))
    assert sum(user.is_superuser for user in await accounts.list_users()) == 1


async def test_another_broken_constraint_is_not_a_taken_field(accounts: Accounts) -> None:
    nameless = NewUser(username=None, email="x@example.org", hashed_password=None)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        await accounts.create(nameless, NOW)
