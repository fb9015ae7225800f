"""Bringing a client up to date: pages from the database until memory covers the rest, then live events.

Each step waits until the reader has taken what was written, so that catching up never piles up in memory.
"""

import asyncio
from typing import Any

from actors.channel_commands import Answer, Ask, Done, Identity, ReadChanges, Result, Resume
from actors.connection import Connection
from actors.system import System
from actors.user_mail import TRY_AGAIN
from protocol.errors import Refusal, Unavailable
from protocol.events import ChannelRemoved, Reset
from protocol.ids import ChannelId, Seq


class CatchUp:
    """Catches one connection up in all channels of its `cursors`, one after another."""

    def __init__(self, system: System, connection: Connection, by: Identity) -> None:
        self._system = system
        self._connection = connection
        self._by = by

    async def run(self) -> None:
        """Until no cursor is left; ends early when the connection closes or falls behind again."""
        connection = self._connection
        connection.is_catching_up = True
        try:
            while connection.is_live and connection.cursors:
                channel_id, after = next(iter(connection.cursors.items()))
                await self._step(channel_id, after)
        except Exception as error:
            connection.close(TRY_AGAIN, "The channels cannot be read now: reconnect.")
            if not isinstance(error, Unavailable):
                raise
        finally:
            connection.is_catching_up = False

    async def _step(self, channel_id: ChannelId, after: Seq) -> None:
        result = await self._resume(channel_id, after)
        if isinstance(result, Done) and result.behind:
            await self._connection.drained()
        if not self._still_at(channel_id, after):
            return
        match result:
            case Refusal(code=code) if result.meaning.retryable:
                raise Unavailable(code)
            case Refusal():
                self._forget(channel_id)
            case Done(reset=True):
                self._write(Reset(channel_id=channel_id))
                self._connection.cursors[channel_id] = Seq(0)

    def _still_at(self, channel_id: ChannelId, after: Seq) -> bool:
        """Whether the connection is still where this began: it may have been closed, removed or let in."""
        return self._connection.is_live and self._connection.cursors.get(channel_id) == after

    async def _resume(self, channel_id: ChannelId, after: Seq) -> Result:
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        resume = Resume(self._by, self._connection, after, answering(answered))
        self._system.offer(("channel", channel_id), resume)
        return await answered

    def _forget(self, channel_id: ChannelId) -> None:
        del self._connection.cursors[channel_id]
        self._write(ChannelRemoved(channel_id=channel_id, reason="not_visible"))

    def _write(self, event: Any) -> None:
        self._connection.write(self._connection.codec.frame(event))


async def stream_changes(
    system: System,
    connection: Connection,
    by: Identity,
    channel_id: ChannelId,
    after: Seq,
    answer: Answer,
) -> None:
    """Answer with page after page of what changed, until nothing more has; a stale cursor starts from 0."""
    while True:
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        command = ReadChanges(after=after)
        system.offer(("channel", channel_id), Ask(by, command, answering(answered)))
        result = await answered
        answer(result)
        if isinstance(result, Refusal):
            return
        if result.reset:
            after = Seq(0)
        elif result.sync is None or not result.sync.more:
            return
        else:
            after = result.sync.to
        if not await connection.drained():
            return


def answering(future: "asyncio.Future[Result]") -> Answer:
    """An answer that ends a wait; whoever gave up waiting is left alone."""

    def answer(result: Result) -> None:
        if not future.done():
            future.set_result(result)

    return answer
