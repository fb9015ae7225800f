"""What waits to be sent: one message is under way at a time, so that all keep their order."""

import asyncio
from collections.abc import Mapping

from protocol.commands import Send
from server.terminal.connection import Connection


class Outbox:
    """`pending` is what is not acknowledged yet, oldest first; whoever takes from it calls `advance`."""

    def __init__(self, pending: Mapping[str, Send], connection: Connection) -> None:
        self._pending = pending
        self._connection = connection
        self._under_way: str | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def advance(self) -> None:
        """Send the oldest, unless it is under way."""
        oldest = next(iter(self._pending.values()), None)
        if oldest is not None and oldest.nonce != self._under_way:
            self._under_way = oldest.nonce
            await self._connection.send(oldest)

    async def start_over(self) -> None:
        """Send the oldest, even if it is under way: on another connection, or once it was refused for now."""
        self._under_way = None
        await self.advance()

    def hold(self, wait_s: float) -> None:
        """Send nothing for so long, and then the oldest again."""

        async def go_on() -> None:
            await asyncio.sleep(wait_s)
            await self.start_over()

        self.close()
        self._waiting = asyncio.create_task(go_on())

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
