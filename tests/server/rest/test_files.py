"""Files: uploading, what their bytes make of them, sending them, and who may download them."""

import asyncio
from typing import Any

import pytest

from server.rest.files import IMAGE_MAX_PIXELS
from tests.server.pictures import gif, jpeg, png, webp
from tests.server.rest.client import Api, Json, Running
from tests.server.talking import Place
from tests.server.uploading import download, form, stored, upload


@pytest.fixture
async def path(alice: Api, bob: Api) -> str:
    """A channel of alice's that bob has joined."""
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    return path


async def test_a_file_comes_back_as_it_was_sent(alice: Api, bob: Api, path: str) -> None:
    data = bytes(range(256)) * 2000
    file = await upload(alice, data, "Grüße 🐎.bin")
    assert file == {
        "id": file["id"],
        "name": "Grüße 🐎.bin",
        "content_type": "application/octet-stream",
        "size": len(data),
        "url": f"/files/{file['id']}",
    }
    body = {"content": "look", "attachments": [file["id"]]}
    message = await alice.post(f"{path}/messages", body)
    assert message["attachments"] == [file]
    assert (await bob.get(f"{path}/messages"))["items"][0]["attachments"] == [file]
    got = await download(bob, file)
    assert (got.status, got.body) == (200, data)


@pytest.mark.parametrize(
    ("data", "name", "content_type", "is_shown"),
    [
        (png(), "a.png", "image/png", True),
        (gif(), "a.html", "image/gif", True),
        (webp(), "a", "image/webp", True),
        (jpeg(), "a.jpg", "image/jpeg", True),
        (b"<script>alert(1)</script>", "a.png", "text/plain; charset=utf-8", False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "text/plain; charset=utf-8", False),
        (b"%PDF-1.7", "a.pdf", "application/pdf", False),
        (b"\x00\x01", "a.html", "application/octet-stream", False),
    ],
)
async def test_nothing_that_is_downloaded_acts(
    sqlite_alice: Api, data: bytes, name: str, content_type: str, is_shown: bool
) -> None:
    file = await upload(sqlite_alice, data, name)
    got = await download(sqlite_alice, file)
    assert got.headers["Content-Type"] == content_type
    kind = "inline" if is_shown else "attachment"
    assert got.headers["Content-Disposition"] == f'{kind}; filename="{name}"'
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert got.headers["Cache-Control"] == "private, no-cache"


async def test_a_part_can_be_asked_for(sqlite_alice: Api) -> None:
    file = await upload(sqlite_alice, b"0123456789")
    for asked, told, body in (
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=-2", "bytes 8-9/10", b"89"),
    ):
        got = await download(sqlite_alice, file, Range=asked)
        assert (got.status, got.headers["Content-Range"], got.body) == (206, told, body)
    got = await download(sqlite_alice, file, Range="bytes=10-")
    assert (got.status, got.headers["Content-Range"]) == (416, "bytes */10")


async def test_who_has_it_is_not_sent_it_again(sqlite_alice: Api) -> None:
    file = await upload(sqlite_alice)
    tag = (await download(sqlite_alice, file)).headers["Etag"]
    again = await download(sqlite_alice, file, **{"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    other = await download(sqlite_alice, file, **{"If-Match": '"other"'})
    assert other.status == 412


async def test_an_empty_file_is_a_file(sqlite_alice: Api) -> None:
    file = await upload(sqlite_alice, b"")
    assert (await download(sqlite_alice, file)).body == b""
    assert file["size"] == 0


async def test_the_same_bytes_are_kept_once(sqlite_running: Running, sqlite_alice: Api) -> None:
    bob = await sqlite_running.nobody.newcomer("bob")
    files = [await upload(person) for person in (sqlite_alice, bob)]
    assert files[0]["id"] != files[1]["id"]
    assert len(stored(sqlite_running)) == 1


async def test_only_its_owner_has_a_file_that_was_not_sent(alice: Api, bob: Api, nobody: Api) -> None:
    file = await upload(alice)
    await bob.refused("GET", file["url"], expect=404)
    await nobody.refused("GET", file["url"], expect=401)
    await alice.refused("GET", f"/files/{file['id'] + 1}", expect=404)


async def test_whoever_leaves_or_comes_loses_or_gets_the_files(
    alice: Api, bob: Api, carol: Api, path: str
) -> None:
    file = await upload(bob)
    await bob.post(f"{path}/messages", {"content": "x", "attachments": [file["id"]]})
    await carol.refused("GET", file["url"], expect=404)
    await carol.post(f"{path}/join", expect=200)
    assert (await download(carol, file)).status == 200
    await alice.delete(f"{path}/members/{carol.id}")
    await carol.refused("GET", file["url"], expect=404)
    await bob.post(f"{path}/leave", expect=204)
    assert (await download(bob, file)).status == 200


async def test_a_deleted_messages_file_is_gone_for_others(alice: Api, bob: Api, path: str) -> None:
    file = await upload(alice)
    message = await alice.post(f"{path}/messages", {"content": "x", "attachments": [file["id"]]})
    await alice.delete(f"{path}/messages/{message['id']}")
    await bob.refused("GET", file["url"], expect=404)
    assert (await bob.get(f"{path}/messages"))["items"][0]["attachments"] == []


async def test_a_direct_messages_file_is_between_two(alice: Api, bob: Api, carol: Api) -> None:
    file = await upload(alice)
    body = {"recipient_id": bob.id, "content": "x", "attachments": [file["id"]]}
    message = await alice.post("/messages", body)
    assert message["attachments"] == [file]
    assert (await download(bob, file)).body == b"hello"
    await carol.refused("GET", file["url"], expect=404)
    other = await upload(bob)
    where = f"/auth/conversations/{message['conversation_id']}/messages"
    assert (await bob.post(where, {"content": "y", "attachments": [other["id"]]}))["attachments"] == [other]


async def test_a_file_goes_with_one_message(alice: Api, bob: Api, path: str) -> None:
    file = await upload(alice)
    body = {"content": "x", "attachments": [file["id"], file["id"]], "nonce": "n"}
    message = await alice.post(f"{path}/messages", body)
    assert message["attachments"] == [file]
    assert await alice.post(f"{path}/messages", body, expect=200) == message
    for person, named in ((alice, [file["id"]]), (bob, [file["id"]]), (alice, [2**40])):
        refused = await person.refused("POST", f"{path}/messages", {"content": "y", "attachments": named})
        assert refused == ("invalid", "attachments")
    assert len((await alice.get(f"{path}/messages"))["items"]) == 1


@pytest.mark.parametrize("named", [[0], ["1"], [1] * 11, 1, None])
async def test_what_is_no_list_of_files_is_refused(sqlite_alice: Api, named: Any) -> None:
    channel = await sqlite_alice.post("/channels/", {"name": "general"})
    body = {"content": "x", "attachments": named}
    code, field = await sqlite_alice.refused("POST", f"/channels/{channel['id']}/messages", body)
    assert (code, field.partition("[")[0]) == ("invalid", "attachments")


async def test_messages_that_want_one_file_at_once_share_it_with_nobody(
    alice: Api, bob: Api, path: str
) -> None:
    other = f"/channels/{(await alice.post('/channels/', {'name': 'other'}))['id']}"
    file = await upload(alice)
    body = {"content": "x", "attachments": [file["id"]]}

    async def send(person: Api, where: str, sent: Json) -> int:
        headers = {"Authorization": f"Bearer {person.token}"}
        async with person.session.post(f"{where}/messages", json=sent, headers=headers) as answer:
            return answer.status

    wanting = [send(alice, where, body) for where in (path, other) * 3]
    statuses = await asyncio.gather(*wanting, *(send(bob, path, {"content": "y"}) for _ in range(3)))
    assert sorted(statuses) == [201] * 4 + [422] * 5


async def test_a_file_is_sent_over_the_socket(home: Place) -> None:
    alice, bob = [await home.nobody.newcomer(name) for name in ("alice", "bob")]
    file = await upload(alice)
    direct = await alice.post("/messages", {"recipient_id": bob.id, "content": "hello"})
    talk, heard = await home.live(alice), await home.live(bob)
    send = {"type": "send", "channel_id": direct["channel_id"], "content": "x", "nonce": "n"}
    with_file = send | {"attachments": [file["id"]]}
    ack = await talk.ask(with_file)
    assert (ack["type"], ack["duplicate"]) == ("ack", False)
    assert (await heard.hear("new_message"))["message"]["attachments"] == [file]
    assert (await talk.ask(with_file))["duplicate"]
    refused = await talk.ask(with_file | {"nonce": "m"})
    assert (refused["code"], refused["field"]) == ("invalid", "attachments")
    assert (await download(bob, file)).body == b"hello"


@pytest.mark.parametrize("picture", [png(20_000, 20_000), gif(1, 1, frame=(0, 0, 60_000, 60_000))])
async def test_image_bombs_are_refused(sqlite_running: Running, sqlite_alice: Api, picture: bytes) -> None:
    assert await sqlite_alice.refused("POST", "/files", data=form(picture)) == ("invalid", "file")
    assert stored(sqlite_running) == []
    assert (await upload(sqlite_alice, png(10_000, IMAGE_MAX_PIXELS // 10_000)))[
        "content_type"
    ] == "image/png"


async def test_bytes_that_are_lost_are_told_as_absent_and_logged(
    sqlite_running: Running, sqlite_alice: Api, caplog: pytest.LogCaptureFixture
) -> None:
    file = await upload(sqlite_alice)
    stored(sqlite_running)[0].unlink()
    await sqlite_alice.refused("GET", file["url"], expect=404)
    assert "the bytes of a file are gone" in caplog.text
