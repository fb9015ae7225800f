"""A stand-in for the server: as much of the wire protocol as the harness speaks, in memory, with faults.

It is fast, so that it also serves to measure what the harness itself costs.
"""

import asyncio
import base64
import hashlib
import sys
from collections.abc import Callable
from typing import Any, cast

import msgspec

from protocol.frames import CLOSE, PONG, TEXT, FrameParser, close_frame, server_frame

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Fault = Callable[["Channel", int, list[bytes]], list[bytes]]


class Channel:
    """Its frames are given out once a turn, all that came meanwhile together."""

    def __init__(self, channel_id: int) -> None:
        self.id = channel_id
        self.rows: list[dict[str, Any]] = []
        self.sockets: list[Socket] = []
        self.fresh: list[bytes] = []
        self.nonces: dict[str, dict[str, Any]] = {}


class StandIn:
    """`users` says by token in which channels each user is. `fault` may change what one socket is given."""

    def __init__(self, users: dict[str, list[int]], fault: Fault | None = None, refuse: int = 0) -> None:
        self.users = users
        self.fault = fault
        self.refuse = refuse
        self.mute = False
        self.channels = {id_: Channel(id_) for ids in users.values() for id_ in ids}
        self.sockets: set[Socket] = set()
        self.ids = 0
        self.port = 0

    async def start(self) -> "StandIn":
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Socket(self), "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self.server.close()
        for socket in list(self.sockets):
            socket.transport.abort()
        await self.server.wait_closed()

    def publish(self, channel: Channel) -> None:
        frames, channel.fresh = channel.fresh, []
        joined = b"".join(frames)
        for place, socket in enumerate(channel.sockets):
            if self.fault is None:
                socket.give(joined)
            else:
                socket.give(b"".join(self.fault(channel, place, frames)))


class Socket(asyncio.Protocol):
    def __init__(self, server: StandIn) -> None:
        self.server = server
        self.parser = FrameParser(65536, masked=True)
        self.head = b""
        self.open = False
        self.acks: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.sockets.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.sockets.discard(self)
        for channel in self.server.channels.values():
            if self in channel.sockets:
                channel.sockets.remove(self)

    def data_received(self, data: bytes) -> None:
        if not self.open:
            data = self.upgrade(data)
        for opcode, payload in self.parser.feed(data):
            if opcode == TEXT:
                self.handle(msgspec.json.decode(payload))
            elif opcode not in (CLOSE, PONG):
                self.transport.abort()

    def upgrade(self, data: bytes) -> bytes:
        head, end, rest = (self.head + data).partition(b"\r\n\r\n")
        if not end:
            self.head += data
            return b""
        self.open = True
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        accept = base64.b64encode(
            hashlib.sha1(headers["Sec-WebSocket-Key"].encode() + GUID).digest()
        ).decode()
        self.transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        if "Authorization" in headers:
            self.ready(headers["Authorization"].removeprefix("Bearer "), {})
        return rest

    def ready(self, token: str, cursors: dict[int, int]) -> None:
        if token not in self.server.users:
            self.transport.write(close_frame(4401))
            self.transport.close()
            return
        channels = [self.server.channels[id_] for id_ in self.server.users[token]]
        standing = [{"id": channel.id, "last_seq": len(channel.rows)} for channel in channels]
        self.send({"type": "ready", "epoch": "1", "channels": standing})
        for channel in channels:
            if channel.id in cursors:
                self.sync(channel, cursors[channel.id])
            channel.sockets.append(self)

    def sync(self, channel: Channel, after: int) -> None:
        # What is published this turn is yet to come: catch-up ends before it.
        to = len(channel.rows) - len(channel.fresh)
        page = {"channel_id": channel.id, "from": after, "to": to, "messages": channel.rows[after:to]}
        self.send({"type": "sync", "members": [], "channel": None, **page})

    def handle(self, command: dict[str, Any]) -> None:
        if command["type"] == "hello":
            self.ready(command["token"], {at["channel_id"]: at["seq"] for at in command["resume"]})
        elif self.server.mute:
            return
        elif self.server.refuse:
            self.server.refuse -= 1
            refusal = {"code": "overloaded", "message": "later", "retryable": True, "retry_after_ms": 10}
            self.send({"type": "error", "reply_to": command["id"], **refusal})
        elif command["type"] == "send":
            self.post(self.server.channels[command["channel_id"]], command)

    def post(self, channel: Channel, command: dict[str, Any]) -> None:
        duplicate = command["nonce"] in channel.nonces
        row = channel.nonces[command["nonce"]] if duplicate else self.new_row(channel, command)
        ack = {"channel_id": channel.id, "seq": row["seq"], "message_id": row["id"], "duplicate": duplicate}
        self.send({"type": "ack", "reply_to": command["id"], **ack})

    def new_row(self, channel: Channel, command: dict[str, Any]) -> dict[str, Any]:
        self.server.ids += 1
        row = {
            "id": self.server.ids,
            "channel_id": channel.id,
            "conversation_id": None,
            "seq": len(channel.rows) + 1,
            "sender_id": 7,
            "user_id": 7,
            "content": command["content"],
            "parent_id": None,
            "mentions": [],
            "reactions": [],
            "attachments": [],
            "via": "web",
            "delivery": None,
            "nonce": command["nonce"],
            "edited_at": None,
            "deleted_at": None,
            "created_at": "2026-01-31T12:00:00.000000Z",
            "updated_at": "2026-01-31T12:00:00.000000Z",
        }
        channel.rows.append(row)
        channel.nonces[command["nonce"]] = row
        if not channel.fresh:
            asyncio.get_running_loop().call_soon(self.server.publish, channel)
        event = {"type": "new_message", "channel_id": channel.id, "seq": row["seq"], "message": row}
        channel.fresh.append(server_frame(TEXT, msgspec.json.encode(event)))
        return row

    def send(self, event: dict[str, Any]) -> None:
        """Gathered, and written before the turn's events."""
        self.give(server_frame(TEXT, msgspec.json.encode(event)))

    def give(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


async def main(users: int, channels: int, port: int) -> None:
    standing = {f"t{user}": [user % channels + 1] for user in range(users)}
    server = StandIn(standing)
    server.port = port
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(*(int(text) for text in sys.argv[1:])))
