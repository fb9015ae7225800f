"""What a route does with a request before its handler sees it: who, what type, how large, how slow."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from msgspec import Struct
from pytest_aiohttp.plugin import AiohttpClient
from sqlalchemy import Connection, text

from protocol.ids import SessionId, UserId
from server import app, dispatch
from server.calls import Call
from server.dispatch import add_routes
from server.measures import Measures
from server.middleware import middlewares
from server.routing import Routes
from server.secret_key import load_secret_key
from server.tokens import AccessTokens
from tests.server.rest.client import Api, Running, serving, settings_for

JSON = {"Content-Type": "application/json"}
HEAD = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def running(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(settings_for(sqlite_url, tmp_path)) as running:
        yield running


@pytest.fixture
async def alice(running: Running) -> Api:
    return await running.nobody.newcomer("alice")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/xml",
    ],
)
async def test_another_content_type_is_not_supported(running: Running, content_type: str) -> None:
    refused = await running.nobody.refused(
        "POST", "/auth/login", data=b"{}", headers={"Content-Type": content_type}, expect=415
    )
    assert refused == ("unsupported",)


async def test_json_in_utf_8_is_supported_however_it_is_spelled(running: Running) -> None:
    for content_type in ("application/json", "Application/JSON; charset=UTF-8"):
        headers = {"Content-Type": content_type}
        refused = await running.nobody.refused("POST", "/auth/login", data=b"{}", headers=headers)
        assert refused == ("invalid", "username")


async def test_a_packed_body_is_not_unpacked(running: Running) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    data = gzip.compress(b"{}" + b" " * 10_000_000)
    refused = await running.nobody.refused("POST", "/auth/login", data=data, headers=headers, expect=415)
    assert refused == ("unsupported",)


@pytest.mark.parametrize("data", [b"", b"{", b'{"username":"\xff"}', b"nonsense", b"[" * 100_000])
async def test_what_is_no_json_is_malformed(running: Running, data: bytes) -> None:
    refused = await running.nobody.refused("POST", "/auth/login", data=data, headers=JSON, expect=400)
    assert refused == ("malformed",)


async def test_a_body_over_the_limit_is_too_large_told_or_not(running: Running) -> None:
    data = b'"' + b"x" * dispatch.BODY_MAX_BYTES + b'"'
    refused = await running.nobody.refused("POST", "/auth/login", data=data, headers=JSON, expect=413)
    assert refused == ("too_large",)

    async def untold() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 4096):
            yield data[start : start + 4096]

    async with running.nobody.session.post("/auth/login", data=untold(), headers=JSON) as answer:
        assert answer.status == 413


async def test_a_body_that_stalls_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "BODY_TIMEOUT_S", 0.05)
    answer = await _exchange(running, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"malformed"' in answer


async def test_a_request_whose_head_never_ends_is_cut_off(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SILENT_MAX_S", 0.05)
    async with serving(settings_for(sqlite_url, tmp_path)) as running:
        for head in (HEAD, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"):
            reader, writer = await _connect(running)
            writer.write(head)
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()


async def test_a_broken_chunked_body_is_malformed(running: Running) -> None:
    answer = await _exchange(running, HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n")
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"Traceback" not in answer


async def test_a_client_that_leaves_amid_its_body_is_no_mishap_of_ours(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = asyncio.Event()
    read_body = dispatch._read_body

    async def watched(request: web.Request) -> bytes:
        try:
            return await read_body(request)
        finally:
            given_up.set()

    monkeypatch.setattr(dispatch, "_read_body", watched)
    _, writer = await _connect(running)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await asyncio.wait_for(given_up.wait(), 10)
    await running.nobody.get("/health")
    assert "request failed" not in caplog.text


async def _connect(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(running.server.urls[0])
    return await asyncio.open_connection(url.hostname, url.port)


async def _exchange(running: Running, request: bytes) -> bytes:
    """What is answered until the server closes, or there is a whole problem."""
    reader, writer = await _connect(running)
    writer.write(request)
    answer = b""
    while b"}" not in answer and (chunk := await reader.read(4096)):
        answer += chunk
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthenticated"),
        ("", "unauthenticated"),
        ("Bearer", "unauthenticated"),
        ("Bearer ", "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        ("Bearer nonsense", "unauthenticated"),
        ("Bearer é", "unauthenticated"),
    ],
)
async def test_without_a_good_token_nobody_is_let_in(running: Running, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert await running.nobody.refused("GET", "/auth/me", expect=401, headers=headers) == (code,)
    assert running.nobody.headers["WWW-Authenticate"] == "Bearer"


async def test_the_scheme_is_read_without_case(running: Running, alice: Api) -> None:
    headers = {"Authorization": f"bearer  {alice.token}"}
    assert (await running.nobody.get("/auth/me", headers=headers))["id"] == alice.id


async def test_a_token_in_the_url_lets_nobody_in(running: Running, alice: Api) -> None:
    await running.nobody.refused("GET", f"/auth/me?token={alice.token}", expect=401)
    await running.nobody.refused("GET", f"/auth/me?access_token={alice.token}", expect=401)


async def test_who_asks_is_checked_before_what_is_asked(running: Running) -> None:
    nobody = running.nobody
    await nobody.refused("POST", "/channels/", {"bad": 1}, expect=401)
    await nobody.refused("POST", "/channels/", data=b"{", headers=JSON, expect=401)
    await nobody.refused("GET", "/users/x", expect=401)


async def test_an_expired_token_says_so(running: Running, alice: Api) -> None:
    tokens = AccessTokens(load_secret_key(running.context.settings), timedelta(minutes=1))
    past = running.context.clock.now() - timedelta(minutes=2)
    old = Api(running.nobody.session, tokens.issue(UserId(alice.id), SessionId(1), past))
    assert await old.refused("GET", "/auth/me", expect=401) == ("token_expired",)
    foreign = tokens.issue(UserId(alice.id + 1), SessionId(1), running.context.clock.now())
    other = Api(running.nobody.session, foreign)
    assert await other.refused("GET", "/auth/me", expect=401) == ("token_revoked",)


async def test_a_deleted_session_row_lets_nobody_in(running: Running, alice: Api) -> None:
    await running.context.database.write(lambda connection: _run(connection, "DELETE FROM sessions"))
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)


secrets = Routes("Secrets")


class Secret(Struct, frozen=True):
    found: bool


@secrets.get("/secret", access="superuser")
async def read_secret(call: Call) -> Secret:
    """Read what only superusers may."""
    return Secret(call.identity.is_superuser)


async def test_a_superusers_route_lets_in_no_other_user(
    running: Running, alice: Api, aiohttp_client: AiohttpClient
) -> None:
    app = web.Application(middlewares=middlewares((), running.context.readiness, Measures()))
    add_routes(app, running.context, secrets.routes)
    client = await aiohttp_client(app)
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with client.get("/secret") as answer:
        assert answer.status == 401
    async with client.get("/secret", headers=headers) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (403, "forbidden")
    now = running.context.clock.now()
    await running.context.accounts.set_superuser(UserId(alice.id), now, is_superuser=True)
    async with client.get("/secret", headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"found": True})


def _run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))
