"""Sees within a second what another process has revoked, and closes the sockets that it concerns."""

import asyncio
import logging
from collections import defaultdict
from typing import Final

from actors.chat import Chat
from actors.ports import Clock
from actors.user_mail import EndReason
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
        self._is_settled = False

    async def run(self) -> None:
        """Poll until cancelled; a database that is away is asked again."""
        while True:
            try:
                await self.poll()
                await self._sessions.flush_uses()
            except Unavailable as error:
                LOG.warning("revocations cannot be read: %s", error)
            except Exception:
                # Nobody asked, so nobody else would hear of it; and nothing may end the watch.
                LOG.exception("revocations were not looked at")
            await asyncio.sleep(EVERY_S)

    async def poll(self) -> None:
        """End the sockets whose session or user was revoked since the last time.

        It looks twice: a socket whose token was checked just before may appear just after the first look.
        """
        counted = await self._state.revocations()
        if counted == self._seen and self._is_settled:
            return
        await self._end_revoked()
        self._is_settled = counted == self._seen
        self._seen = counted

    async def _end_revoked(self) -> None:
        holders = self._chat.fanout.sessions()
        ended = await self._sessions.find_ended(list(holders), self._clock.now())
        by_user: defaultdict[UserId, set[SessionId]] = defaultdict(set)
        for session_id in ended:
            by_user[holders[session_id]].add(session_id)
        for user_id, session_ids in by_user.items():
            reason = await self._reason(next(iter(session_ids)))
            self._chat.end_sessions(user_id, reason, only=frozenset(session_ids))

    async def _reason(self, session_id: SessionId) -> EndReason:
        """Why nobody is let in by this session any more: it decides whether new credentials may help."""
        holder = await self._sessions.find_holder(session_id)
        if holder is None:
            return "deleted"
        return "revoked" if holder.is_active else "disabled"
