"""Bytes of a request's head that are no text: nothing keeps them, and nothing fails for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.header_text import is_readable, readable
from tests.server.rest.client import PASSWORD, Api, Json, Running, serving, settings_for

EACH: list[bytes] = [b"\xff", b"\xc3", b"\xed\xa0\x80"]
each_odd = pytest.mark.parametrize("odd", EACH)
LOG_IN = {"username": "alice", "password": PASSWORD}


@pytest.fixture
async def running(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(settings_for(sqlite_url, tmp_path), cors_origins=("*",)) as running:
        yield running


@pytest.fixture
async def alice(running: Running) -> Api:
    return await running.nobody.newcomer("alice")


def test_what_is_text_stays_and_what_is_none_is_marked() -> None:
    assert readable("Grüße, 世界 🌍") == "Grüße, 世界 🌍"
    assert readable(b"a\xffb".decode("utf-8", "surrogateescape")) == "a\ufffdb"
    assert is_readable("Grüße")
    assert not is_readable("\udcff")


async def exchange(running: Running, line: bytes, body: Json, *headers: bytes) -> tuple[int, bytes]:
    """The status and the rest of what is answered."""
    url = urlsplit(running.server.urls[0])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    packed = b"" if body is None else json.dumps(body).encode()
    head = [line + b" HTTP/1.1", b"Connection: close", b"Content-Length: %d" % len(packed), *headers]
    if body is not None:
        head.append(b"Content-Type: application/json")
    if not any(each.startswith(b"Host:") for each in headers):
        head.append(b"Host: x")
    writer.write(b"\r\n".join([*head, b"", packed]))
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer


def bearer(person: Api) -> bytes:
    return f"Authorization: Bearer {person.token}".encode()


@each_odd
async def test_a_clients_name_that_is_no_text_keeps_nobody_from_logging_in(
    running: Running, alice: Api, odd: bytes
) -> None:
    status, _ = await exchange(running, b"POST /auth/login", LOG_IN, b"User-Agent: a" + odd)
    assert status == 200
    sessions = (await alice.get("/auth/sessions"))["items"]
    assert sessions[0]["device_info"].startswith("a\ufffd")


@each_odd
async def test_an_idempotency_key_that_is_no_text_is_refused(
    running: Running, alice: Api, odd: bytes
) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    line = f"POST /channels/{channel['id']}/messages".encode()
    status, answer = await exchange(
        running, line, {"content": "x"}, bearer(alice), b"Idempotency-Key: " + odd
    )
    assert (status, b'"field":"Idempotency-Key"' in answer) == (422, True)


@each_odd
async def test_a_host_that_is_no_text_is_marked_in_the_urls_made_of_it(
    running: Running, alice: Api, odd: bytes
) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    line = f"POST /channels/{channel['id']}/webhooks".encode()
    status, answer = await exchange(running, line, {}, bearer(alice), b"Host: x" + odd)
    assert (status, "http://x\ufffd".encode() in answer) == (201, True)


@each_odd
async def test_no_other_header_makes_anything_fail(running: Running, alice: Api, odd: bytes) -> None:
    for name in (
        b"Accept",
        b"Origin",
        b"X-Request-ID",
        b"X-Forwarded-For",
        b"Cookie",
        b"Expect",
        b"If-Range",
    ):
        status, _ = await exchange(running, b"GET /auth/me", None, bearer(alice), name + b": " + odd)
        assert status == 200, name
    for name in (b"X-Twilio-Signature", b"X-Telegram-Bot-Api-Secret-Token"):
        status, _ = await exchange(running, b"POST /telegram_webhook", {}, name + b": " + odd)
        assert status == 403, name
    status, _ = await exchange(running, b"GET /auth/me", None, b"Authorization: Bearer " + odd)
    assert status == 401
    status, _ = await exchange(running, b"GET /ws", None, b"Origin: " + odd)
    assert status in {400, 426}


@each_odd
async def test_a_field_whose_name_is_no_text_is_refused(running: Running, alice: Api, odd: bytes) -> None:
    form = b'--X\r\nContent-Disposition: form-data; name="' + odd + b'"\r\n\r\nx\r\n--X--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=X"}
    code, field = await alice.refused("POST", "/files", data=form, headers=kind)
    assert (code, set(field)) == ("invalid", {"\ufffd"})
    for path in (b"/users/?" + odd + b"=1", b"/users/?limit=" + odd, b"/users/" + odd):
        status, answer = await exchange(running, b"GET " + path, None, bearer(alice))
        assert (status, b"Traceback" in answer) in {(422, False), (400, False)}, path


async def test_what_a_client_expects_is_heeded_or_passed_over(running: Running, alice: Api) -> None:
    status, answer = await exchange(running, b"POST /auth/login", LOG_IN, b"Expect: 100-continue")
    assert (status, b"HTTP/1.1 200 OK" in answer) == (100, True)
    status, answer = await exchange(running, b"POST /auth/login", LOG_IN, b"Expect: <b>nonsense</b>")
    assert (status, b"nonsense" in answer) == (200, False)
    status, _ = await exchange(running, b"GET /ws", None, b"Expect: nonsense")
    assert status == 426
