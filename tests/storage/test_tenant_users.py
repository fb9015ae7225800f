"""Users that a tenant vouches for."""

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import structs
from sqlalchemy.exc import IntegrityError

from protocol.errors import Unavailable
from protocol.resources import User
from storage.accounts import Accounts, NewUser, TakenField
from storage.engine import Database
from storage.tenant_users import NewTenantUser, TenantUsers

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
NEW = NewTenantUser(
    subject="auth0|1",
    usernames=("alice", "alice-2"),
    email="alice@example.org",
    full_name="Alice",
    picture=None,
)


@pytest.fixture
def tenant_users(database: Database) -> TenantUsers:
    return TenantUsers(database)


async def test_a_user_is_made_once_for_each_subject(tenant_users: TenantUsers) -> None:
    made = await tenant_users.create(NEW, NOW)
    assert isinstance(made, User)
    assert (made.username, made.email, made.full_name) == ("alice", "alice@example.org", "Alice")
    again = structs.replace(NEW, email="other@example.org", usernames=("other",))
    assert await tenant_users.create(again, NOW) == made


async def test_the_first_name_that_nobody_has_is_given(tenant_users: TenantUsers, database: Database) -> None:
    await Accounts(database).create(NewUser(username="ALICE", email="a@x.org", hashed_password=None), NOW)
    made = await tenant_users.create(NEW, NOW)
    assert isinstance(made, User)
    assert made.username == "alice-2"
    third = structs.replace(NEW, subject="auth0|3", email="3@x.org")
    assert await tenant_users.create(third, NOW) == TakenField("username")


async def test_an_address_that_somebody_has_is_taken(tenant_users: TenantUsers, database: Database) -> None:
    bob = NewUser(username="bob", email="ALICE@example.org", hashed_password=None)
    await Accounts(database).create(bob, NOW)
    assert await tenant_users.create(NEW, NOW) == TakenField("email")


async def test_many_at_once_make_one(tenant_users: TenantUsers) -> None:
    made = await asyncio.gather(*(tenant_users.create(NEW, NOW) for _ in range(8)))
    assert len({user.id for user in made if isinstance(user, User)}) == 1


async def test_an_endless_race_is_given_up(
    tenant_users: TenantUsers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(*_: object, **__: object) -> None:
        raise IntegrityError("", {}, ValueError())

    monkeypatch.setattr(database, "write", lose)
    with pytest.raises(Unavailable):
        await tenant_users.create(NEW, NOW)
