"""Roles, and who has which."""

import asyncio

import pytest

from protocol.audit import Doer
from protocol.facts import Taken
from protocol.ids import UserId
from protocol.resources import UserRole
from storage.accounts import Accounts
from storage.audit import AuditFilter, AuditLog
from storage.engine import Database
from storage.roles import Roles, UnknownRole
from tests.storage.people import NOW, add_user

BY = Doer(address="192.0.2.1")


@pytest.fixture
def roles(database: Database) -> Roles:
    return Roles(database)


async def make(roles: Roles, *names: str) -> list[UserRole]:
    made = [await roles.create(name, None, BY, NOW) for name in names]
    return [role for role in made if not isinstance(role, Taken)]


async def test_roles_are_listed_newest_first(roles: Roles) -> None:
    one, two, three = await make(roles, "one", "two", "three")
    assert await roles.list_roles() == [three, two, one]
    assert await roles.list_roles(before=three.id, limit=1) == [two]
    assert await roles.list_roles(skip=2) == [one]


async def test_a_name_is_taken_whatever_its_case(roles: Roles) -> None:
    role = await roles.create("Support", "Answers questions", BY, NOW)
    assert role == UserRole(1, "Support", "Answers questions")
    assert await roles.create("support", None, BY, NOW) == Taken()


async def test_of_two_who_make_it_at_once_one_does(roles: Roles) -> None:
    outcomes = await asyncio.gather(*(roles.create("support", None, BY, NOW) for _ in range(4)))
    assert sum(isinstance(outcome, UserRole) for outcome in outcomes) == 1
    assert outcomes.count(Taken()) == 3


async def test_a_user_has_the_roles_that_were_given_last(database: Database, roles: Roles) -> None:
    ann = await add_user(database, "ann")
    await make(roles, "one", "two", "three")
    assert await roles.of_user(ann.id) == ()
    assert await roles.replace(ann.id, ["two", "one", "two"], BY, NOW) == ("one", "two")
    assert await roles.replace(ann.id, ["two", "three"], BY, NOW) == ("three", "two")
    assert await roles.of_user(ann.id) == ("three", "two")
    found = await Accounts(database).find(ann.id)
    assert found is not None
    assert found.roles == ("three", "two")
    assert await roles.replace(ann.id, [], BY, NOW) == ()


async def test_an_unknown_role_changes_nothing(database: Database, roles: Roles) -> None:
    ann = await add_user(database, "ann")
    await make(roles, "one")
    await roles.replace(ann.id, ["one"], BY, NOW)
    assert await roles.replace(ann.id, ["one", "two", "three"], BY, NOW) == UnknownRole("three")
    assert await roles.of_user(ann.id) == ("one",)


async def test_nobody_has_no_roles(roles: Roles, database: Database) -> None:
    await add_user(database, "root", is_superuser=True)
    ann = await add_user(database, "ann")
    await Accounts(database).delete(ann.id, NOW)
    for user_id in (ann.id, UserId(404)):
        assert await roles.of_user(user_id) is None
        assert await roles.replace(user_id, [], BY, NOW) is None


async def test_a_deleted_role_is_taken_from_everybody(database: Database, roles: Roles) -> None:
    ann = await add_user(database, "ann")
    one, _ = await make(roles, "one", "two")
    await roles.replace(ann.id, ["one", "two"], BY, NOW)
    assert await roles.delete(one.id, BY, NOW)
    assert not await roles.delete(one.id, BY, NOW)
    assert await roles.of_user(ann.id) == ("two",)


async def test_two_who_replace_at_once_do_not_mix(database: Database, roles: Roles) -> None:
    ann = await add_user(database, "ann")
    await make(roles, "one", "two")
    wishes = [["one"], ["two"], ["one", "two"]] * 3
    await asyncio.gather(*(roles.replace(ann.id, wish, BY, NOW) for wish in wishes))
    assert list(await roles.of_user(ann.id) or ()) in wishes


async def test_what_changed_is_recorded(database: Database, roles: Roles) -> None:
    ann = await add_user(database, "ann")
    (one,) = await make(roles, "one")
    for _ in range(2):
        await roles.replace(ann.id, ["one"], BY, NOW)
    await roles.delete(one.id, BY, NOW)
    entries = await AuditLog(database).list_entries(AuditFilter())
    assert [(entry.action, entry.target_id, entry.detail) for entry in entries] == [
        ("role.deleted", str(one.id), {"name": "one"}),
        ("user.roles_changed", str(ann.id), {"roles": ["one"], "before": []}),
        ("role.created", str(one.id), {"name": "one"}),
    ]
