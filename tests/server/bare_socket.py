"""A socket on a transport, with a chat behind it, that tests look into."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from actors.channel_commands import Done, Identity, Result
from actors.user_mail import Act, Attach
from protocol.codec import JSON
from protocol.errors import Code, Refusal
from protocol.events import Limits
from protocol.frames import CLOSE, FrameParser, client_frame, read_close
from protocol.ids import ChannelId, Seq, SessionId, UserId
from protocol.resources import PublicProfile
from server.auth import Caller
from server.socket import Edge, Socket
from server.socket_registry import SocketRegistry
from tests.server.talking import MASK, StillClock

UNSENT_MAX = 1000
LIMITS = Limits(65_536, 16_000, 20.0, 40, UNSENT_MAX)
NOWHERE = Done(channel_id=ChannelId(7), seq=Seq(0))
BUSY = Refusal(Code.OVERLOADED, "Busy.", retry_after_ms=1000)


class Transport:
    """Takes everything; what is unsent is as much as a test says."""

    def __init__(self, *, half_closes: bool = True) -> None:
        self.written: list[bytes] = []
        self.done: list[str] = []
        self.unsent_bytes = 0
        self.reads = True
        self._half_closes = half_closes

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def is_reading(self) -> bool:
        return self.reads

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def can_write_eof(self) -> bool:
        return self._half_closes

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


class Audiences:
    def __init__(self) -> None:
        self.left = 0

    def unsubscribe_all(self, connection: Socket) -> dict[ChannelId, Seq]:
        self.left += 1
        return {ChannelId(7): Seq(3)}


class Chat:
    """Writes down what sockets want, for tests to answer."""

    def __init__(self) -> None:
        self.fanout = Audiences()
        self.attached: list[Attach] = []
        self.detached: list[Socket] = []
        self.acts: list[Act] = []

    def attach(self, attach: Attach) -> None:
        self.attached.append(attach)

    def detach(self, connection: Socket) -> None:
        self.detached.append(connection)

    def act(self, act: Act) -> None:
        self.acts.append(act)

    @property
    def commands(self) -> list[str]:
        """The ids of the commands so far."""
        return [str(act.command.id) for act in self.acts]


def caller_of(session_id: int = 1, user_id: int = 1) -> Caller:
    identity = Identity(PublicProfile(UserId(user_id), "alice"), session_id=SessionId(session_id))
    return Caller(identity, SessionId(session_id), datetime.now(UTC) + timedelta(hours=1))


class Scene:
    """A socket, its transport, and what is behind it."""

    def __init__(self, *, caller: Caller | None, half_closes: bool = True) -> None:
        self.chat = Chat()
        self.registry = SocketRegistry(StillClock(), LIMITS, max_sockets=5)
        self.looked_up: list[tuple[str, Callable[[Caller | Refusal], None]]] = []
        edge = Edge(
            cast("Any", self.chat),
            self.registry,
            lambda token, done: self.looked_up.append((token, done)),
        )
        self.socket = Socket(edge, JSON, caller, "c1")
        self.transport = Transport(half_closes=half_closes)
        self._parser = FrameParser(1 << 20, masked=False)
        self.socket.connection_made(cast("Any", self.transport))

    def say(self, *said: dict[str, Any]) -> None:
        frames = [client_frame(JSON.opcode, JSON.encode(command), MASK) for command in said]
        self.socket.data_received(b"".join(frames))

    def heard(self) -> list[Any]:
        """What was written since the last look; a close as its code."""
        data = b"".join(self.transport.written)
        self.transport.written.clear()
        return [
            read_close(payload)[0] if opcode == CLOSE else msgspec.json.decode(payload)
            for opcode, payload in self._parser.feed(data)
        ]

    def answer(self, number: int, result: Result = NOWHERE) -> None:
        self.chat.acts[number].answer(result)
