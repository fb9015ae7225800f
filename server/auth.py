"""Who a token stands for: the one check behind REST, the upgrade, `hello` and `auth`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from actors.channel_commands import Identity
from actors.ports import Clock
from protocol.errors import Code, Refusal
from protocol.ids import SessionId
from server.auth0 import TenantAccess
from server.compact_jws import dissect
from server.tokens import ISSUER, AccessTokens
from storage.sessions import Sessions
from storage.tenant_sessions import Admitted, NotAdmitted


class Caller(Struct, frozen=True):
    """Somebody whose token is good, on whose word and until when. `identity.session_id` is always set."""

    identity: Identity
    session_id: SessionId
    expires_at: datetime
    issuer: str = ISSUER


class Authenticator:
    """Turns access tokens into callers. What a token says is checked against its session every time."""

    def __init__(
        self, tokens: AccessTokens, sessions: Sessions, clock: Clock, access: TenantAccess | None = None
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._access = access

    async def authenticate(self, token: str) -> Caller | Refusal:
        """Whose token it is.

        Refused: `unauthenticated`, `token_expired`, `token_revoked`, `account_disabled`, and `unavailable`
        while a tenant's token cannot be checked. Raises Unavailable.
        """
        now = self._clock.now()
        if self._access is not None and self.is_of_tenant(token):
            return await self._by_tenant(self._access, token, now)
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
        identity = Identity(holder.profile, holder.is_superuser, grant.session_id, holder.address)
        return Caller(identity, grant.session_id, grant.expires_at)

    def is_of_tenant(self, token: str) -> bool:
        """Whether the token says that the tenant has issued it: that decides who is asked about it."""
        if self._access is None:
            return False
        unverified = dissect(token)
        return unverified is not None and unverified.issuer == self._access.tenant.issuer

    async def _by_tenant(self, access: TenantAccess, token: str, now: datetime) -> Caller | Refusal:
        grant = await access.tenant.verify(token, now)
        if isinstance(grant, Refusal):
            return grant
        admitted = await access.sessions.admit(grant.token, now)
        if not isinstance(admitted, Admitted):
            return NOT_ADMITTED[admitted]
        self._sessions.note_use(admitted.session_id, now)
        identity = Identity(admitted.profile, admitted.is_superuser, admitted.session_id)
        return Caller(identity, admitted.session_id, grant.token.expires_at, access.tenant.issuer)


REVOKED: Final = Refusal(Code.TOKEN_REVOKED, "This session has ended. Log in again.")
DISABLED: Final = Refusal(Code.ACCOUNT_DISABLED, "This account is disabled. Ask an administrator.")
NO_ACCOUNT: Final = Refusal(
    Code.UNAUTHENTICATED, "There is no account for this login yet: `POST /auth/sync` makes it."
)
NOT_ADMITTED: Final[Mapping[NotAdmitted, Refusal]] = {
    "unknown": NO_ACCOUNT,
    "disabled": DISABLED,
    "ended": REVOKED,
}
