"""A member's connection: made again after every kind of loss, and given up when that is no use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from loadtest import client as client_module
from loadtest.client import Client, Dialer
from loadtest.member import Crowd, Member
from loadtest.plan import User
from loadtest.upgrade import parse_url
from protocol.frames import CLOSE, close_payload, server_frame
from tests.loadtest.stand_in import StandIn

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Attempts:
    """A server that answers each connection by the next of some answers, and a client that keeps trying."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.waiting = asyncio.Event()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ready = asyncio.Event()
        self.lost = 0

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answers.pop(0) if self.answers else b"SSH-2.0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    def client(self, port: int | None = None) -> Client:
        member = Member(User(0, "t0", (1,)), Crowd("abcd1234", "x", 0))
        dialer = Dialer(parse_url(f"http://127.0.0.1:{port or self.port}"), None)
        return Client(member, dialer, self.ready.set, self.ended.set_result, self.count_loss)

    def count_loss(self) -> None:
        self.lost += 1


@pytest.fixture
async def attempts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Attempts]:
    monkeypatch.setattr(client_module, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(client_module, "BACKOFF_MAX_S", 0.001)
    started = Attempts()
    await started.start()
    yield started
    started.server.close()
    await started.server.wait_closed()


async def why(attempts: Attempts) -> str:
    async with asyncio.timeout(5):
        return await attempts.ended


async def test_a_server_that_is_full_is_asked_again(attempts: Attempts) -> None:
    full = b"HTTP/1.1 503 Full\r\nRetry-After: 0\r\n\r\n"
    attempts.answers = [
        full,
        full,
        b"HTTP/1.1 429 Slow\r\n\r\n",
        b"HTTP/1.1 502 Bad\r\n\r\n",
        b"",
        b"HTTP/1.1 403 No\r\n\r\n",
    ]
    client = attempts.client()
    client.connect()
    assert await why(attempts) == "the server answered the upgrade with 403"
    assert attempts.answers == []
    assert attempts.lost == 0
    client.close()


async def test_what_is_no_websocket_server_is_given_up(attempts: Attempts) -> None:
    attempts.client().connect()
    assert await why(attempts) == "the answer to the upgrade is not HTTP"


async def test_an_answer_may_come_in_pieces(attempts: Attempts) -> None:
    client = attempts.client()
    client.connection_made(Wire())
    for piece in (b"HTTP/1.1 4", b"04 No\r\n", b"\r\n"):
        client.data_received(piece)
    assert await why(attempts) == "the server answered the upgrade with 404"
    client.data_received(b"more")
    client.write(b"nothing")


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.ended = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True
        self.ended.set()


async def test_a_server_that_says_nothing_is_left(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "READY_TIMEOUT_S", 0.0)
    client, wire = attempts.client(), Wire()
    client.connection_made(wire)
    async with asyncio.timeout(5):
        await wire.ended.wait()
    client.close()


async def test_a_server_that_is_not_there_is_waited_for(attempts: Attempts) -> None:
    stand_in = await StandIn({"t0": [1]}).start()
    await stand_in.stop()
    client = attempts.client(stand_in.port)
    client.connect()
    await stand_in.start()
    async with asyncio.timeout(5):
        await attempts.ready.wait()
    (socket,) = stand_in.sockets
    socket.transport.write(server_frame(CLOSE, close_payload(4403)))
    socket.transport.close()
    assert await why(attempts) == "the server closed a connection with 4403"
    assert attempts.lost == 1
    await stand_in.stop()


async def test_nothing_is_tried_after_closing(attempts: Attempts) -> None:
    client = attempts.client()
    client.connection_made(wire := Wire())
    client.close()
    assert wire.aborted
    client.connection_lost(None)
    client._try_later()
    assert not attempts.ended.done()
