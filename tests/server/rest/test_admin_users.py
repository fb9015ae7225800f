"""Superusers manage users; what they do takes effect at once, and never leaves nobody who could."""

import asyncio
from typing import Any

import pytest

from protocol.ids import UserId
from protocol.resources import User
from storage.accounts import NewUser
from tests.server.rest.client import AGENTS, PASSWORD, Api, Json, Running
from tests.server.rest.test_live_effects import ended, heard, live

DISABLED = 4403
LAST = ("last_superuser",)


def account(name: str, **more: Any) -> Json:
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | more


async def names(superuser: Api, query: str = "") -> list[str]:
    return [user["username"] for user in (await superuser.get(f"/auth/users{query}"))["items"]]


async def test_accounts_are_listed_newest_first_and_found_by_any_part(
    superuser: Api, alice: Api, bob: Api
) -> None:
    await bob.put("/auth/me", {"full_name": "Robert Builder", "email": "bob@elsewhere.example"})
    assert [name for name in await names(superuser) if name not in AGENTS] == ["bob", "alice", "root"]
    assert await names(superuser, "?q=LIC") == ["alice"]
    assert await names(superuser, "?q=build") == ["bob"]
    assert await names(superuser, "?q=elsewhere") == ["bob"]
    await bob.put("/auth/me/phone", {"phone_number": "+15005550002"})
    assert await names(superuser, "?q=%2B1500555") == ["bob"]
    assert await names(superuser, "?q=%25") == []
    page = await superuser.get("/auth/users?limit=2")
    assert (await names(superuser, f"?limit=2&cursor={page['next']}"))[0] == "root"
    assert (await names(superuser, "?skip=2"))[0] == "root"


async def test_accounts_are_found_by_whether_they_are_active(superuser: Api, alice: Api) -> None:
    await superuser.put(f"/auth/users/{alice.id}/disable")
    assert await names(superuser, "?is_active=false") == ["alice"]
    assert await names(superuser, "?is_active=true") == ["root", *AGENTS]
    assert await superuser.refused("GET", "/auth/users?is_active=maybe") == ("invalid", "is_active")
    assert await superuser.refused("GET", "/auth/users?q=") == ("invalid", "q")


async def test_an_account_is_made_for_somebody_who_can_log_in_with_it(superuser: Api, nobody: Api) -> None:
    body = account("dora", full_name="Dora", phone_number="+49 30 123456", is_superuser=True)
    made = await superuser.post("/auth/users", body)
    assert (made["full_name"], made["phone_number"], made["is_superuser"]) == ("Dora", "+4930123456", True)
    assert made["roles"] == []
    dora = await nobody.log_in("dora")
    assert await dora.get(f"/auth/users/{made['id']}") == made


@pytest.mark.parametrize(
    ("change", "expect", "told"),
    [
        ({"username": "ROOT"}, 409, ("taken", "username")),
        ({"email": "Root@example.org"}, 409, ("taken", "email")),
        ({"phone_number": "+4930123456"}, 409, ("taken", "phone_number")),
        ({"phone_number": "030 123456"}, 422, ("invalid", "phone_number")),
        ({"username": "do ra"}, 422, ("invalid", "username")),
        ({"password": "dora@example.org"}, 422, ("invalid", "password")),
        ({"password": "short"}, 422, ("invalid", "password")),
        ({"is_bot": True}, 422, ("invalid", "is_bot")),
    ],
)
async def test_an_account_that_cannot_be_is_refused_by_field(
    superuser: Api, change: Json, expect: int, told: tuple[str, ...]
) -> None:
    await superuser.put("/auth/me/phone", {"phone_number": "+4930123456"})
    body = account("dora") | change
    assert await superuser.refused("POST", "/auth/users", body, expect=expect) == told


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/disable"),
        ("PUT", "/enable"),
        ("PUT", "/superuser"),
        ("GET", "/roles"),
    ],
)
async def test_who_is_not_there_cannot_be_managed(superuser: Api, method: str, path: str) -> None:
    assert await superuser.refused(method, f"/auth/users/4040{path}", expect=404) == ("not_found",)
    assert await superuser.refused(method, f"/auth/users/0{path}") == ("invalid", "user_id")


async def test_disabling_ends_sessions_and_sockets_at_once(superuser: Api, nobody: Api, alice: Api) -> None:
    async with live(alice) as socket:
        told = await superuser.put(f"/auth/users/{alice.id}/disable")
        assert (told["id"], told["is_active"]) == (alice.id, False)
        assert await ended(socket) == ("disabled", DISABLED)
    assert await alice.refused("GET", "/auth/me", expect=403) == ("account_disabled",)
    body = {"username": "alice", "password": PASSWORD}
    assert await nobody.refused("POST", "/auth/login", body, expect=403) == ("account_disabled",)
    token = {"refresh_token": alice.refresh_token}
    assert await nobody.refused("POST", "/auth/refresh", token, expect=403) == ("account_disabled",)


async def test_who_is_enabled_again_logs_in_anew(superuser: Api, nobody: Api, alice: Api) -> None:
    await superuser.put(f"/auth/users/{alice.id}/disable")
    assert (await superuser.put(f"/auth/users/{alice.id}/enable"))["is_active"]
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await (await nobody.log_in("alice")).get("/auth/me")


async def test_a_superuser_is_made_and_unmade_at_once(superuser: Api, alice: Api) -> None:
    path = f"/auth/users/{alice.id}/superuser"
    assert (await superuser.put(path))["is_superuser"]
    await alice.get("/auth/users")
    assert not (await superuser.put(path))["is_superuser"]
    await alice.refused("GET", "/auth/users", expect=403)
    for wanted in (True, True, False, False):
        assert (await superuser.put(path, {"is_superuser": wanted}))["is_superuser"] is wanted
    assert await superuser.refused("PUT", path, {}) == ("invalid", "is_superuser")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "", None),
        ("PUT", "/disable", None),
        ("PUT", "/superuser", None),
        ("PUT", "/superuser", {"is_superuser": False}),
    ],
)
async def test_the_last_superuser_stays(
    superuser: Api, alice: Api, method: str, path: str, body: Json
) -> None:
    where = f"/auth/users/{superuser.id}{path}"
    assert await superuser.refused(method, where, body, expect=409) == LAST
    await superuser.put(f"/auth/users/{alice.id}/superuser")
    await superuser.put(f"/auth/users/{alice.id}/disable")
    assert await superuser.refused(method, where, body, expect=409) == LAST
    await superuser.put(f"/auth/users/{alice.id}/enable")
    await superuser.ask(method, where, body, expect=204 if method == "DELETE" else 200)


async def test_a_bot_cannot_become_superuser(running: Running, superuser: Api) -> None:
    now = running.context.clock.now()
    new = NewUser(username="robot", email="robot@example.org", hashed_password=None, is_bot=True)
    bot = await running.context.accounts.create(new, now)
    assert isinstance(bot, User)
    path = f"/auth/users/{bot.id}/superuser"
    assert await superuser.refused("PUT", path, expect=409) == ("conflict",)


async def test_of_two_who_delete_each_other_one_stays(superuser: Api, alice: Api) -> None:
    await superuser.put(f"/auth/users/{alice.id}/superuser")

    async def delete(by: Api, other: Api) -> int:
        headers = {"Authorization": f"Bearer {by.token}"}
        async with by.session.delete(f"/auth/users/{other.id}", headers=headers) as answer:
            return answer.status

    statuses = sorted(await asyncio.gather(delete(superuser, alice), delete(alice, superuser)))
    assert statuses[0] == 204
    assert statuses[1] in {401, 403, 409}


# Deleting.


async def join(channel: Json, *people: Api) -> None:
    for person in people:
        await person.post(f"/channels/{channel['id']}/join", expect=200)


async def delete(superuser: Api, person: Api) -> None:
    await superuser.delete(f"/auth/users/{person.id}")


async def test_a_deleted_user_is_gone_at_once(superuser: Api, nobody: Api, alice: Api) -> None:
    async with live(alice) as socket:
        await delete(superuser, alice)
        assert await ended(socket) == ("deleted", DISABLED)
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    for login in ("alice", "alice@example.org", f"deleted user {alice.id}"):
        body = {"username": login, "password": PASSWORD}
        assert await nobody.refused("POST", "/auth/login", body, expect=401) == ("wrong_password",)
    token = {"refresh_token": alice.refresh_token}
    assert await nobody.refused("POST", "/auth/refresh", token, expect=401) == ("unauthenticated",)
    for path in (f"/auth/users/{alice.id}", f"/users/{alice.id}"):
        await superuser.refused("GET", path, expect=404)
    await superuser.refused("DELETE", f"/auth/users/{alice.id}", expect=404)
    assert (await nobody.newcomer("alice")).id != alice.id


async def test_the_messages_of_a_deleted_user_keep_their_author(superuser: Api, alice: Api, bob: Api) -> None:
    channel = await bob.post("/channels/", {"name": "general"})
    await join(channel, alice)
    said = await alice.post(f"/channels/{channel['id']}/messages", {"content": "hello"})
    await delete(superuser, alice)
    (kept,) = (await bob.get(f"/channels/{channel['id']}/messages"))["items"]
    assert (kept["id"], kept["content"], kept["sender_id"]) == (said["id"], "hello", alice.id)
    members = (await bob.get(f"/channels/{channel['id']}/members"))["items"]
    assert [member["user"]["username"] for member in members] == ["bob"]


async def test_members_see_a_deleted_user_leave(superuser: Api, alice: Api, bob: Api) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    await join(channel, bob)
    async with live(bob) as socket:
        await delete(superuser, alice)
        roles = [await heard(socket, "role_updated") for _ in range(2)]
        assert [(each["user_id"], each["role"]) for each in roles] == [
            (bob.id, "owner"),
            (alice.id, "admin"),
        ]
        left = await heard(socket, "member_left")
        assert (left["user_id"], left["removed_by"]) == (alice.id, None)
    page = await bob.get(f"/channels/{channel['id']}/changes")
    gone = next(each for each in page["members"] if each["user"]["id"] == alice.id)
    assert (gone["role"], gone["user"]["username"]) == (None, f"deleted user {alice.id}")


async def test_what_a_deleted_user_owned_passes_on_or_closes(
    superuser: Api, alice: Api, bob: Api, carol: Api
) -> None:
    alone, members, admins = [
        await alice.post("/channels/", {"name": name}) for name in ("alone", "members", "admins")
    ]
    for channel in (members, admins):
        await join(channel, bob, carol)
    await alice.put(f"/channels/{admins['id']}/roles/{carol.id}", {"role": "admin"})
    await delete(superuser, alice)
    assert (await bob.get(f"/channels/{members['id']}"))["owner_id"] == bob.id
    assert (await bob.get(f"/channels/{admins['id']}"))["owner_id"] == carol.id
    await bob.refused("GET", f"/channels/{alone['id']}", expect=404)
    await bob.post("/channels/", {"name": "alone"})
    await bob.put(f"/channels/{members['id']}", {"description": "mine now"})


async def test_a_conversation_with_a_deleted_user_can_be_read_and_not_written(
    superuser: Api, alice: Api, bob: Api
) -> None:
    said = await alice.post("/messages", {"recipient_id": bob.id, "content": "hello"})
    await delete(superuser, alice)
    (conversation,) = (await bob.get("/auth/conversations"))["items"]
    assert conversation["user"]["username"] == f"deleted user {alice.id}"
    assert (await bob.get(f"/messages/{said['id']}"))["content"] == "hello"
    more = {"recipient_id": alice.id, "content": "are you there?"}
    assert await bob.refused("POST", "/messages", more, expect=404) == (
        "not_found",
        "recipient_id",
    )
    answer = await bob.post("/messages", {"recipient_id": superuser.id, "content": "who was that?"})
    assert answer["content"]
    where = f"/auth/conversations/{said['conversation_id']}/messages"
    assert await bob.refused("POST", where, {"content": "?"}, expect=409) == ("channel_archived",)
    await bob.put(f"/messages/{said['id']}/read")


async def test_deleting_somebody_in_many_channels_leaves_them_all(
    running: Running, superuser: Api, alice: Api, bob: Api
) -> None:
    channels = [await alice.post("/channels/", {"name": f"channel {n}"}) for n in range(60)]
    for channel in channels[::2]:
        await join(channel, bob)
    await delete(superuser, alice)
    assert await running.context.departures.departing(after=UserId(0)) == []
    mine = (await bob.get("/channels/me?limit=200"))["items"]
    assert {channel["owner_id"] for channel in mine} == {bob.id}
    assert len(mine) == 30


async def test_what_was_done_is_in_the_audit_log(superuser: Api, alice: Api) -> None:
    dora = await superuser.post("/auth/users", account("dora"))
    where = f"/auth/users/{dora['id']}"
    await superuser.put(f"{where}/superuser")
    await superuser.put(f"{where}/superuser")
    await superuser.put(f"{where}/disable")
    await superuser.put(f"{where}/enable")
    await superuser.delete(where)
    await superuser.refused("DELETE", f"/auth/users/{superuser.id}", expect=409)
    entries = (await superuser.get(f"/auth/audit?target=user:{dora['id']}"))["items"]
    assert [entry["action"].partition(".")[2] for entry in entries] == [
        "deleted",
        "enabled",
        "disabled",
        "demoted",
        "promoted",
        "created",
    ]
    assert {(entry["actor_id"], entry["ip_address"]) for entry in entries} == {(superuser.id, "127.0.0.1")}
