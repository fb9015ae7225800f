"""Roles are made, given and taken away by superusers."""

import pytest

from tests.server.rest.client import Api


async def test_roles_are_made_and_listed_newest_first(superuser: Api) -> None:
    one = await superuser.post("/auth/roles", {"name": "one", "description": "The first"})
    two = await superuser.post("/auth/roles", {"name": "two"})
    assert one == {"id": one["id"], "name": "one", "description": "The first"}
    assert two["description"] is None
    assert (await superuser.get("/auth/roles"))["items"] == [two, one]
    page = await superuser.get("/auth/roles?limit=1")
    assert (await superuser.get(f"/auth/roles?cursor={page['next']}"))["items"] == [one]
    assert (await superuser.get("/auth/roles?skip=1"))["items"] == [one]


async def test_a_second_role_of_a_name_is_refused(superuser: Api) -> None:
    await superuser.post("/auth/roles", {"name": "Support"})
    taken = {"name": "support"}
    assert await superuser.refused("POST", "/auth/roles", taken, expect=409) == ("taken", "name")


@pytest.mark.parametrize("name", ["", " support", "two\nlines", "x" * 101, None])
async def test_what_is_no_name_is_refused(superuser: Api, name: object) -> None:
    assert await superuser.refused("POST", "/auth/roles", {"name": name}) == ("invalid", "name")


async def test_a_user_has_the_roles_that_were_given_last(superuser: Api, alice: Api) -> None:
    where = f"/auth/users/{alice.id}/roles"
    for name in ("one", "two"):
        await superuser.post("/auth/roles", {"name": name})
    assert await superuser.get(where) == {"roles": []}
    assert await superuser.put(where, {"roles": ["two", "one"]}) == {"roles": ["one", "two"]}
    assert await superuser.put(where, {"roles": ["two"]}) == {"roles": ["two"]}
    assert await superuser.get(where) == {"roles": ["two"]}
    assert (await alice.get("/auth/me"))["roles"] == ["two"]
    assert await superuser.refused("PUT", where, {"roles": ["two", "three"]}) == ("invalid", "roles")
    assert await superuser.refused("PUT", where, {"roles": "two"}) == ("invalid", "roles")
    nobody = "/auth/users/4040/roles"
    assert await superuser.refused("PUT", nobody, {"roles": ["two"]}, expect=404) == ("not_found",)


async def test_a_deleted_role_is_taken_from_everybody(superuser: Api, alice: Api) -> None:
    role = await superuser.post("/auth/roles", {"name": "support"})
    await superuser.put(f"/auth/users/{alice.id}/roles", {"roles": ["support"]})
    await superuser.delete(f"/auth/roles/{role['id']}")
    assert (await alice.get("/auth/me"))["roles"] == []
    gone = f"/auth/roles/{role['id']}"
    assert await superuser.refused("DELETE", gone, expect=404) == ("not_found",)
    await superuser.post("/auth/roles", {"name": "support"})
