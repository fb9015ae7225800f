"""Coming in and going out: opening, renewing and ending sessions, and their sockets with them."""

import logging
import secrets
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from msgspec import Struct

from actors.channel_commands import Identity
from actors.chat import Chat
from actors.ports import Clock
from actors.user_mail import EndReason
from protocol.errors import Code, Refusal, Refused
from protocol.ids import SessionId, UserId
from protocol.resources import User
from server.auth import DISABLED, REVOKED
from server.passwords import PasswordHasher
from server.throttles import Throttles
from server.tokens import AccessTokens, RefreshToken, hash_secret, new_refresh_token
from storage import sessions as stored
from storage.accounts import Accounts
from storage.sessions import NewSession, Reused, Rotated, Sessions

LOG: Final = logging.getLogger("auth")


class AuthResponse(Struct, frozen=True, kw_only=True):
    """A pair of tokens. `expires_in` is how long the access token is good for, in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the word is the protocol's (RFC 6750)
    expires_in: int
    user: User


class Origin(Struct, frozen=True):
    """Where a request comes from, and what its client calls itself."""

    address: str
    device: str | None


class Logins:
    """What `/auth` does with sessions."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        tokens: AccessTokens,
        hasher: PasswordHasher,
        throttles: Throttles,
        chat: Chat,
        clock: Clock,
        refresh_lifetime: timedelta,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._hasher = hasher
        self._throttles = throttles
        self._chat = chat
        self._clock = clock
        self._refresh_lifetime = refresh_lifetime

    async def log_in(self, login: str, password: str, origin: Origin) -> AuthResponse:
        """A new session. Raises Refused, the same and as slowly for unknown users and wrong passwords."""
        user_id = await self._check(login, password, origin)
        user = await self._accounts.find(user_id)
        if user is None:
            raise Refused(WRONG_PASSWORD)
        now = self._clock.now()
        token = new_refresh_token()
        session_id = await self._open(user_id, token, origin, now)
        LOG.info("logged in", extra={"user_id": user_id, "address": origin.address})
        return self._response(user, session_id, token, now)

    async def refresh(self, secret: str, origin: Origin) -> AuthResponse:
        """A new pair for an unused refresh token; a used one ends its session. Raises Refused."""
        self._throttles.may_refresh(origin.address, self._clock.monotonic())
        try:
            return await self._rotate(secret)
        except Refused:
            self._throttles.refresh_failed(origin.address, self._clock.monotonic())
            raise

    async def _rotate(self, secret: str) -> AuthResponse:
        now = self._clock.now()
        token = new_refresh_token()
        outcome = await self._sessions.rotate_refresh_token(
            hash_secret(secret), token.hashed, now + self._refresh_lifetime, now
        )
        match outcome:
            case Rotated():
                return self._response(outcome.user, outcome.session_id, token, now)
            case Reused():
                LOG.warning("refresh token used twice", extra={"user_id": outcome.user_id})
                self._chat.end_sessions(outcome.user_id, "token_reused", only=frozenset({outcome.session_id}))
                raise Refused(REUSED)
            case stored.Refused(reason):
                raise Refused(REFRESH_REFUSALS[reason])
            case _:
                assert_never(outcome)

    async def log_out(self, user_id: UserId, session_id: SessionId, reason: EndReason) -> bool:
        """End one session of this user and its sockets. False: there is no such live session."""
        ended = await self._sessions.end(user_id, session_id, self._clock.now())
        if ended:
            self._chat.end_sessions(user_id, reason, only=frozenset({session_id}))
            LOG.info("session ended", extra={"user_id": user_id, "reason": reason})
        return ended

    async def log_out_everywhere(self, user_id: UserId) -> None:
        """End all sessions of this user and their sockets."""
        await self._sessions.end_all(user_id, self._clock.now())
        self._chat.end_sessions(user_id, "logged_out")
        LOG.info("all sessions ended", extra={"user_id": user_id})

    async def change_password(self, user_id: UserId, hashed_password: str, keep: SessionId) -> None:
        """Keep the new password's hash, and end every other session."""
        await self._accounts.set_password(user_id, hashed_password, self._clock.now(), keep=keep)
        self._chat.end_sessions(user_id, "password_changed", keep=keep)
        LOG.info("password changed", extra={"user_id": user_id})

    async def prove(self, caller: Identity, password: str, origin: Origin) -> None:
        """Make sure that it is the user who asks, not somebody at their machine. Raises Refused."""
        await self._check(caller.profile.username, password, origin)

    async def _check(self, login: str, password: str, origin: Origin) -> UserId:
        self._throttles.try_login(login, origin.address, self._clock.monotonic())
        found = await self._accounts.find_credentials(login)
        fits = await self._hasher.verify(password, found.hashed_password if found else None)
        if found is None or not fits:
            LOG.warning("log-in failed", extra={"address": origin.address})
            raise Refused(WRONG_PASSWORD)
        self._throttles.logged_in(login, origin.address)
        if not found.is_active:
            raise Refused(DISABLED)
        return found.user_id

    async def _open(self, user_id: UserId, token: RefreshToken, origin: Origin, now: datetime) -> SessionId:
        new = NewSession(
            user_id=user_id,
            session_token=hash_secret(secrets.token_urlsafe(32)),
            refresh_token=token.hashed,
            expires_at=now + self._refresh_lifetime,
            device_info=origin.device,
            ip_address=origin.address,
        )
        return await self._sessions.create(new, now)

    def _response(
        self, user: User, session_id: SessionId, token: RefreshToken, now: datetime
    ) -> AuthResponse:
        return AuthResponse(
            access_token=self._tokens.issue(user.id, session_id, now),
            refresh_token=token.secret,
            expires_in=int(self._tokens.lifetime.total_seconds()),
            user=user,
        )


WRONG_PASSWORD: Final = Refusal(Code.WRONG_PASSWORD, "The user name or the password is wrong.")
REUSED: Final = Refusal(
    Code.TOKEN_REUSED, "This refresh token was used before, so its session has ended. Log in again."
)
REFRESH_REFUSALS: Final = {
    "unknown": Refusal(Code.UNAUTHENTICATED, "The refresh token is not valid. Log in again."),
    "expired": Refusal(Code.TOKEN_EXPIRED, "The refresh token has expired. Log in again."),
    "ended": REVOKED,
    "disabled": DISABLED,
}
