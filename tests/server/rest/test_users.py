"""People as others see them."""

import pytest

from tests.server.rest.client import AGENTS, Api


async def test_a_profile_shows_what_others_may_know(alice: Api, bob: Api) -> None:
    await bob.put("/auth/me", {"full_name": "Bob", "bio": "Builder", "picture": "https://x.example/b.png"})
    assert await alice.get(f"/users/{bob.id}") == {
        "id": bob.id,
        "username": "bob",
        "full_name": "Bob",
        "bio": "Builder",
        "picture": "https://x.example/b.png",
        "is_bot": False,
        "presence": "offline",
    }


async def test_somebody_absent_is_not_found(alice: Api) -> None:
    assert await alice.refused("GET", "/users/9999", expect=404) == ("not_found",)
    for odd in ("x", "0", "-1", str(2**63)):
        assert await alice.refused("GET", f"/users/{odd}") == ("invalid", "user_id")


async def test_people_are_listed_newest_first_in_pages(alice: Api, bob: Api, carol: Api) -> None:
    everybody = await alice.get("/users/")
    assert [each["username"] for each in everybody["items"]] == ["carol", "bob", "alice", *AGENTS]
    assert everybody["next"] is None
    first = await alice.get("/users?limit=2")
    assert [each["username"] for each in first["items"]] == ["carol", "bob"]
    second = await alice.get(f"/users?limit=2&cursor={first['next']}")
    assert [each["username"] for each in second["items"]] == ["alice", AGENTS[0]]
    last = await alice.get(f"/users?limit=2&cursor={second['next']}")
    assert [each["username"] for each in last["items"]] == [AGENTS[1]]
    assert last["next"] is None
    skipped = await alice.get("/users?skip=1&limit=1")
    assert [each["username"] for each in skipped["items"]] == ["bob"]


async def test_people_are_found_by_the_beginning_of_a_name(alice: Api, bob: Api) -> None:
    await bob.put("/auth/me", {"full_name": "Albert"})
    assert {each["username"] for each in (await alice.get("/users/?q=AL"))["items"]} == {"alice", "bob"}
    assert (await alice.get("/users/?q=lice"))["items"] == []
    assert (await alice.get("/users/?q=%25"))["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=x", "limit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("skip=-1", "skip"),
        ("skip=x", "skip"),
        (f"skip={2**63}", "skip"),
        ("cursor=x", "cursor"),
        ("cursor=!!!!", "cursor"),
        ("cursor=" + "A" * 1001, "cursor"),
        ("cursor=gaFhAQ", "cursor"),
        ("cursor=z____________", "cursor"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("limit=1&limit=2", "limit"),
        ("before=1", "before"),
        ("unknown=1", "unknown"),
    ],
)
async def test_odd_parameters_are_refused_by_name(sqlite_alice: Api, query: str, field: str) -> None:
    assert await sqlite_alice.refused("GET", f"/users/?{query}") == ("invalid", field)


async def test_a_larger_limit_is_clamped(alice: Api) -> None:
    assert len((await alice.get("/users/?limit=1000000"))["items"]) == 1 + len(AGENTS)
