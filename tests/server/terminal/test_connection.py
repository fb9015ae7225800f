"""The connection: resumed when it is lost, with new credentials when need be, until it is no use."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from protocol.codec import JSON
from protocol.commands import Auth, Hello, Ping
from protocol.errors import Code
from protocol.events import AnyEvent, ErrorEvent, GoingAway, Pong
from server.terminal import connection as connection_module
from server.terminal.api import Api, Tokens
from server.terminal.connection import Connection, Ended
from server.terminal.state import ClientState
from tests.server.terminal.making import ready, ready_channel

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


class Scene:
    """A server that follows a script for each connection, and a client of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.scripts: list[Script] = []
        self.hellos: list[Hello] = []
        self.heard: list[Any] = []
        self.events: list[AnyEvent] = []
        self.lost = 0
        self.refresh_status = 200
        self.state = ClientState()
        self.api = Api(session, url)
        self.api.tokens = Tokens("old", "refresh", 1800)
        self.connection = Connection(self.api, self.state, self.hear, self.lose)
        self.session = session

    async def hear(self, event: AnyEvent) -> None:
        self.events.append(event)
        self.state.apply(event)

    def lose(self) -> None:
        self.lost += 1

    async def run(self) -> str:
        """Until it ends: why."""
        with pytest.raises(Ended) as ended:
            async with asyncio.timeout(10):
                await self.connection.run(self.session)
        return str(ended.value)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/auth/refresh":
            tokens = {"access_token": "new", "refresh_token": "next", "expires_in": 1800}
            refusal = {"code": "token_expired", "detail": "Log in again."}
            status = self.refresh_status
            return web.json_response(tokens if status == 200 else refusal, status=status)
        socket = web.WebSocketResponse(protocols=["parley.v1.json"])
        await socket.prepare(request)
        hello = JSON.decode((await socket.receive_str()).encode())
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        await self.scripts.pop(0)(socket)
        return socket


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(connection_module, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(connection_module, "BACKOFF_MAX_S", 0.001)
    async with AsyncExitStack() as stack:
        app = web.Application()
        server = await stack.enter_async_context(TestServer(app_for(holder := [], app)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        holder.append(Scene(str(server.make_url("")).rstrip("/"), session))
        yield holder[0]


def app_for(holder: list[Scene], app: web.Application) -> web.Application:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await holder[0].answer(request)

    app.router.add_route("*", "/{path:.*}", answer)
    return app


def says(*events: AnyEvent, close: int) -> Script:
    async def script(socket: web.WebSocketResponse) -> None:
        for event in events:
            await socket.send_str(JSON.encode(event).decode())
        await socket.close(code=close)

    return script


async def vanish(socket: web.WebSocketResponse) -> None:
    """End as a crash would."""
    assert socket._req is not None
    assert socket._req.transport is not None
    socket._req.transport.abort()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1009, "a message was too large for the server"),
        (4400, "the server did not understand this client"),
        (4403, "your account is disabled"),
    ],
)
async def test_some_ends_are_final(scene: Scene, code: int, why: str) -> None:
    scene.scripts = [says(close=code)]
    assert await scene.run() == why


async def test_others_are_not_and_the_client_resumes_where_it_stood(scene: Scene) -> None:
    there = ready(ready_channel(5))
    scene.scripts = [says(there, close=1012), vanish, says(there, close=4410), says(close=4403)]
    await scene.run()
    assert [[cursor.seq for cursor in hello.resume] for hello in scene.hellos] == [[], [5], [5], [5]]
    assert scene.lost == 2


async def test_a_draining_server_is_given_the_time_it_asks_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[float] = []

    def least(low: float, high: float) -> float:
        longest.append(high)
        return low

    monkeypatch.setattr(random, "uniform", least)
    scene.scripts = [
        says(ready(), GoingAway(retry_after_ms=700), close=1012),
        says(ready(), close=1012),
        says(close=4403),
    ]
    await scene.run()
    assert longest == [0.7, 0.001]


async def test_credentials_that_have_ended_are_renewed(scene: Scene) -> None:
    scene.scripts = [says(ready(), close=4401), says(close=4403)]
    await scene.run()
    assert [hello.token for hello in scene.hellos] == ["old", "new"]


async def test_credentials_that_cannot_be_renewed_are_the_end(scene: Scene) -> None:
    scene.refresh_status = 401
    scene.scripts = [says(ready(), close=4401)]
    assert await scene.run() == "log in again: Log in again."


async def test_a_server_that_cannot_renew_now_is_asked_again(scene: Scene) -> None:
    scene.refresh_status = 503
    scene.scripts = [says(close=4401), says(close=4403)]
    await scene.run()
    assert [hello.token for hello in scene.hellos] == ["old", "old"]


async def test_a_hello_that_is_refused_for_now_is_tried_again(scene: Scene) -> None:
    async def refuse(socket: web.WebSocketResponse) -> None:
        refusal = ErrorEvent(code=Code.UNAVAILABLE, message="later", retryable=True)
        await socket.send_str(JSON.encode(refusal).decode())
        await socket.receive()

    scene.scripts = [refuse, says(close=4403)]
    await scene.run()
    assert len(scene.hellos) == 2


async def test_what_this_client_does_not_know_is_ignored(scene: Scene) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"type":"novelty"}')
        await socket.send_bytes(b"\0\1")
        await says(Pong(), close=4403)(socket)

    scene.scripts = [script]
    await scene.run()
    assert scene.events == [Pong()]


async def test_commands_go_out_once_the_server_is_ready(scene: Scene) -> None:
    await scene.connection.send(Ping(t=1))
    heard: list[Any] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str(JSON.encode(ready()).decode())
        heard.append(JSON.decode((await socket.receive_str()).encode()))
        await socket.close(code=4403)

    async def hear(event: AnyEvent) -> None:
        await scene.connection.send(Ping(t=2))

    scene.connection = Connection(scene.api, scene.state, hear, scene.lose)
    scene.scripts = [script]
    await scene.run()
    assert heard == [Ping(t=2)]
    await scene.connection.send(Ping(t=3))


async def test_the_server_hears_of_new_credentials_before_the_old_end(scene: Scene) -> None:
    scene.api.tokens = Tokens("old", "refresh", 0)
    heard: list[Any] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str(JSON.encode(ready()).decode())
        heard.append(JSON.decode((await socket.receive_str()).encode()))
        await socket.close(code=4403)

    scene.scripts = [script]
    started = asyncio.Event()

    async def hear(event: AnyEvent) -> None:
        started.set()

    scene.connection = Connection(scene.api, scene.state, hear, scene.lose)
    running = asyncio.create_task(scene.run())
    await started.wait()
    renewing = asyncio.create_task(scene.connection.renew())
    await running
    renewing.cancel()
    assert heard == [Auth(token="new")]


async def test_renewing_ends_when_the_server_refuses(scene: Scene) -> None:
    scene.api.tokens = Tokens("old", "refresh", 0)
    scene.refresh_status = 401
    with pytest.raises(Ended, match="log in again"):
        await scene.connection.renew()


async def test_renewing_outlives_a_server_that_is_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.api.tokens = Tokens("old", "refresh", 0)
    scene.refresh_status = 503
    asked = 0
    refresh = scene.api.refresh

    async def counted() -> None:
        nonlocal asked
        asked += 1
        scene.refresh_status = 503 if asked < 3 else 401
        await refresh()

    monkeypatch.setattr(scene.api, "refresh", counted)
    with pytest.raises(Ended):
        await scene.connection.renew()
    assert asked == 3


async def test_nobody_connects_without_having_logged_in(scene: Scene) -> None:
    scene.api.tokens = None
    assert await scene.run() == "not logged in"
    await scene.connection.renew()
