"""Bodies with files: what does not fit, is too large or too slow, or never ends leaves nothing behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server import uploads
from server.settings import Settings
from tests.server.rest.client import Api, Running, serving, settings_for
from tests.server.uploading import form, stored, upload

FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_for(sqlite_url, tmp_path)


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Running]:
    async with serving(settings) as running:
        yield running


@pytest.fixture
async def alice(running: Running) -> Api:
    return await running.nobody.newcomer("alice")


def raw(*parts: bytes) -> bytes:
    """A body of parts, each with its head."""
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def part(disposition: str, data: bytes = b"x", headers: dict[str, str] | None = None) -> bytes:
    lines = [
        f"Content-Disposition: form-data; {disposition}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


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
    running: Running, alice: Api, body: bytes, expected: Any
) -> None:
    assert await alice.refused("POST", "/files", data=body, headers=FORM) == expected
    assert stored(running) == []


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
    running: Running, alice: Api, body: bytes
) -> None:
    refused = await alice.refused("POST", "/files", data=body, headers=FORM, expect=400)
    assert refused == ("malformed",)
    assert stored(running) == []


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
    running: Running, alice: Api, body: bytes, headers: dict[str, str]
) -> None:
    refused = await alice.refused("POST", "/files", data=body, headers=headers, expect=415)
    assert refused[0] == "unsupported"
    assert stored(running) == []


async def test_a_form_without_a_boundary_is_malformed(alice: Api) -> None:
    for content_type in ("multipart/form-data", f"multipart/form-data; boundary={'b' * 71}"):
        headers = {"Content-Type": content_type}
        refused = await alice.refused("POST", "/files", data=b"x", headers=headers, expect=400)
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


async def test_nobody_uploads_without_being_let_in(running: Running) -> None:
    await running.nobody.refused("POST", "/files", data=form(), expect=401)
    assert stored(running) == []


async def test_a_full_disk_is_told_as_unavailable(running: Running, alice: Api) -> None:
    (running.context.settings.data_folder / "files").write_text("in the way")
    assert await alice.refused("POST", "/files", data=form(), expect=503) == ("unavailable",)


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
