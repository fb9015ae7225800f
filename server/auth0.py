"""People whom an Auth0 tenant logs in: its RS256 tokens verified, and what session each belongs to.

Next: `jwks.py` has the tenant's keys, `storage/tenant_sessions.py` the sessions.
"""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from protocol.errors import Code, Refusal, Unavailable
from server.compact_jws import NAME_MAX_CHARS, Unverified, dissect
from server.fields import Email, FullName, Picture
from server.jwks import Jwks
from server.tokens import EXPIRED, NOT_VALID
from storage.tenant_sessions import TenantSessions, TenantToken

ALGORITHM: Final = "RS256"
TYPES: Final = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
CLOCK_SKEW_S: Final = 5
"""How far the tenant's clock may be ahead of ours. Its tokens are not good for longer by that."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX_CHARS, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]


class Claims(msgspec.Struct, frozen=True):
    """What an access token must say (RFC 9068), of exactly these types, and what it may say."""

    iss: str
    sub: Name
    aud: str | list[str]
    iat: int
    exp: int
    nbf: float | None = None
    azp: Name | None = None
    client_id: Name | None = None
    sid: Name | None = None


class Profile(msgspec.Struct, frozen=True):
    """What a token says of its person, as far as it fits here."""

    email: str | None = None
    name: str | None = None
    nickname: str | None = None
    picture: str | None = None


class TenantGrant(msgspec.Struct, frozen=True):
    """A valid token: whose it is at the tenant, until when, and what it says of them."""

    token: TenantToken
    profile: Profile


class TenantAccess(msgspec.Struct, frozen=True):
    """What it takes to let in people whom a tenant logs in."""

    tenant: "Tenant"
    sessions: TenantSessions


class Tenant:
    """One Auth0 tenant, and the audience that its tokens must be for."""

    def __init__(self, domain: str, audience: str, keys: Jwks) -> None:
        self.issuer = issuer_url(domain)
        self._audience = audience
        self._keys = keys
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    def warm_up(self) -> None:
        """Fetch the keys before the first token comes."""
        self._keys.warm_up()

    async def close(self) -> None:
        await self._keys.close()

    async def verify(self, token: str, now: datetime) -> TenantGrant | Refusal:
        """What the token grants.

        Refused: `unauthenticated`, `token_expired`, and `unavailable` while no key of the tenant is known.
        """
        unverified = dissect(token)
        if unverified is None or unverified.issuer != self.issuer:
            return NOT_VALID
        try:
            key = await self._key(unverified)
        except Unavailable:
            return keyless(self._keys.retry_after_s)
        if key is None or not self._is_signed(token, key):
            return NOT_VALID
        try:
            claims = msgspec.json.decode(unverified.payload, type=Claims)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_VALID
        return self._granted(claims, unverified.payload, now)

    async def _key(self, unverified: Unverified) -> RSAPublicKey | None:
        header = unverified.header
        typ = header.typ.lower() if header.typ is not None else None
        is_ours = header.alg == ALGORITHM and typ in TYPES
        if not is_ours or header.kid is None or not 1 <= len(header.kid) <= NAME_MAX_CHARS:
            return None
        return await self._keys.find(header.kid)

    def _is_signed(self, token: str, key: RSAPublicKey) -> bool:
        try:
            self._jws.decode_complete(token, key, algorithms=[ALGORITHM])
        except (jwt.PyJWTError, ValueError):
            return False
        return True

    def _granted(self, claims: Claims, payload: bytes, now: datetime) -> TenantGrant | Refusal:
        now_s = now.timestamp()
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self.issuer or self._audience not in audiences:
            return NOT_VALID
        if max(claims.iat, claims.nbf or 0) > now_s + CLOCK_SKEW_S:
            return NOT_VALID
        if claims.exp <= now_s:
            return EXPIRED
        try:
            return TenantGrant(tenant_token(claims), profile_of(payload))
        except (ValueError, OverflowError, OSError):
            return NOT_VALID


def issuer_url(domain: str) -> str:
    """What the tenant's tokens call their issuer: with the slash that Auth0 puts at its end."""
    return f"{domain}/" if "://" in domain else f"https://{domain}/"


def keys_url(domain: str) -> str:
    return f"{issuer_url(domain)}.well-known/jwks.json"


def tenant_token(claims: Claims) -> TenantToken:
    """The token as sessions know it. ValueError or OverflowError when its times are none."""
    application = claims.azp or claims.client_id or ""
    return TenantToken(
        subject=claims.sub,
        line=f"{application}\0{claims.sid or ''}",
        device=f"Auth0 {application}".strip(),
        issued_at=datetime.fromtimestamp(claims.iat, tz=UTC),
        expires_at=datetime.fromtimestamp(claims.exp, tz=UTC),
    )


def profile_of(payload: bytes) -> Profile:
    """What fits; what does not is as if it were not there: the tenant's limits are not ours."""
    members = msgspec.json.decode(payload, type=dict[str, object])
    return Profile(
        email=fitting(members.get("email"), Email),
        name=fitting(members.get("name"), FullName),
        nickname=fitting(members.get("nickname"), Name),
        picture=fitting(members.get("picture"), Picture),
    )


def fitting(value: object, kind: Any) -> str | None:
    try:
        text: object = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
    return text if isinstance(text, str) and text and "\0" not in text else None


def keyless(retry_after_s: float) -> Refusal:
    """Nothing can be said of any of the tenant's tokens yet."""
    retry_after_ms = max(1000, math.ceil(retry_after_s * 1000))
    text = "The login service cannot be reached now. Try again."
    return Refusal(Code.UNAVAILABLE, text, retry_after_ms=retry_after_ms)
