"""Sees within a second what another process has revoked, and closes the sockets that it concerns."""

import asyncio
import logging
from collections import defaultdict
from typing import Final

from actors.chat import Chat
from actors.ports import Clock
from protocol.errors import Unavailable
from protocol.ids import SessionId, UserId
from storage.server_state import ServerState
from storage.sessions import Sessions

LOG: Final = logging.getLogger("server")
EVERY_S: Final = 1.0


class Revocations:
    """Polls the counter that every revoking transaction moves; only when it moved are sessions looked up."""

    def __init__(self, state: ServerState, sessions: Sessions, chat: Chat, clock: Clock) -> None:
        self._state = state
        self._sessions = sessions
        self._chat = chat
        self._clock = clock
        self._seen = -1

    async def run(self) -> None:
        """Poll until cancelled; a database that is away is asked again."""
        while True:
            try:
                await self.poll()
            except Unavailable as error:
                LOG.warning("revocations cannot be read: %s", error)
            await asyncio.sleep(EVERY_S)

    async def poll(self) -> None:
        """End the sockets whose session or user was revoked since the last time."""
        await self._sessions.flush_uses()
        counted = await self._state.revocations()
        if counted == self._seen:
            return
        holders = self._chat.fanout.sessions()
        ended = await self._sessions.find_ended(list(holders), self._clock.now())
        by_user: defaultdict[UserId, set[SessionId]] = defaultdict(set)
        for session_id in ended:
            by_user[holders[session_id]].add(session_id)
        for user_id, session_ids in by_user.items():
            self._chat.end_sessions(user_id, "revoked", only=frozenset(session_ids))
        self._seen = counted
