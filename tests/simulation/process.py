"""One simulated server process: the real actors and sockets, over a simulated database and network."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from actors.channel_commands import Identity
from actors.chat import Chat
from actors.user_mail import UserLimits
from protocol.codec import Codec
from protocol.errors import Refusal
from protocol.events import GoingAway, Limits
from protocol.ids import SessionId
from protocol.resources import PublicProfile
from server.auth import Caller
from server.socket import Edge, Socket
from server.socket_registry import SocketRegistry
from tests.simulation.swarm import Swarm
from tests.simulation.weather import DatabasePort
from tests.simulation.wire import Wire

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = "the-one-life"


class VirtualClock:
    """The loop's time."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Process:
    """`callers` are the tokens that it knows."""

    def __init__(self, swarm: Swarm, port: DatabasePort, callers: dict[str, PublicProfile]) -> None:
        clock = VirtualClock()
        ready = Limits(65_536, 16_000, 1_000.0, 1_000, swarm.unsent_bytes)
        anything = cast("Any", port)
        self.port = port
        self.chat = Chat(
            commits=anything,
            channels=anything,
            users=anything,
            jobs=anything,
            clock=clock,
            limits=UserLimits(None, 100, 25_000, ready),
            epoch=EPOCH,
            idle_after_s=swarm.idle_after_s,
        )
        self.registry = SocketRegistry(clock, ready, max_sockets=10_000)
        self.chat.system.spawn("sockets", self.registry.run())
        self.is_up = True
        self._callers = callers
        self._edge = Edge(self.chat, self.registry, self._authenticate)
        self._wires: dict[Wire, None] = {}
        self._count = 0

    def accept(self, wire: Wire, codec: Codec, token: str | None) -> None:
        """A connection is upgraded; without a `token` in its header it has to say `hello`."""
        self._count += 1
        caller = None if token is None else self._caller(token)
        self._wires[wire] = None
        wire.start(Socket(self._edge, codec, caller, f"c{self._count}"))

    def _caller(self, token: str) -> Caller:
        session_id = SessionId(1)
        identity = Identity(self._callers[token], session_id=session_id)
        return Caller(identity, session_id, START + timedelta(days=365))

    def _authenticate(self, token: str, done: Callable[[Caller | Refusal], None]) -> None:
        async def check() -> None:
            await asyncio.sleep(0.001)
            done(self._caller(token))

        self.chat.system.spawn("authenticate", check())

    # Ends.

    def crash(self) -> None:
        """As `kill -9`: what was not sent is lost, what was asked of the database may still be done."""
        self.is_up = False
        self.port.cut()
        for wire in self._wires:
            wire.cut()
        self.chat.system.refuse_new()
        for task in list(self.chat.system._tasks):
            task.cancel()

    def isolate(self) -> None:
        """The process lives, but nobody reaches it, and it does not reach the database until let go."""
        self.is_up = False
        self.port.hold()
        for wire in self._wires:
            wire.cut()

    async def deploy(self) -> None:
        """An orderly end: everybody is sent elsewhere, what was accepted is finished."""
        self.is_up = False
        for socket in self.registry.all():
            socket.say(GoingAway(retry_after_ms=100))
            socket.close(1012, "The server is restarting.")
        await self.chat.stop()
        for wire in self._wires:
            wire.cut()
