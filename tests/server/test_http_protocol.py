"""Requests that cannot be read are answered as problems, and nothing of them is repeated or logged."""

import asyncio
import logging
import socket

import msgspec
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server import http_protocol
from server.http_protocol import HttpProtocol
from server.settings import Settings
from tests.server.talking import Answer, Place, place

HOSTILE = {
    "a first line that is too long": b"GET /users?q=" + b"secret" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a head that is too long": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"secret" * 2000 + b"\r\n\r\n",
    "no HTTP": b"secret secret secret\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00secret\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nsecret",
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\nsecret"
    ),
    "a line break in a name": b"GET / HTTP/1.1\r\nHost: x\r\nsecret\n: y\r\n\r\n",
}


async def answer_and_end(home: Place, request: bytes) -> Answer:
    wire = await home.wire()
    wire.write(request)
    answer = await wire.response()
    assert await wire.read() == b""
    wire.close()
    return answer


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
async def test_what_cannot_be_read_is_a_problem_that_repeats_nothing(
    home: Place, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await answer_and_end(home, request_)
    problem = msgspec.json.decode(answer.body)
    assert (answer.status, problem["status"], problem["code"]) == (400, 400, "malformed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"secret" not in answer.body
    assert "secret" not in caplog.text
    await home.nobody.get("/health")


@web.middleware
async def fail_at_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    raise LookupError("the cause")


@web.middleware
async def fail_amid_an_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "6"})
    await answer.prepare(request)
    await answer.write(b"abc")
    raise LookupError("the cause")


@pytest.mark.parametrize(
    ("fails", "beginning"), [(fail_at_once, b"HTTP/1.1 500 "), (fail_amid_an_answer, b"HTTP/1.1 200 ")]
)
async def test_a_fault_of_ours_ends_the_connection_and_its_cause_stays_inside(
    fails: Middleware,
    beginning: bytes,
    quick_settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.app.middlewares", lambda *_: [fails])
    async with place(quick_settings) as home:
        wire = await home.wire()
        wire.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while data := await wire.read():
            answer += data
        wire.close()
    assert answer.startswith(beginning)
    assert b"the cause" not in answer
    assert "the cause" in caplog.text


async def stalled_reader(home: Place) -> socket.socket:
    """Somebody who asks for the largest answers there are, and reads nothing."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, ("127.0.0.1", home.port))
    await loop.sock_sendall(reader, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
    return reader


async def test_who_asks_and_does_not_read_is_let_go(
    quick_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "STALLED_MAX_S", 0.05)
    gone = asyncio.Event()
    lost = HttpProtocol.connection_lost

    def note(self: HttpProtocol, exc: BaseException | None) -> None:
        lost(self, exc)
        gone.set()

    monkeypatch.setattr(HttpProtocol, "connection_lost", note)
    async with place(quick_settings) as home:
        reader = await stalled_reader(home)
        await asyncio.wait_for(gone.wait(), 10)
        reader.close()
        await home.nobody.get("/health")


async def test_who_reads_slowly_gets_everything(
    quick_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls: list[bool] = []
    forget = HttpProtocol._forget_stall

    def note(self: HttpProtocol) -> None:
        stalls.append(self._stalled is not None)
        forget(self)

    monkeypatch.setattr(HttpProtocol, "_forget_stall", note)
    async with place(quick_settings) as home:
        reader = await stalled_reader(home)
        loop, read = asyncio.get_running_loop(), 0
        while read < 3_000_000:
            read += len(await loop.sock_recv(reader, 4096))
        reader.close()
    assert any(stalls)
