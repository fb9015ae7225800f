"""Access tokens: JWTs of our own, signed with HS256 and nothing else; and the random refresh tokens."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from protocol.errors import Code, Refusal
from protocol.ids import SessionId, UserId
from server.compact_jws import dissect

ALGORITHM: Final = "HS256"
ISSUER: Final = "parley"
AUDIENCE: Final = "parley"
KEY_MIN_BYTES: Final = 32


class Claims(msgspec.Struct, frozen=True):
    """What an access token says (RFC 7519). All are required, and of exactly these types."""

    sub: str
    sid: int
    iat: int
    exp: int
    iss: str
    aud: str


class _NotBefore(msgspec.Struct, frozen=True):
    nbf: float | None = None


class Grant(NamedTuple):
    """A valid token: whose it is, of which session, and until when."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


class RefreshToken(NamedTuple):
    """A new refresh token: the secret for the client, and the hash that is kept."""

    secret: str
    hashed: str


class AccessTokens:
    """Signs and verifies access tokens with one key, which never signs anything else."""

    def __init__(self, key: bytes, lifetime: timedelta) -> None:
        if len(key) < KEY_MIN_BYTES:
            raise ValueError(f"the signing key must have at least {KEY_MIN_BYTES} bytes")
        # PyJWS looks for PEM and DER in the key each time, which took longer than all else together.
        self._hmac = HMACAlgorithm(HMACAlgorithm.SHA256)
        self._key = self._hmac.prepare_key(key)
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])
        self.lifetime = lifetime

    def issue(self, user_id: UserId, session_id: SessionId, now: datetime) -> str:
        issued_at = int(now.timestamp())
        claims = Claims(
            sub=str(user_id),
            sid=session_id,
            iat=issued_at,
            exp=issued_at + int(self.lifetime.total_seconds()),
            iss=ISSUER,
            aud=AUDIENCE,
        )
        return self._jws.encode(msgspec.json.encode(claims), self._key, ALGORITHM)

    def verify(self, token: str, now: datetime) -> Grant | Refusal:
        """What the token grants; `unauthenticated` if it is not ours, `token_expired` if its time is over."""
        payload = self._signed_payload(token)
        if payload is None:
            return NOT_VALID
        try:
            claims = msgspec.json.decode(payload, type=Claims)
            starts_at = msgspec.json.decode(payload, type=_NotBefore).nbf
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return NOT_VALID
        return _granted(claims, starts_at, now.timestamp())

    def _signed_payload(self, token: str) -> bytes | None:
        unverified = dissect(token)
        if unverified is None or unverified.header.alg != ALGORITHM:
            return None
        is_signed = self._hmac.verify(unverified.signed, self._key, unverified.signature)
        return unverified.payload if is_signed else None


def _granted(claims: Claims, starts_at: float | None, now_s: float) -> Grant | Refusal:
    if (claims.iss, claims.aud) != (ISSUER, AUDIENCE) or not claims.sub.isdecimal():
        return NOT_VALID
    if claims.iat > now_s or (starts_at or 0) > now_s:
        return NOT_VALID
    if claims.exp <= now_s:
        return EXPIRED
    try:
        return Grant(
            UserId(int(claims.sub)), SessionId(claims.sid), datetime.fromtimestamp(claims.exp, tz=UTC)
        )
    except (ValueError, OverflowError):
        return NOT_VALID


def new_refresh_token() -> RefreshToken:
    secret = secrets.token_urlsafe(32)
    return RefreshToken(secret, hash_secret(secret))


def hash_secret(secret: str) -> str:
    """What is kept of a random secret. It has entropy enough that a fast hash serves."""
    return hashlib.sha256(secret.encode()).hexdigest()


NOT_VALID: Final = Refusal(Code.UNAUTHENTICATED, "The access token is not valid. Log in again.")
EXPIRED: Final = Refusal(Code.TOKEN_EXPIRED, "The access token has expired. Refresh it or log in again.")
