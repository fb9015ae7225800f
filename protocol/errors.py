"""The one table of refusals: what each code means to HTTP, to a socket and to a retrying client."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Code(StrEnum):
    MALFORMED = "malformed"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    TOKEN_REUSED = "token_reused"  # noqa: S105
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    ACCOUNT_DISABLED = "account_disabled"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TAKEN = "taken"
    LAST_SUPERUSER = "last_superuser"
    OWNER_MUST_HAND_OVER = "owner_must_hand_over"
    CHANNEL_ARCHIVED = "channel_archived"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    DRAINING = "draining"
    INTERNAL = "internal"


class Meaning(NamedTuple):
    """What one code is worth on each transport.

    `close` is the WebSocket close code when the refusal ends a socket; most refusals do not.
    """

    status: int
    title: str
    retryable: bool = False
    close: int | None = None


MEANINGS: dict[Code, Meaning] = {
    Code.MALFORMED: Meaning(400, "Malformed request", close=4400),
    Code.INVALID: Meaning(422, "Invalid request"),
    Code.TOO_LARGE: Meaning(413, "Too large", close=1009),
    Code.UNSUPPORTED: Meaning(415, "Not supported"),
    Code.UNAUTHENTICATED: Meaning(401, "Credentials required", close=4401),
    Code.TOKEN_EXPIRED: Meaning(401, "Token expired", close=4401),
    Code.TOKEN_REVOKED: Meaning(401, "Token revoked", close=4401),
    Code.TOKEN_REUSED: Meaning(401, "Refresh token already used", close=4401),
    Code.WRONG_PASSWORD: Meaning(401, "Wrong user name or password", close=4401),
    Code.ACCOUNT_DISABLED: Meaning(403, "Account disabled", close=4403),
    Code.FORBIDDEN: Meaning(403, "Not allowed"),
    Code.NOT_FOUND: Meaning(404, "Not found"),
    Code.CONFLICT: Meaning(409, "Conflict"),
    Code.TAKEN: Meaning(409, "Already taken"),
    Code.LAST_SUPERUSER: Meaning(409, "The last superuser"),
    Code.OWNER_MUST_HAND_OVER: Meaning(409, "The owner must hand over first"),
    Code.CHANNEL_ARCHIVED: Meaning(409, "The channel is archived"),
    Code.GONE: Meaning(410, "No longer valid"),
    Code.RATE_LIMITED: Meaning(429, "Too many requests", retryable=True, close=4429),
    Code.OVERLOADED: Meaning(503, "Overloaded", retryable=True),
    Code.UNAVAILABLE: Meaning(503, "Temporarily unavailable", retryable=True),
    Code.DRAINING: Meaning(503, "Shutting down", retryable=True, close=1012),
    Code.INTERNAL: Meaning(500, "Internal error", retryable=True),
}


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """An expected "no": a value, not an exception. `message` tells a person what to do next."""

    code: Code
    message: str
    field: str | None = None
    retry_after_ms: int | None = None

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.code]


class Refused(Exception):
    """Carries a refusal out of an HTTP handler to the one place that answers it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Unavailable(Exception):
    """A dependency cannot be reached now: the database, mostly. Trying again later may help."""
