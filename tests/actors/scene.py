"""A chat over the in-memory store, sockets that write down what they hear, and a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from actors.channel_commands import ChannelCommand, Done, Identity, Result
from actors.chat import Chat
from actors.replies import reply
from actors.user_mail import Act, Attach, UserLimits
from protocol import commands
from protocol.codec import JSON, Codec
from protocol.events import AnyEvent, Limits
from protocol.frames import FrameParser
from protocol.ids import ChannelId, Seq, SessionId
from protocol.rates import Rate
from protocol.resources import PublicProfile
from tests.simulation.memory_outbox import MemoryOutbox
from tests.simulation.memory_store import MemoryStore, Weather

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = UserLimits(None, 3, 25_000, Limits(65_536, 16_000, 20.0, 40, 1_048_576))
EPOCH = "epoch-1"

E = TypeVar("E")


class StillClock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s


class Listener:
    """A connection that hears everything at once and keeps it. `is_congested` is set by tests."""

    def __init__(self, profile: PublicProfile, session_id: int = 1, codec: Codec = JSON) -> None:
        self.codec = codec
        self.profile = profile
        self.user_id = profile.id
        self.session_id: SessionId | None = SessionId(session_id)
        self.is_live = False
        self.is_stale = False
        self.is_congested = False
        self.is_catching_up = False
        self.channels: dict[ChannelId, None] = {}
        self.cursors: dict[ChannelId, Seq] = {}
        self.connection_id = f"{profile.username}-{session_id}"
        self.heard: list[AnyEvent] = []
        self.writes = 0
        self.closed: tuple[int, str] | None = None
        self._parser = FrameParser(1 << 30, masked=False)
        self._decoder: Any = msgspec.json.Decoder(AnyEvent)

    @property
    def by(self) -> Identity:
        return Identity(self.profile, session_id=self.session_id)

    def write(self, frames: bytes) -> None:
        if self.closed is not None:
            return
        self.writes += 1
        for _, payload in self._parser.feed(frames):
            self.heard.append(self._decoder.decode(payload))

    async def drained(self) -> bool:
        await asyncio.sleep(0)
        return self.closed is None

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self.is_live = False

    def go_live(self) -> None:
        self.is_live = self.closed is None

    def take(self) -> list[AnyEvent]:
        """What was heard since the last look."""
        heard, self.heard = self.heard, []
        return heard

    def only(self, kind: type[E]) -> list[E]:
        return [event for event in self.heard if isinstance(event, kind)]


class Scene:
    """The chat and its people."""

    def __init__(self, store: MemoryStore, clock: StillClock, chat: Chat) -> None:
        self.store = store
        self.clock = clock
        self.chat = chat
        self._requests = 0

    def user(self, name: str) -> PublicProfile:
        return self.store.add_user(name)

    async def attach(
        self, profile: PublicProfile, session_id: int = 1, cursors: dict[ChannelId, Seq] | None = None
    ) -> Listener:
        listener = Listener(profile, session_id)
        self.chat.attach(Attach(listener, listener.by, cursors or {}))
        await self.settle()
        return listener

    async def say(self, listener: Listener, command: commands.AnyCommand) -> list[AnyEvent]:
        """Send a command and wait until nothing moves; what this socket heard of it."""
        before = len(listener.heard)
        self.send(listener, command)
        await self.settle()
        return listener.heard[before:]

    def send(self, listener: Listener, command: commands.AnyCommand) -> None:
        def answer(result: Result) -> None:
            event = reply(command, result)
            if event is not None:
                listener.write(listener.codec.frame(event))

        self.chat.act(Act(listener.by, command, answer, listener))

    async def ask(self, by: PublicProfile, channel_id: ChannelId, command: ChannelCommand) -> Done:
        return await self.chat.ask(Identity(by), channel_id, command)

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(60):
            await asyncio.sleep(0)

    async def pass_s(self, seconds: float) -> None:
        self.clock.passed_s += seconds
        await self.settle()


@asynccontextmanager
async def scene(
    weather: Weather | None = None, *, limits: UserLimits = LIMITS, idle_after_s: float = 120.0
) -> AsyncIterator[Scene]:
    clock = StillClock()
    store = MemoryStore(clock.now, weather)
    chat = Chat(
        commits=store,
        channels=store,
        users=store,
        jobs=MemoryOutbox(store.tables),
        clock=clock,
        limits=limits,
        epoch=EPOCH,
        idle_after_s=idle_after_s,
    )
    try:
        yield Scene(store, clock, chat)
    finally:
        await chat.stop()


def limited(per_s: float, burst: int, connections: int = 3) -> UserLimits:
    return msgspec.structs.replace(LIMITS, commands=Rate(per_s, burst), connections=connections)
