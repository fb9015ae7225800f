"""A tenant's tokens: what a good one grants, and every forgery that must not."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from protocol.errors import Code, Refusal
from server.auth0 import CLOCK_SKEW_S, Tenant, TenantGrant, issuer_url, keys_url
from server.jwks import Jwks
from tests.server.talking import StillClock
from tests.stand_ins.auth0 import (
    API,
    TOKEN_LIFE_S,
    StandIn,
    b64,
    hmac_with_public_key,
    rsa_key,
    signed,
    tenant,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
HEADER: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": "first"}


@pytest.fixture
async def auth0() -> AsyncIterator[StandIn]:
    async with tenant() as stand_in:
        yield stand_in


@pytest.fixture
async def door(auth0: StandIn) -> AsyncIterator[Tenant]:
    door = Tenant(auth0.url, API, Jwks(keys_url(auth0.url), StillClock()))
    yield door
    await door.close()


async def code_of(door: Tenant, token: str) -> Code | None:
    grant = await door.verify(token, NOW)
    return grant.code if isinstance(grant, Refusal) else None


async def granted(door: Tenant, token: str) -> TenantGrant:
    grant = await door.verify(token, NOW)
    assert isinstance(grant, TenantGrant)
    return grant


@pytest.mark.parametrize(
    ("domain", "issuer"),
    [
        ("example.eu.auth0.com", "https://example.eu.auth0.com/"),
        ("https://login.example.org", "https://login.example.org/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
    ],
)
def test_the_domain_names_the_issuer_and_where_its_keys_are(domain: str, issuer: str) -> None:
    assert issuer_url(domain) == issuer
    assert keys_url(domain) == f"{issuer}.well-known/jwks.json"


async def test_a_token_grants_its_subject_until_it_expires(auth0: StandIn, door: Tenant) -> None:
    grant = await granted(door, auth0.token("auth0|1", NOW))
    assert grant.token.subject == "auth0|1"
    assert grant.token.issued_at == NOW
    assert grant.token.expires_at == NOW + timedelta(seconds=TOKEN_LIFE_S)
    assert grant.token.device == "Auth0 web"


async def test_a_token_is_expired_from_its_expiry_on(auth0: StandIn, door: Tenant) -> None:
    token = auth0.token("auth0|1", NOW - timedelta(seconds=TOKEN_LIFE_S))
    assert await code_of(door, token) == Code.TOKEN_EXPIRED
    token = auth0.token("auth0|1", NOW - timedelta(seconds=TOKEN_LIFE_S - 1))
    assert await code_of(door, token) is None


async def test_expired_tells_so_only_when_all_else_is_right(auth0: StandIn, door: Tenant) -> None:
    old = auth0.claims("auth0|1", NOW - timedelta(days=1))
    assert await code_of(door, signed(old, HEADER, rsa_key(1))) == Code.TOKEN_EXPIRED
    assert await code_of(door, signed(old, HEADER, rsa_key(2))) == Code.UNAUTHENTICATED
    assert await code_of(door, signed(old | {"aud": "x"}, HEADER, rsa_key(1))) == Code.UNAUTHENTICATED


async def test_a_clock_a_little_ahead_of_ours_is_no_reason_to_refuse(auth0: StandIn, door: Tenant) -> None:
    ahead = NOW + timedelta(seconds=CLOCK_SKEW_S)
    assert await code_of(door, auth0.token("auth0|1", ahead)) is None
    assert await code_of(door, auth0.token("auth0|1", ahead + timedelta(seconds=1))) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("audience", [API, [API], ["other", API]])
async def test_the_audience_is_one_of_those_the_token_names(
    auth0: StandIn, door: Tenant, audience: object
) -> None:
    assert await code_of(door, auth0.token("auth0|1", NOW, aud=audience)) is None


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
async def test_an_access_token_may_say_that_it_is_one(auth0: StandIn, door: Tenant, typ: str | None) -> None:
    token = signed(auth0.claims("auth0|1", NOW), HEADER | {"typ": typ}, rsa_key(1))
    assert await code_of(door, token) is None


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", "id", ""])
async def test_a_token_for_something_else_is_refused(auth0: StandIn, door: Tenant, typ: str) -> None:
    token = signed(auth0.claims("auth0|1", NOW), HEADER | {"typ": typ}, rsa_key(1))
    assert await code_of(door, token) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example/"},
        {"iss": "parley"},
        {"iss": 1},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": {API: True}},
        {"aud": [API, 1]},
        {"iat": NOW_S + 60},
        {"nbf": NOW_S + 60},
        {"nbf": "soon"},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "a\n"},
        {"sub": "\ud800"},
        {"sub": "x" * 256},
        {"azp": 7},
        {"azp": "a\0b"},
        {"sid": ["x"]},
        {"exp": str(NOW_S + 60)},
        {"exp": True},
        {"exp": 10**30},
        {"iat": -(10**30)},
    ],
)
async def test_a_claim_that_is_wrong_or_mistyped_is_refused(
    auth0: StandIn, door: Tenant, changed: dict[str, Any]
) -> None:
    assert await code_of(door, auth0.token("auth0|1", NOW, **changed)) == Code.UNAUTHENTICATED


async def test_an_issuer_without_the_slash_is_another_one(auth0: StandIn, door: Tenant) -> None:
    assert await code_of(door, auth0.token("auth0|1", NOW, iss=auth0.url)) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "iat", "exp"])
async def test_a_missing_claim_is_refused(auth0: StandIn, door: Tenant, missing: str) -> None:
    assert await code_of(door, auth0.token("auth0|1", NOW, **{missing: None})) == Code.UNAUTHENTICATED


async def test_a_claim_that_is_there_twice_is_refused(auth0: StandIn, door: Tenant) -> None:
    claims = json.dumps(auth0.claims("auth0|1", NOW))
    for twice in ('"sub": "auth0|2", ', f'"iss": "{auth0.issuer}", ', '"exp": 1, '):
        doubled = claims.replace("{", "{" + twice, 1).encode()
        assert await code_of(door, signed(doubled, HEADER, rsa_key(1))) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "", "rs256", "RS384", "RS512", "PS256", "HS256", "ES256", None, 1]
)
async def test_every_other_algorithm_is_refused(auth0: StandIn, door: Tenant, alg: object) -> None:
    token = signed(auth0.claims("auth0|1", NOW), HEADER | {"alg": alg}, rsa_key(1))
    assert await code_of(door, token) == Code.UNAUTHENTICATED
    assert await code_of(door, token.rpartition(".")[0] + ".") == Code.UNAUTHENTICATED


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_a_real_signature_by_another_algorithm_is_refused(
    auth0: StandIn, door: Tenant, algorithm: str
) -> None:
    claims = auth0.claims("auth0|1", NOW)
    token = jwt.encode(claims, rsa_key(1), algorithm=algorithm, headers={"kid": "first"})
    assert await code_of(door, token) == Code.UNAUTHENTICATED


async def test_the_public_key_is_no_shared_secret(auth0: StandIn, door: Tenant) -> None:
    public = rsa_key(1).public_key()
    for format_ in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1):
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
            secret = public.public_bytes(encoding, format_)
            token = hmac_with_public_key(auth0.claims("auth0|1", NOW), "first", secret)
            assert await code_of(door, token) == Code.UNAUTHENTICATED
    assert (
        await code_of(door, hmac_with_public_key(auth0.claims("auth0|1", NOW), "first", b""))
        == Code.UNAUTHENTICATED
    )


@pytest.mark.parametrize("kid", [None, "", "second", "x" * 256, 1, "../first"])
async def test_a_key_that_is_not_named_or_not_known_is_refused(
    auth0: StandIn, door: Tenant, kid: object
) -> None:
    token = signed(auth0.claims("auth0|1", NOW), HEADER | {"kid": kid}, rsa_key(1))
    assert await code_of(door, token) == Code.UNAUTHENTICATED


async def test_the_key_that_is_named_is_the_one_that_counts(auth0: StandIn, door: Tenant) -> None:
    auth0.rotate("second", number=2)
    claims = auth0.claims("auth0|1", NOW)
    assert await code_of(door, signed(claims, HEADER | {"kid": "second"}, rsa_key(2))) is None
    assert await code_of(door, signed(claims, HEADER | {"kid": "second"}, rsa_key(1))) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": ["x-unknown"], "x-unknown": True},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    ],
)
async def test_a_header_that_must_be_understood_is_refused(
    auth0: StandIn, door: Tenant, extra: dict[str, Any]
) -> None:
    token = signed(auth0.claims("auth0|1", NOW), HEADER | extra, rsa_key(1))
    assert await code_of(door, token) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
async def test_a_key_that_the_token_brings_along_is_neither_used_nor_fetched(
    auth0: StandIn, door: Tenant, name: str
) -> None:
    async with tenant() as evil:
        evil.keys = [key | {"kid": "first"} for key in evil.keys]
        where = f"{evil.issuer}.well-known/jwks.json"
        brought: Any = {"kty": "RSA", "kid": "first"} if name == "jwk" else where
        header = HEADER | {name: [brought] if name == "x5c" else brought}
        token = signed(auth0.claims("auth0|1", NOW), header, rsa_key(2))
        assert await code_of(door, token) == Code.UNAUTHENTICATED
        assert evil.fetches == 0


async def test_a_changed_payload_is_refused(auth0: StandIn, door: Tenant) -> None:
    head, _, signature = auth0.token("auth0|1", NOW).split(".")
    body = b64(json.dumps(auth0.claims("auth0|2", NOW)).encode())
    assert await code_of(door, f"{head}.{body}.{signature}") == Code.UNAUTHENTICATED
    assert await code_of(door, auth0.token("auth0|1", NOW)[:-4]) == Code.UNAUTHENTICATED
    assert await code_of(door, auth0.token("auth0|1", NOW) + "AAAA") == Code.UNAUTHENTICATED


async def test_a_huge_token_is_refused(auth0: StandIn, door: Tenant) -> None:
    token = auth0.token("auth0|1", NOW, padding="x" * 10_000)
    assert await code_of(door, token) == Code.UNAUTHENTICATED
    assert auth0.fetches == 0


async def test_a_payload_that_is_no_object_is_refused(auth0: StandIn, door: Tenant) -> None:
    for payload in (b"", b"{", b"\xff", b"[]", b"[" * 5000):
        assert await code_of(door, signed(payload, HEADER, rsa_key(1))) == Code.UNAUTHENTICATED


async def test_while_no_key_was_ever_fetched_nothing_is_said_of_any_token(
    auth0: StandIn, door: Tenant
) -> None:
    auth0.is_down = True
    refusal = await door.verify(auth0.token("auth0|1", NOW), NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.code == Code.UNAVAILABLE
    assert refusal.retry_after_ms == 60_000


async def test_what_a_token_says_of_its_person_is_taken_where_it_fits(auth0: StandIn, door: Tenant) -> None:
    said = {
        "email": "alice@example.org",
        "name": "Alice",
        "nickname": "al",
        "picture": "https://img.example/a.png",
    }
    profile = (await granted(door, auth0.token("auth0|1", NOW, **said))).profile
    assert (profile.email, profile.name, profile.nickname, profile.picture) == tuple(said.values())


@pytest.mark.parametrize(
    "said",
    [
        {"email": "no address", "name": "x" * 256, "nickname": "x\0", "picture": "javascript:alert(1)"},
        {"email": 1, "name": ["x"], "nickname": {}, "picture": True},
        {"email": "", "name": "", "nickname": "", "picture": ""},
        {"name": "a\0b"},
        {},
    ],
)
async def test_what_does_not_fit_is_as_if_it_were_not_said(
    auth0: StandIn, door: Tenant, said: dict[str, Any]
) -> None:
    profile = (await granted(door, auth0.token("auth0|1", NOW, **said))).profile
    assert (profile.email, profile.name, profile.nickname, profile.picture) == (None,) * 4


async def test_applications_and_sessions_at_the_tenant_are_told_apart(auth0: StandIn, door: Tenant) -> None:
    said: list[dict[str, Any]] = [
        {},
        {"azp": "phone"},
        {"azp": None},
        {"azp": None, "client_id": "phone", "sid": "1"},
        {"sid": "1"},
        {"sid": "2"},
    ]
    keys = {
        (await granted(door, auth0.token(subject, NOW, **each))).token.key
        for each in said
        for subject in ("auth0|1", "auth0|2")
    }
    assert len(keys) == 12
    same = await granted(door, auth0.token("auth0|1", NOW, azp=None, client_id="web"))
    assert same.token.key in keys
