"""A store in trouble, and how to ask a channel without waiting."""

import asyncio
from typing import Any

from actors.channel_commands import (
    PostMessage,
)
from protocol.errors import Refused, Unavailable
from protocol.ids import ChannelId
from protocol.resources import PublicProfile
from tests.actors.scene import Scene
from tests.simulation.memory_store import Calm


class Trouble(Calm):
    """Calls that fail before or after they do their work, or wait until they are let go."""

    def __init__(self) -> None:
        self.fails_before: set[str] = set()
        self.fails_after: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}

    def hold(self, call: str) -> asyncio.Event:
        self.held[call] = asyncio.Event()
        return self.held[call]

    async def before(self, call: str) -> None:
        if call in self.fails_before:
            raise Unavailable(call)

    async def after(self, call: str) -> None:
        if call in self.held:
            await self.held[call].wait()
        if call in self.fails_after:
            raise Unavailable(call)


def post(content: str = "text", nonce: str | None = None, **fields: Any) -> PostMessage:
    return PostMessage(content=content, nonce=nonce, **fields)


async def two(on: Scene) -> tuple[PublicProfile, PublicProfile, ChannelId]:
    ann, bob = on.user("ann"), on.user("bob")
    return ann, bob, on.store.add_channel(ann.id, "one", [bob.id])


async def outcome(on: Scene, by: PublicProfile, channel_id: ChannelId, command: Any) -> Any:
    """What became of a command: what is done, or the code of the refusal."""
    try:
        return await on.ask(by, channel_id, command)
    except Refused as refused:
        return refused.refusal.code


async def begin(on: Scene, by: PublicProfile, channel_id: ChannelId, *commands: Any) -> list[Any]:
    """Ask without waiting for the answers."""
    asked = [asyncio.ensure_future(outcome(on, by, channel_id, command)) for command in commands]
    await on.settle()
    return asked
