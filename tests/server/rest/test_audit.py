"""Every act of administering and moderating is in the audit log, whoever does it and however."""

from typing import Any

import pytest

from server.rest.audit import split_target
from tests.server.rest.client import Api, Json
from tests.server.rest.test_live_effects import heard, live


async def log(superuser: Api, query: str = "") -> list[Json]:
    """Without what was done at the command line: there the first superuser is made."""
    entries = (await superuser.get(f"/auth/audit{query}"))["items"]
    return [entry for entry in entries if entry["actor_id"] is not None]


async def actions(superuser: Api, query: str = "") -> list[str]:
    return [entry["action"] for entry in await log(superuser, query)]


async def channel_of(owner: Api, *members: Api) -> str:
    channel = await owner.post("/channels/", {"name": "general"})
    for member in members:
        await member.post(f"/channels/{channel['id']}/join", expect=200)
    return f"/channels/{channel['id']}"


async def test_what_is_done_in_a_channel_is_recorded_in_order(
    superuser: Api, alice: Api, bob: Api, carol: Api
) -> None:
    where = await channel_of(alice, bob, carol)
    said = await bob.post(f"{where}/messages", {"content": "rude words"})
    await alice.put(f"{where}/roles/{carol.id}", {"role": "admin"})
    await carol.delete(f"{where}/messages/{said['id']}")
    await carol.delete(f"{where}/members/{bob.id}")
    await alice.put(where, {"name": "quiet"})
    private = await alice.put(f"{where}/privacy", {"is_private": True})
    invite = await carol.post(f"{where}/invite", {"max_uses": 3})
    await carol.delete(f"{where}/invites/{invite['join_code']}")
    await superuser.delete(where)
    entries = await log(superuser)
    assert [(entry["action"], entry["actor"], entry["target_type"]) for entry in entries[::-1]] == [
        ("member.role_changed", "alice", "user"),
        ("message.deleted", "carol", "message"),
        ("member.removed", "carol", "user"),
        ("channel.changed", "alice", "channel"),
        ("channel.privacy_changed", "alice", "channel"),
        ("invite.created", "carol", "channel"),
        ("invite.revoked", "carol", "channel"),
        ("channel.closed", "root", "channel"),
    ]
    assert {entry["ip_address"] for entry in entries} == {"127.0.0.1"}
    told = str(entries)
    for secret in ("rude words", invite["join_code"], private["join_code"]):
        assert secret not in told


async def test_what_is_refused_or_ones_own_is_not_recorded(superuser: Api, alice: Api, bob: Api) -> None:
    where = await channel_of(alice, bob)
    said = await bob.post(f"{where}/messages", {"content": "mine"})
    await bob.refused("DELETE", f"{where}/members/{alice.id}", expect=403)
    await bob.refused("DELETE", where, expect=403)
    await bob.delete(f"{where}/messages/{said['id']}")
    await bob.post(f"{where}/leave", expect=204)
    assert await actions(superuser) == []


async def test_a_socket_leaves_the_same_line(superuser: Api, alice: Api, bob: Api) -> None:
    where = await channel_of(alice, bob)
    said = await bob.post(f"{where}/messages", {"content": "rude words"})
    async with live(alice) as socket:
        command = {"type": "delete", "id": "1", "message_id": said["id"], "channel_id": said["channel_id"]}
        await socket.send_json(command)
        await heard(socket, "ack")
    (entry,) = await log(superuser)
    assert (entry["action"], entry["actor_id"], entry["target_id"]) == (
        "message.deleted",
        alice.id,
        str(said["id"]),
    )
    assert entry["ip_address"] == "127.0.0.1"
    assert entry["detail"] == {"channel_id": said["channel_id"], "sender_id": bob.id}


async def test_entries_are_found_by_actor_action_and_target(superuser: Api, alice: Api, bob: Api) -> None:
    for person in (alice, bob):
        await superuser.put(f"/auth/users/{person.id}/disable")
    await superuser.put(f"/auth/users/{bob.id}/enable")
    await superuser.post("/auth/roles", {"name": "support"})
    everything = ["role.created", "user.enabled", "user.disabled", "user.disabled"]
    expected: dict[str, list[str]] = {
        "": everything,
        f"?actor={superuser.id}": everything,
        "?actor=ROOT": everything,
        f"?actor={alice.id}": [],
        "?actor=99999999999999999999": [],
        "?action=user.disabled": everything[2:],
        "?action=unheard.of": [],
        f"?target=user:{bob.id}": everything[1:3],
        f"?target={bob.id}": everything[1:3],
        "?target=role": everything[:1],
        f"?action=user.enabled&actor=root&target=user:{bob.id}": everything[1:2],
    }
    assert {query: await actions(superuser, query) for query in expected} == expected


async def test_the_log_comes_in_pages(superuser: Api, alice: Api) -> None:
    for _ in range(2):
        await superuser.put(f"/auth/users/{alice.id}/disable")
        await superuser.put(f"/auth/users/{alice.id}/enable")
    whole = (await superuser.get("/auth/audit"))["items"]
    page = await superuser.get("/auth/audit?limit=3")
    rest = await superuser.get(f"/auth/audit?limit=3&cursor={page['next']}")
    assert (page["items"] + rest["items"], rest["next"]) == (whole, None)
    assert (await superuser.get("/auth/audit?skip=3"))["items"] == whole[3:]
    assert len(whole) == 5
    assert (whole[-1]["action"], whole[-1]["actor_id"], whole[-1]["ip_address"]) == (
        "user.promoted",
        None,
        None,
    )


@pytest.mark.parametrize(
    "query", ["target=User:7", "target=user:", "target=user:x", "target=", "actor=", "who=1"]
)
async def test_what_cannot_be_asked_is_refused_by_field(superuser: Api, query: str) -> None:
    field = query.partition("=")[0]
    assert await superuser.refused("GET", f"/auth/audit?{query}") == ("invalid", field)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, (None, None)),
        ("7", (None, "7")),
        ("user", ("user", None)),
        ("user:7", ("user", "7")),
    ],
)
def test_a_target_is_a_kind_an_id_or_both(target: str | None, expected: Any) -> None:
    assert split_target(target) == expected


async def test_nothing_can_be_taken_out_of_the_log(superuser: Api) -> None:
    for method in ("POST", "PUT", "DELETE"):
        await superuser.ask(method, "/auth/audit", expect=405)
