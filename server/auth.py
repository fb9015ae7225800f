"""Who a token stands for: the one check behind REST, the upgrade, `hello` and `auth`."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from actors.channel_commands import Identity
from actors.ports import Clock
from protocol.errors import Code, Refusal
from protocol.ids import SessionId
from server.tokens import AccessTokens
from storage.sessions import Sessions


class Caller(Struct, frozen=True):
    """Somebody whose token is good, and until when. `identity.session_id` is always set."""

    identity: Identity
    session_id: SessionId
    expires_at: datetime


class Authenticator:
    """Turns access tokens into callers. What a token says is checked against its session every time."""

    def __init__(self, tokens: AccessTokens, sessions: Sessions, clock: Clock) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock

    async def authenticate(self, token: str) -> Caller | Refusal:
        """Whose token it is.

        Refused: `unauthenticated`, `token_expired`, `token_revoked`, `account_disabled`. Raises Unavailable.
        """
        now = self._clock.now()
        grant = self._tokens.verify(token, now)
        if isinstance(grant, Refusal):
            return grant
        holder = await self._sessions.find_holder(grant.session_id)
        if holder is None or holder.profile.id != grant.user_id:
            return REVOKED
        if not holder.is_active:
            return DISABLED
        if holder.ended or holder.expires_at <= now:
            return REVOKED
        self._sessions.note_use(grant.session_id, now)
        identity = Identity(holder.profile, holder.is_superuser, grant.session_id)
        return Caller(identity, grant.session_id, grant.expires_at)


REVOKED: Final = Refusal(Code.TOKEN_REVOKED, "This session has ended. Log in again.")
DISABLED: Final = Refusal(Code.ACCOUNT_DISABLED, "This account is disabled. Ask an administrator.")
