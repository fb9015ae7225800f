"""Joining, leaving, removing, roles and invites."""

from datetime import datetime, timedelta

import pytest

from tests.server.rest.client import Api, Json


@pytest.fixture
async def channel(alice: Api) -> Json:
    return await alice.post("/channels/", {"name": "general"})


@pytest.fixture
def path(channel: Json) -> str:
    return f"/channels/{channel['id']}"


async def join(person: Api, path: str) -> Json:
    return await person.post(f"{path}/join", expect=200)


async def test_anyone_may_join_a_public_channel_and_twice_is_once(bob: Api, path: str) -> None:
    joined = await join(bob, path)
    assert (joined["my_role"], joined["member_count"], joined["last_seq"]) == ("member", 2, 2)
    assert (await join(bob, path))["last_seq"] == 2


async def test_members_are_listed_latest_first_with_role_and_presence(
    alice: Api, bob: Api, carol: Api, path: str
) -> None:
    assert await bob.refused("GET", f"{path}/members", expect=403) == ("forbidden",)
    await join(bob, path)
    await join(carol, path)
    members = (await bob.get(f"{path}/members"))["items"]
    assert [(each["user"]["username"], each["role"]) for each in members] == [
        ("carol", "member"),
        ("bob", "member"),
        ("alice", "owner"),
    ]
    assert members[0]["user"]["presence"] == "offline"
    assert members[0]["joined_at"] > members[2]["joined_at"]
    first = await bob.get(f"{path}/members?limit=2")
    second = await bob.get(f"{path}/members?limit=2&cursor={first['next']}")
    assert [each["user"]["id"] for each in first["items"] + second["items"]] == [carol.id, bob.id, alice.id]
    skipped = await bob.get(f"{path}/members?skip=2")
    assert [each["user"]["id"] for each in skipped["items"]] == [alice.id]


@pytest.mark.parametrize("cursor", ["k6EyMDI2", "krQyMDI2LTAxLTAxVDAwOjAwOjAwAQ", "kgEB"])
async def test_a_forged_cursor_is_refused(sqlite_alice: Api, cursor: str) -> None:
    channel = await sqlite_alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}/members?cursor={cursor}"
    assert await sqlite_alice.refused("GET", path) == ("invalid", "cursor")


async def test_leaving_ends_the_membership(alice: Api, bob: Api, path: str) -> None:
    assert await bob.refused("POST", f"{path}/leave", expect=403) == ("forbidden",)
    await join(bob, path)
    await bob.post(f"{path}/leave", expect=204)
    assert await bob.refused("GET", f"{path}/messages", expect=403) == ("forbidden",)
    assert (await alice.get(path))["member_count"] == 1
    assert (await bob.get(path))["my_role"] is None


async def test_an_owner_hands_over_before_leaving_unless_alone(alice: Api, bob: Api, path: str) -> None:
    await join(bob, path)
    assert await alice.refused("POST", f"{path}/leave", expect=409) == ("owner_must_hand_over",)
    given = await alice.put(f"{path}/roles/{bob.id}", {"role": "owner"})
    assert given == {"user_id": bob.id, "role": "owner"}
    assert await alice.get(f"{path}/role") == {"role": "admin"}
    assert (await bob.get(path))["owner_id"] == bob.id
    await alice.post(f"{path}/leave", expect=204)
    await bob.post(f"{path}/leave", expect=204)
    assert await bob.refused("GET", path, expect=404) == ("not_found",)


async def test_members_are_removed_by_those_above_them(alice: Api, bob: Api, carol: Api, path: str) -> None:
    await join(bob, path)
    await join(carol, path)
    assert await bob.refused("DELETE", f"{path}/members/{carol.id}", expect=403) == ("forbidden",)
    await alice.put(f"{path}/roles/{bob.id}", {"role": "admin"})
    assert await bob.refused("DELETE", f"{path}/members/{alice.id}", expect=403) == ("forbidden",)
    await bob.delete(f"{path}/members/{carol.id}")
    assert await carol.refused("GET", f"{path}/messages", expect=403) == ("forbidden",)
    assert await bob.refused("DELETE", f"{path}/members/{carol.id}", expect=404) == ("not_found",)
    assert await bob.refused("DELETE", f"{path}/members/9999", expect=404) == ("not_found",)


async def test_only_the_owner_gives_roles(alice: Api, bob: Api, carol: Api, path: str) -> None:
    await join(bob, path)
    role = {"role": "admin"}
    assert await bob.refused("PUT", f"{path}/roles/{bob.id}", role, expect=403) == ("forbidden",)
    await alice.put(f"{path}/roles/{bob.id}", role)
    assert await bob.refused("PUT", f"{path}/roles/{bob.id}", {"role": "owner"}, expect=403) == ("forbidden",)
    assert await bob.get(f"{path}/role") == role
    assert await alice.refused("PUT", f"{path}/roles/{carol.id}", role, expect=404) == ("not_found",)
    assert await alice.refused("PUT", f"{path}/roles/{bob.id}", {"role": "king"}) == ("invalid", "role")
    assert await alice.refused("PUT", f"{path}/roles/{alice.id}", {"role": "member"}) == ("invalid", "role")
    assert await carol.refused("GET", f"{path}/role", expect=403) == ("forbidden",)


async def test_an_invite_lets_people_into_a_private_channel(alice: Api, bob: Api) -> None:
    channel = await alice.post("/channels/", {"name": "secret", "is_private": True})
    path = f"/channels/{channel['id']}"
    invite = await alice.post(f"{path}/invite", {"max_uses": 2, "expires_in_s": 60})
    assert (invite["max_uses"], invite["uses"]) == (2, 0)
    joined = await bob.post("/channels/join", {"join_code": invite["join_code"]}, expect=200)
    assert (joined["id"], joined["my_role"]) == (channel["id"], "member")
    listed = (await alice.get(f"{path}/invites"))["items"]
    assert [(each["join_code"], each["uses"]) for each in listed] == [
        (invite["join_code"], 1),
        (channel["join_code"], 0),
    ]


async def test_an_invite_expires_after_a_day_unless_it_says_otherwise(alice: Api, path: str) -> None:
    for invite in (await alice.post(f"{path}/invite", {}), await alice.post(f"{path}/invite")):
        lasts = datetime.fromisoformat(invite["expires_at"]) - datetime.now().astimezone()
        assert timedelta(hours=23) < lasts <= timedelta(hours=24)
    assert (await alice.post(f"{path}/invite", {"expires_in_s": None}))["expires_at"] is None
    for field, value in (("expires_in_s", 0), ("expires_in_s", 10**10), ("max_uses", 0), ("uses", 0)):
        assert await alice.refused("POST", f"{path}/invite", {field: value}) == ("invalid", field)


async def test_an_invite_that_is_used_up_revoked_or_unknown_lets_nobody_in(
    alice: Api, bob: Api, carol: Api, path: str
) -> None:
    once = await alice.post(f"{path}/invite", {"max_uses": 1})
    code = {"join_code": once["join_code"]}
    await bob.post("/channels/join", code, expect=200)
    assert (await carol.refused("POST", "/channels/join", code, expect=410))[0] == "gone"
    other = await alice.post(f"{path}/invite", {})
    await alice.delete(f"{path}/invites/{other['join_code']}")
    code = {"join_code": other["join_code"]}
    assert (await carol.refused("POST", "/channels/join", code, expect=410))[0] == "gone"
    assert await alice.refused("DELETE", f"{path}/invites/{other['join_code']}", expect=404) == ("not_found",)
    unknown = {"join_code": "nonsense"}
    assert (await carol.refused("POST", "/channels/join", unknown, expect=404))[0] == "not_found"
    assert await carol.refused("POST", "/channels/join", {"join_code": 7}) == ("invalid", "join_code")


async def test_only_admins_see_and_make_invites(bob: Api, carol: Api, path: str) -> None:
    await join(bob, path)
    for person in (bob, carol):
        assert await person.refused("POST", f"{path}/invite", {}, expect=403) == ("forbidden",)
        assert await person.refused("GET", f"{path}/invites", expect=403) == ("forbidden",)
        assert await person.refused("DELETE", f"{path}/invites/x", expect=403) == ("forbidden",)


async def test_invites_are_listed_in_pages(alice: Api, path: str) -> None:
    codes = [(await alice.post(f"{path}/invite", {}))["join_code"] for _ in range(3)][::-1]
    first = await alice.get(f"{path}/invites?limit=2")
    second = await alice.get(f"{path}/invites?limit=2&cursor={first['next']}")
    assert [each["join_code"] for each in first["items"] + second["items"]] == codes
    assert second["next"] is None
    assert len((await alice.get(f"{path}/invites?skip=1"))["items"]) == 2
