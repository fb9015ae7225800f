"""Reactions: those there are, making and deleting custom ones, and giving them to messages."""

import asyncio
from typing import Any

import aiohttp
import pytest

from storage import reactions as storage
from tests.server.pictures import gif, jpeg, png, webp
from tests.server.rest.client import Api, Json, Running
from tests.server.talking import Place


def form(code: str = "party", image: bytes | None = None) -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False)
    made.add_field("code", code)
    made.add_field("image", png(64, 64) if image is None else image, filename="x.svg")
    return made


async def make(person: Api, code: str = "party", image: bytes | None = None) -> Json:
    return await person.post("/reactions", data=form(code, image))


async def picture(person: Api, url: str) -> tuple[int, dict[str, str], bytes]:
    async with person.session.get(url) as answer:
        return answer.status, dict(answer.headers), await answer.read()


@pytest.fixture
async def message(alice: Api, bob: Api) -> str:
    """A message of alice's in a channel that bob has joined."""
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    said = await alice.post(f"{path}/messages", {"content": "hello"})
    return f"{path}/messages/{said['id']}"


async def borne(person: Api, message: str) -> Any:
    page = await person.get(message.rpartition("/")[0])
    return [(each["code"], each["user_ids"]) for each in page["items"][0]["reactions"]]


async def test_the_system_comes_with_some(alice: Api) -> None:
    page = await alice.get("/reactions?limit=200")
    assert {"heart", "thumbsup", "100"} <= {each["code"] for each in page["items"]}
    assert all(each["is_system"] and each["image_url"] is None for each in page["items"])
    first = await alice.get("/reactions?limit=2")
    second = await alice.get(f"/reactions?limit=1&cursor={first['next']}")
    assert first["items"] + second["items"] == page["items"][:3]


@pytest.mark.parametrize(
    ("image", "content_type", "ending"),
    [
        (png(1024, 1024), "image/png", "png"),
        (gif(64, 64), "image/gif", "gif"),
        (webp(64, 64), "image/webp", "webp"),
    ],
)
async def test_a_custom_one_has_a_picture_for_everybody(
    alice: Api, nobody: Api, image: bytes, content_type: str, ending: str
) -> None:
    made = await make(alice, "party_parrot+1", image)
    assert made | {"id": 0, "image_url": ""} == {
        "id": 0,
        "code": "party_parrot+1",
        "is_system": False,
        "image_url": "",
    }
    assert (await alice.get("/reactions?limit=1"))["items"] == [made]
    assert made["image_url"].endswith(f".{ending}")
    status, headers, body = await picture(nobody, made["image_url"])
    assert (status, headers["Content-Type"], body) == (200, content_type, image)
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<script>alert(1)</script>",
        png()[:20],
        jpeg(),
        png(1025, 1),
        png(1, 1025),
        png(2**31 - 1, 2**31 - 1),
        gif(1, 1, frame=(0, 0, 60_000, 60_000)),
    ],
)
async def test_what_is_no_small_picture_is_refused_whatever_it_is_called(
    sqlite_running: Running, sqlite_alice: Api, image: bytes
) -> None:
    refused = await sqlite_alice.refused("POST", "/reactions", data=form(image=image))
    assert refused == ("invalid", "image")
    folder = sqlite_running.context.settings.data_folder / "files"
    assert [each for each in folder.rglob("*") if each.is_file()] == []


async def test_a_picture_has_at_most_256_kib(sqlite_alice: Api) -> None:
    fits = png() + b"\0" * (256 * 1024 - len(png()))
    await make(sqlite_alice, "fits", fits)
    refused = await sqlite_alice.refused("POST", "/reactions", data=form("b", fits + b"\0"), expect=413)
    assert refused == ("too_large",)


@pytest.mark.parametrize("code", ["", "Party", "a b", "ä", "x" * 65, "a\n", "../a", ":a:"])
async def test_a_code_is_short_and_plain(sqlite_alice: Api, code: str) -> None:
    assert await sqlite_alice.refused("POST", "/reactions", data=form(code)) == ("invalid", "code")


async def test_a_code_that_is_too_long_for_any_text_is_refused(sqlite_alice: Api) -> None:
    refused = await sqlite_alice.refused("POST", "/reactions", data=form("x" * 70_000), expect=413)
    assert refused == ("too_large", "code")


async def test_a_code_stands_for_one_reaction(alice: Api, bob: Api) -> None:
    await make(alice)
    for code in ("party", "heart"):
        assert await bob.refused("POST", "/reactions", data=form(code), expect=409) == ("taken", "code")

    async def attempt() -> int:
        headers = {"Authorization": f"Bearer {alice.token}"}
        async with alice.session.post("/reactions", data=form("raced"), headers=headers) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*(attempt() for _ in range(4)))) == [201, 409, 409, 409]


async def test_there_are_only_so_many(sqlite_alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CUSTOM_MAX", 1)
    await make(sqlite_alice, "one")
    assert await sqlite_alice.refused("POST", "/reactions", data=form("two"), expect=409) == ("conflict",)


async def test_only_its_address_leads_to_a_picture(sqlite_alice: Api, sqlite_running: Running) -> None:
    nobody, url = sqlite_running.nobody, (await make(sqlite_alice))["image_url"]
    name = url.rpartition("/")[2]
    other = {"0": "1"}.get(name[0], "0") + name[1:]
    assert await nobody.refused("GET", f"/reactions/images/{other}", expect=404) == ("not_found",)
    # A file that was sent to a channel has no such address.
    sent = aiohttp.FormData()
    sent.add_field("file", png(7, 7), filename="a.png")
    await sqlite_alice.post("/files", data=sent)
    for odd in ("x", name.replace("png", "svg"), name.replace("png", "gif"), f"{name}%0A", f"..%2F{name}"):
        status, _, _ = await picture(nobody, f"/reactions/images/{odd}")
        assert status in {404, 422}


async def test_only_superusers_delete_and_only_custom_ones(alice: Api, superuser: Api) -> None:
    made = await make(alice)
    heart = next(each for each in (await alice.get("/reactions"))["items"] if each["code"] == "heart")
    await alice.refused("DELETE", f"/reactions/{made['id']}", expect=403)
    await superuser.refused("DELETE", f"/reactions/{heart['id']}", expect=404)
    await superuser.delete(f"/reactions/{made['id']}")
    await superuser.refused("DELETE", f"/reactions/{made['id']}", expect=404)
    assert "party" not in {each["code"] for each in (await alice.get("/reactions"))["items"]}
    assert (await picture(alice, made["image_url"]))[0] == 404
    entries = [
        each for each in (await superuser.get("/auth/audit"))["items"] if each["target_type"] == "reaction"
    ]
    assert [(each["action"], each["actor_id"], each["detail"]) for each in entries] == [
        ("reaction.deleted", superuser.id, {"code": "party"}),
        ("reaction.created", alice.id, {"code": "party"}),
    ]


async def test_messages_keep_a_deleted_one_which_can_be_taken_back_but_not_given(
    alice: Api, bob: Api, superuser: Api, message: str
) -> None:
    made = await make(alice)
    for person in (alice, bob):
        await person.put(f"{message}/reactions/party")
    await superuser.delete(f"/reactions/{made['id']}")
    assert await borne(bob, message) == [("party", [alice.id, bob.id])]
    await bob.delete(f"{message}/reactions/party")
    assert await borne(bob, message) == [("party", [alice.id])]
    assert await bob.refused("PUT", f"{message}/reactions/party", expect=404) == ("not_found",)


async def test_a_deleted_one_may_be_made_again_with_another_picture(
    alice: Api, superuser: Api, message: str
) -> None:
    first = await make(alice)
    await alice.put(f"{message}/reactions/party")
    await superuser.delete(f"/reactions/{first['id']}")
    second = await make(superuser, image=png(32, 32))
    assert second["id"] == first["id"]
    assert second["image_url"] != first["image_url"]
    assert (await picture(alice, second["image_url"]))[0] == 200
    assert (await picture(alice, first["image_url"]))[0] == 404
    await superuser.refused("PUT", f"{message}/reactions/party", expect=403)
    assert (await alice.put(f"{message}/reactions/party"))["reactions"][0]["count"] == 1


async def test_reacting_counts_once_for_each_user_message_and_code(
    alice: Api, bob: Api, message: str
) -> None:
    for _ in range(2):
        reacted = await bob.put(f"{message}/reactions/heart")
        assert [(each["code"], each["count"], each["user_ids"]) for each in reacted["reactions"]] == [
            ("heart", 1, [bob.id])
        ]
    await alice.put(f"{message}/reactions/heart")
    await alice.put(f"{message}/reactions/100")
    assert await borne(bob, message) == [("heart", [bob.id, alice.id]), ("100", [alice.id])]
    for _ in range(2):
        await bob.delete(f"{message}/reactions/heart")
    assert await borne(bob, message) == [("heart", [alice.id]), ("100", [alice.id])]


async def test_reacting_is_for_members_to_messages_that_are_there(
    alice: Api, bob: Api, carol: Api, message: str
) -> None:
    for method in ("PUT", "DELETE"):
        assert await carol.refused(method, f"{message}/reactions/heart", expect=403) == ("forbidden",)
        assert await bob.refused(method, f"{message}/reactions/none", expect=404) == ("not_found",)
        assert await bob.refused(method, f"{message}999/reactions/heart", expect=404) == ("not_found",)
    await alice.delete(message)
    assert await bob.refused("PUT", f"{message}/reactions/heart", expect=409) == ("conflict",)


async def test_reacting_is_heard_and_done_over_the_socket_too(home: Place) -> None:
    alice, bob, root = [await home.nobody.newcomer(name) for name in ("alice", "bob", "root")]
    await home.context.accounts.set_superuser(root.user["id"], home.context.clock.now(), is_superuser=True)
    made = await make(alice)
    said = await alice.post("/messages", {"recipient_id": bob.id, "content": "hello"})
    talk = await home.live(bob)
    where = {"message_id": said["id"], "channel_id": said["channel_id"], "code": "party"}
    assert (await talk.ask({"type": "react"} | where))["type"] == "ack"
    await alice.put(f"/channels/{said['channel_id']}/messages/{said['id']}/reactions/party")
    heard = [await talk.hear("reaction_update")]
    while heard[-1]["user_id"] != alice.id:
        heard.append(await talk.hear("reaction_update"))
    assert (heard[-1]["code"], heard[-1]["added"], heard[-1]["count"]) == ("party", True, 2)
    await root.delete(f"/reactions/{made['id']}")
    assert (await talk.ask({"type": "unreact"} | where))["type"] == "ack"
    refused = await talk.ask({"type": "react"} | where)
    assert (refused["code"], refused["field"]) == ("invalid", "code")
