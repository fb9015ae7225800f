"""Clients on raw sockets for tests: they may say what no library would, and hear every byte of the answer."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final, cast

import aiohttp
import msgspec
import pytest
from msgspec import structs

from actors.ports import Clock
from protocol.codec import JSON, Codec
from protocol.frames import CLOSE, PING, PONG, FrameParser, client_frame, read_close
from server.app import Server, running
from server.clock import SystemClock
from server.settings import Settings
from tests.server.rest.client import DEADLINE, Api, Json

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
MASK: Final = b"\x11\x22\x33\x44"
PATIENCE_S: Final = 60.0
"""Only ever waited for when a promise is broken."""


class StillClock(Clock):
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self._start = SystemClock().now()
        self.moved_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.moved_s)

    def monotonic(self) -> float:
        return self.moved_s


class Answer(msgspec.Struct):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def read(self) -> bytes:
        """What has come; nothing at the server's end of it. A reset raises ConnectionResetError."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read(1 << 20)

    async def response(self) -> Answer:
        """The head of an HTTP response and the body that it announces."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    def close(self) -> None:
        self._writer.close()

    @property
    def transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self._writer.transport)


class Talk:
    """A socket after its upgrade. Pings are answered with whatever is heard next."""

    def __init__(self, wire: Wire, codec: Codec) -> None:
        self.wire = wire
        self.codec = codec
        self.events: list[Json] = []
        self.pongs: list[bytes] = []
        self.pings = 0
        self.answers_pings = True
        self.closed: tuple[int, str] | None = None
        self._parser = FrameParser(1 << 30, masked=False)
        self._next = 0
        self._decode: Any = {"json": msgspec.json.decode, "msgpack": msgspec.msgpack.decode}[
            codec.subprotocol.rpartition(".")[2]
        ]

    def frame(self, command: Json, opcode: int | None = None) -> bytes:
        """A command as a frame; bytes are the payload itself."""
        payload = command if isinstance(command, bytes) else self.codec.encode(command)
        return client_frame(self.codec.opcode if opcode is None else opcode, payload, MASK)

    def say(self, *commands: Json) -> None:
        """Send commands in one write: each a dictionary or a payload."""
        self.wire.write(b"".join(self.frame(command) for command in commands))

    async def next(self) -> Json:
        """The next event."""
        while self._next >= len(self.events):
            assert self.closed is None, f"closed with {self.closed}"
            await self._hear_more()
        self._next += 1
        return self.events[self._next - 1]

    async def hear(self, kind: str) -> Json:
        """The next event of this type; others are passed over."""
        while True:
            event = await self.next()
            if event["type"] == kind:
                return event

    async def ask(self, command: Json) -> Json:
        """What answers a command, which gets an id."""
        self.say(command | {"id": "asked"})
        while True:
            event = await self.next()
            if event.get("reply_to") == "asked":
                return event

    async def is_well(self) -> bool:
        """Whether the server still listens to this socket and answers."""
        return bool((await self.ask({"type": "ping"}))["type"] == "pong")

    async def ended(self) -> int:
        """The code that the server closes with, once it has ended the connection: in peace, no reset."""
        while self.closed is None:
            await self._hear_more()
        while await self.wire.read():
            pass
        self.wire.close()
        return self.closed[0]

    def unheard(self) -> list[Json]:
        """What has come and was not asked for."""
        return self.events[self._next :]

    def rewind(self) -> None:
        """Hear again what came so far."""
        self._next = 0

    async def pong(self) -> bytes:
        """What the next pong holds."""
        while not self.pongs:
            await self._hear_more()
        return self.pongs.pop(0)

    async def _hear_more(self) -> None:
        data = await self.wire.read()
        assert data, "the server hung up without a word"
        for opcode, payload in self._parser.feed(data):
            self._hear(opcode, payload)

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.closed = read_close(payload)
        elif opcode == PING:
            self.pings += 1
            if self.answers_pings:
                self.wire.write(client_frame(PONG, payload, MASK))
        elif opcode == PONG:
            self.pongs.append(payload)
        else:
            assert opcode == self.codec.opcode
            self.events.append(self._decode(payload))


def upgrade_request(token: str | None = None, codec: Codec | None = JSON, **headers: str | None) -> bytes:
    """A client's request to open a socket; a header given as None is left out."""
    fields: dict[str, str | None] = {
        "Host": "localhost",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Protocol": codec.subprotocol if codec else None,
        "Authorization": f"Bearer {token}" if token is not None else None,
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode()


class Place:
    """A running server and the ways to it."""

    def __init__(self, server: Server, nobody: Api, clock: StillClock) -> None:
        self.server = server
        self.context = server.context
        self.registry = server.registry
        self.nobody = nobody
        self.clock = clock
        self.port = int(server.urls[0].rpartition(":")[2])
        self._open: list[Wire] = []

    async def person(self, name: str) -> Api:
        return await self.nobody.newcomer(name)

    async def wire(self, received_bytes: int | None = None) -> Wire:
        """A connection; `received_bytes` bounds what waits to be read in the client's kernel."""
        end = socket.socket()
        if received_bytes is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received_bytes)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=end, limit=1 << 24)
        wire = Wire(reader, writer)
        self._open.append(wire)
        return wire

    async def upgraded(
        self,
        token: str | None = None,
        codec: Codec = JSON,
        received_bytes: int | None = None,
        **headers: str | None,
    ) -> Talk:
        """A socket whose upgrade was answered."""
        wire = await self.wire(received_bytes)
        wire.write(upgrade_request(token, codec, **headers))
        answer = await wire.response()
        assert answer.status == 101, answer
        return Talk(wire, codec)

    async def refused(self, request: bytes) -> tuple[int, str]:
        """Status and code of the answer to a request that opens no socket."""
        wire = await self.wire()
        wire.write(request)
        answer = await wire.response()
        wire.close()
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
        return answer.status, msgspec.json.decode(answer.body)["code"]

    async def live(self, person: Api, codec: Codec = JSON) -> Talk:
        """A socket of this person's, logged in by header, that has heard `ready`."""
        talk = await self.upgraded(person.token, codec)
        await talk.hear("ready")
        return talk

    async def resumed(self, person: Api, *resume: tuple[int, int], epoch: str | None = None) -> Talk:
        """A socket of this person's, logged in by `hello`, that has heard `ready`."""
        talk = await self.upgraded()
        cursors = [{"channel_id": channel_id, "seq": seq} for channel_id, seq in resume]
        hello = {"type": "hello", "token": person.token, "resume": cursors}
        talk.say(hello | ({"epoch": epoch} if epoch is not None else {}))
        await talk.hear("ready")
        return talk

    async def channel(self, owner: Api, *members: Api, **more: Any) -> int:
        """The id of a new channel."""
        self._channels = getattr(self, "_channels", 0) + 1
        made = await owner.post("/channels/", {"name": f"channel-{self._channels}"} | more)
        channel_id: int = made["id"]
        for member in members:
            await member.post(f"/channels/{channel_id}/join", expect=200)
        return channel_id

    async def deserted(self) -> None:
        """Wait until the server has no socket left."""
        async with asyncio.timeout(PATIENCE_S):
            await self.registry.emptied()

    def seconds_pass(self, seconds: int) -> None:
        """Move the clock on and let the sockets' timer see every second of it."""
        for _ in range(seconds):
            self.clock.moved_s += 1
            self.registry.tick()

    def hang_up(self) -> None:
        for wire in self._open:
            wire.transport.abort()


@contextlib.asynccontextmanager
async def place(settings: Settings, **changes: Any) -> AsyncIterator[Place]:
    """A real server on a free port of this machine."""
    clock = StillClock()
    with pytest.MonkeyPatch.context() as still:
        still.setattr("server.socket_registry.TICK_S", 3600.0)
        async with _running(structs.replace(settings, **changes), clock) as home:
            yield home


@contextlib.asynccontextmanager
async def _running(settings: Settings, clock: StillClock) -> AsyncIterator[Place]:
    async with running(settings, clock) as server:
        scheme, _, address = server.urls[0].partition("://")
        # Certificates are made by tests: nobody vouches for them.
        connector = aiohttp.TCPConnector(ssl=scheme == "http")
        async with aiohttp.ClientSession(
            f"{scheme}://{address}", connector=connector, timeout=DEADLINE
        ) as session:
            home = Place(server, Api(session), clock)
            try:
                yield home
            finally:
                home.hang_up()
