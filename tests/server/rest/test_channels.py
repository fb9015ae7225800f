"""Channels: creating, finding, changing and closing them."""

import pytest

from tests.server.rest.client import Api, Json


async def made(owner: Api, name: str = "general", **more: object) -> Json:
    return await owner.post("/channels/", {"name": name} | more)


async def test_whoever_creates_a_channel_owns_it(alice: Api) -> None:
    channel = await made(alice, description="All of us")
    assert channel == {
        "id": channel["id"],
        "kind": "channel",
        "name": "general",
        "description": "All of us",
        "conversation_id": None,
        "owner_id": alice.id,
        "is_private": False,
        "is_archived": False,
        "member_count": 1,
        "last_seq": 1,
        "created_at": channel["created_at"],
        "updated_at": channel["created_at"],
        "my_role": "owner",
        "read_seq": 0,
        "unread_count": 0,
        "join_code": None,
    }
    assert await alice.get(f"/channels/{channel['id']}") == channel


async def test_a_private_channel_comes_with_a_join_code(alice: Api, bob: Api) -> None:
    channel = await made(alice, is_private=True)
    assert len(channel["join_code"]) >= 16
    joined = await bob.post("/channels/join", {"join_code": channel["join_code"]}, expect=200)
    assert joined["my_role"] == "member"
    assert "join_code" not in joined


async def test_names_are_unique_without_case(alice: Api, bob: Api) -> None:
    await made(alice, "Straße")
    taken = {"name": "STRASSE"}
    assert await bob.refused("POST", "/channels/", taken, expect=409) == ("taken", "name")


async def test_a_closed_channels_name_is_free_again(alice: Api) -> None:
    channel = await made(alice)
    await alice.delete(f"/channels/{channel['id']}")
    assert (await made(alice))["id"] != channel["id"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("name", {}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 81}),
        ("name", {"name": " x"}),
        ("name", {"name": "x "}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": {"$ne": 1}}),
        ("name", {"name": "a\0"}),
        ("description", {"name": "a", "description": "x" * 2001}),
        ("is_private", {"name": "a", "is_private": "yes"}),
        ("owner_id", {"name": "a", "owner_id": 1}),
        ("id", {"name": "a", "id": 1}),
        ("kind", {"name": "a", "kind": "direct"}),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(sqlite_alice: Api, field: str, body: Json) -> None:
    assert await sqlite_alice.refused("POST", "/channels/", body) == ("invalid", field)


async def test_eighty_characters_are_a_name(alice: Api) -> None:
    assert (await made(alice, "é" * 80))["name"] == "é" * 80


async def test_public_channels_are_discovered_private_ones_are_not(alice: Api, bob: Api) -> None:
    for name, is_private in (("news", False), ("secret", True), ("Newcomers", False)):
        await made(alice, name, is_private=is_private)
    found = (await bob.get("/channels/"))["items"]
    assert [each["name"] for each in found] == ["Newcomers", "news"]
    assert {(each["my_role"], each["read_seq"], "join_code" in each) for each in found} == {(None, 0, False)}
    assert [each["name"] for each in (await bob.get("/channels?q=NEW"))["items"]] == ["Newcomers", "news"]
    assert (await bob.get("/channels/?q=secret"))["items"] == []
    first = await bob.get("/channels/?limit=1")
    second = await bob.get(f"/channels/?limit=1&cursor={first['next']}")
    assert [each["name"] for each in first["items"] + second["items"]] == ["Newcomers", "news"]
    assert second["next"] is None


async def test_ones_own_channels_are_listed_with_what_is_unread(alice: Api, bob: Api) -> None:
    channel = await made(alice)
    await made(alice, "other")
    await bob.post(f"/channels/{channel['id']}/join", expect=200)
    for text in ("one", "two"):
        await alice.post(f"/channels/{channel['id']}/messages", {"content": text})
    await bob.post("/messages", {"recipient_id": alice.id, "content": "hi"})
    (mine,) = (await bob.get("/channels/me"))["items"]
    assert (mine["id"], mine["my_role"], mine["unread_count"]) == (channel["id"], "member", 2)
    assert [each["name"] for each in (await alice.get("/channels/me?limit=1"))["items"]] == ["other"]
    assert [each["unread_count"] for each in (await alice.get("/channels/me"))["items"]] == [0, 0]


async def test_a_private_channel_does_not_exist_for_strangers(alice: Api, bob: Api) -> None:
    channel = await made(alice, is_private=True)
    absent = (await bob.get("/channels/9999", expect=404)) | {"request_id": ""}
    hidden = (await bob.get(f"/channels/{channel['id']}", expect=404)) | {"request_id": ""}
    assert hidden == absent


async def test_admins_rename_describe_and_archive(alice: Api, bob: Api) -> None:
    channel = await made(alice)
    path = f"/channels/{channel['id']}"
    changed = await alice.put(path, {"name": "lounge", "description": "Sit down"})
    assert (changed["name"], changed["description"], changed["last_seq"]) == ("lounge", "Sit down", 2)
    assert (await alice.put(path, {"description": None}))["description"] is None
    assert (await alice.put(path, {}))["last_seq"] == 3
    assert await bob.refused("PUT", path, {"name": "mine"}, expect=403) == ("forbidden",)
    await bob.post(f"{path}/join", expect=200)
    assert await bob.refused("PUT", path, {"name": "mine"}, expect=403) == ("forbidden",)
    await made(alice, "taken")
    assert (await alice.refused("PUT", path, {"name": "TAKEN"}, expect=409))[0] == "taken"
    for field, value in (("name", None), ("name", ""), ("owner_id", bob.id), ("is_private", True)):
        assert await alice.refused("PUT", path, {field: value}) == ("invalid", field)


async def test_an_archived_channel_refuses_writes_until_it_is_opened_again(alice: Api) -> None:
    channel = await made(alice)
    path = f"/channels/{channel['id']}"
    assert (await alice.put(path, {"is_archived": True}))["is_archived"]
    hello = {"content": "hello"}
    assert await alice.refused("POST", f"{path}/messages", hello, expect=409) == ("channel_archived",)
    assert await alice.refused("PUT", path, {"name": "x"}, expect=409) == ("channel_archived",)
    assert await alice.refused("POST", f"{path}/invite", {}, expect=409) == ("channel_archived",)
    assert (await alice.get(f"{path}/messages"))["items"] == []
    await alice.put(path, {"is_archived": False})
    await alice.post(f"{path}/messages", hello)


async def test_going_private_makes_a_new_join_code_and_revokes_all_others(alice: Api, bob: Api) -> None:
    channel = await made(alice)
    path = f"/channels/{channel['id']}"
    invite = await alice.post(f"{path}/invite", {})
    private = await alice.put(f"{path}/privacy", {"is_private": True})
    assert private["is_private"]
    assert private["join_code"] not in (None, invite["join_code"])
    old = {"join_code": invite["join_code"]}
    assert (await bob.refused("POST", "/channels/join", old, expect=410))[0] == "gone"
    assert await bob.refused("POST", f"{path}/join", expect=404) == ("not_found",)
    public = await alice.put(f"{path}/privacy", {"is_private": False})
    assert (public["is_private"], public["join_code"]) == (False, None)
    assert (await bob.refused("POST", "/channels/join", {"join_code": private["join_code"]}, expect=410))[
        0
    ] == "gone"
    await bob.post(f"{path}/join", expect=200)
    assert await bob.refused("PUT", f"{path}/privacy", {"is_private": True}, expect=403) == ("forbidden",)
    assert await alice.refused("PUT", f"{path}/privacy", {"is_private": None}) == ("invalid", "is_private")


async def test_a_closed_channel_is_gone_for_everybody(alice: Api, bob: Api) -> None:
    channel = await made(alice)
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    await alice.post(f"{path}/messages", {"content": "hello"})
    assert await bob.refused("DELETE", path, expect=403) == ("forbidden",)
    await alice.delete(path)
    for person in (alice, bob):
        assert await person.refused("GET", path, expect=404) == ("not_found",)
        assert await person.refused("GET", f"{path}/messages", expect=404) == ("not_found",)
        assert (await person.get("/channels/me"))["items"] == []
    assert await alice.refused("DELETE", path, expect=404) == ("not_found",)


async def test_a_superuser_may_close_any_channel(superuser: Api, alice: Api) -> None:
    channel = await made(alice, is_private=True)
    await superuser.delete(f"/channels/{channel['id']}")
    await alice.refused("GET", f"/channels/{channel['id']}", expect=404)


async def test_a_direct_channel_is_nobodys_to_change(alice: Api, bob: Api) -> None:
    message = await alice.post("/messages", {"recipient_id": bob.id, "content": "hi"})
    path = f"/channels/{message['channel_id']}"
    for method, tail, body in (
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("PUT", "/privacy", {"is_private": True}),
        ("POST", "/invite", {}),
        ("POST", "/join", None),
        ("POST", "/leave", None),
        ("DELETE", f"/members/{bob.id}", None),
        ("PUT", f"/roles/{bob.id}", {"role": "admin"}),
    ):
        assert (await alice.refused(method, path + tail, body, expect=404))[0] == "not_found", tail
    assert (await alice.get("/channels/me"))["items"] == []
    assert (await alice.get("/channels/"))["items"] == []
