"""Files: uploading, what their bytes make of them, sending them, and who may download them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from server import uploads
from server.rest.files import IMAGE_MAX_PIXELS
from server.settings import Settings
from tests.server.pictures import gif, jpeg, png, webp
from tests.server.rest.client import Api, Json, Running, serving
from tests.server.talking import Place

BOUNDARY = "b"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
async def path(alice: Api, bob: Api) -> str:
    """A channel of alice's that bob has joined."""
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    return path


def form(data: bytes = b"hello", name: str = "a.txt", field: str = "file") -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False)
    made.add_field(field, data, filename=name, content_type="text/html")
    return made


async def upload(person: Api, data: bytes = b"hello", name: str = "a.txt") -> Json:
    return await person.post("/files", data=form(data, name))


class Download(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes


async def download(person: Api, file: Json, **headers: str) -> Download:
    sent = {"Authorization": f"Bearer {person.token}"} | headers
    async with person.session.get(file["url"], headers=sent) as answer:
        return Download(answer.status, dict(answer.headers), await answer.read())


def raw(*parts: bytes) -> bytes:
    """A body of parts, each with its head."""
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def part(disposition: str, data: bytes = b"x", headers: dict[str, str] | None = None) -> bytes:
    lines = [
        f"Content-Disposition: form-data; {disposition}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


def stored(running: Running) -> list[Path]:
    folder = running.context.settings.data_folder / "files"
    return [each for each in folder.rglob("*") if each.is_file()]


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


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (raw(), ("invalid", "file")),
        (raw(part('name="other"')), ("invalid", "other")),
        (raw(part('name="file"'), part('name="file"')), ("invalid", "file")),
        (raw(part('name="file"'), part('name="owner_id"', b"1")), ("invalid", "owner_id")),
    ],
)
async def test_what_does_not_fit_is_refused_by_field_and_nothing_is_kept(
    sqlite_running: Running, sqlite_alice: Api, body: bytes, expected: Any
) -> None:
    assert await sqlite_alice.refused("POST", "/files", data=body, headers=FORM) == expected
    assert stored(sqlite_running) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--b",
        b"--b\r\n",
        b"--b\r\n\r\n",
        raw(part('name="file"'))[:-12],
        raw(part('name="file"; filename="a"', b"x" * 100_000))[:-50_000],
        raw(part("")),
        raw(b"no header at all\r\n\r\nx"),
        raw(b"X: " + b"y" * 20_000 + b"\r\n\r\nx"),
        raw(b"\r\n".join(b"X-%d: y" % n for n in range(500)) + b"\r\n\r\nx"),
        b"x\r\n" * 10_000,
        raw(part('name="_charset_"', b"x" * 100), part('name="file"')),
    ],
)
async def test_what_is_no_form_is_malformed_and_nothing_is_kept(
    sqlite_running: Running, sqlite_alice: Api, body: bytes
) -> None:
    refused = await sqlite_alice.refused("POST", "/files", data=body, headers=FORM, expect=400)
    assert refused == ("malformed",)
    assert stored(sqlite_running) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"file": "x"}', {"Content-Type": "application/json"}),
        (raw(part('name="file"')), {"Content-Type": "multipart/mixed; boundary=b"}),
        (raw(part('name="file"')), FORM | {"Content-Encoding": "gzip"}),
        (raw(part('name="file"', b"aGVsbG8=", {"Content-Transfer-Encoding": "base64"})), FORM),
        (raw(part('name="file"', b"x", {"Content-Encoding": "gzip"})), FORM),
        (raw(part('name="file"', b"x", {"Content-Type": "multipart/mixed; boundary=c"})), FORM),
    ],
)
async def test_another_kind_of_body_is_not_supported(
    sqlite_running: Running, sqlite_alice: Api, body: bytes, headers: dict[str, str]
) -> None:
    refused = await sqlite_alice.refused("POST", "/files", data=body, headers=headers, expect=415)
    assert refused[0] == "unsupported"
    assert stored(sqlite_running) == []


async def test_a_form_without_a_boundary_is_malformed(sqlite_alice: Api) -> None:
    for content_type in ("multipart/form-data", f"multipart/form-data; boundary={'b' * 71}"):
        headers = {"Content-Type": content_type}
        refused = await sqlite_alice.refused("POST", "/files", data=b"x", headers=headers, expect=400)
        assert refused == ("malformed",)


@contextlib.asynccontextmanager
async def small(settings: Settings) -> AsyncIterator[tuple[Running, Api]]:
    """A server that takes files of 1,000 bytes."""
    async with serving(settings, upload_max_bytes=1000) as running:
        yield running, await running.nobody.newcomer("alice")


async def test_a_file_may_be_as_large_as_is_allowed_and_no_larger(settings: Settings) -> None:
    async with small(settings) as (running, alice):
        assert (await upload(alice, b"x" * 1000))["size"] == 1000
        for size in (1001, 500_000):
            refused = await alice.refused("POST", "/files", data=form(b"y" * size), expect=413)
            assert refused == ("too_large",)
        assert len(stored(running)) == 1


async def test_a_file_of_untold_size_is_cut_early(settings: Settings) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield part('name="file"').join((b"--b\r\n", b""))
        while sent < 2**26:
            sent += 2**16
            yield b"x" * 2**16

    async with small(settings) as (running, alice):
        headers = FORM | {"Authorization": f"Bearer {alice.token}"}
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with alice.session.post("/files", data=endless(), headers=headers) as answer:
                assert answer.status == 413
        assert sent < 2**26
        assert stored(running) == []


@pytest.mark.parametrize("limit", ["SILENT_MAX_S", "UPLOAD_MAX_S"])
async def test_a_form_that_stalls_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(uploads, limit, 0.05)
    never = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"--b\r\n" + part('name="file"', b"x" * 10)
        await never.wait()

    async with small(settings) as (running, alice):
        headers = FORM | {"Authorization": f"Bearer {alice.token}"}
        async with alice.session.post("/files", data=stalling(), headers=headers) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "malformed")
        assert stored(running) == []


async def test_nobody_uploads_without_being_let_in(sqlite_running: Running) -> None:
    await sqlite_running.nobody.refused("POST", "/files", data=form(), expect=401)
    assert stored(sqlite_running) == []


async def test_a_full_disk_is_told_as_unavailable(sqlite_running: Running, sqlite_alice: Api) -> None:
    (sqlite_running.context.settings.data_folder / "files").write_text("in the way")
    assert await sqlite_alice.refused("POST", "/files", data=form(), expect=503) == ("unavailable",)


async def test_bytes_that_are_lost_are_told_as_absent_and_logged(
    sqlite_running: Running, sqlite_alice: Api, caplog: pytest.LogCaptureFixture
) -> None:
    file = await upload(sqlite_alice)
    stored(sqlite_running)[0].unlink()
    await sqlite_alice.refused("GET", file["url"], expect=404)
    assert "the bytes of a file are gone" in caplog.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.doc", "b.doc"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("%22quoted%22%0D%0A.txt", '"quoted".txt'),
        ("100%25.txt", "100%25.txt"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        (" . a . ", "a"),
        ("a\0b\x7f\x1b.txt", "ab.txt"),
        ("a\udcff.txt", "a.txt"),
        ("x" * 300 + ".tar", "x" * 251 + ".tar"),
        ("x" * 300, "x" * 255),
        ("a." + "x" * 300, "a." + "x" * 253),
        ("🐎.png", "🐎.png"),
    ],
)
def test_names_are_cleaned(given: str | None, kept: str) -> None:
    assert uploads.clean_name(given) == kept
