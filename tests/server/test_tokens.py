"""Access tokens: what a good one grants, and every forgery that must not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from protocol.errors import Code, Refusal
from protocol.ids import SessionId, UserId
from server.tokens import AccessTokens, hash_secret, new_refresh_token

KEY = b"k" * 32
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
LIFETIME = timedelta(minutes=30)
GOOD: dict[str, Any] = {
    "sub": "7",
    "sid": 3,
    "iat": NOW_S,
    "exp": NOW_S + 60,
    "iss": "parley",
    "aud": "parley",
}
HEADER: dict[str, Any] = {"alg": "HS256", "typ": "JWT"}


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(KEY, LIFETIME)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(claims: Any, header: dict[str, Any] | None = None, key: bytes = KEY, digest: str = "sha256") -> str:
    """Any header and payload, with an HMAC over them."""
    head, body = b64(json.dumps(header or HEADER).encode()), b64(json.dumps(claims).encode())
    signature = hmac.new(key, f"{head}.{body}".encode(), digest).digest()
    return f"{head}.{body}.{b64(signature)}"


def code_of(tokens: AccessTokens, token: str) -> Code | None:
    grant = tokens.verify(token, NOW)
    return grant.code if isinstance(grant, Refusal) else None


def test_a_token_grants_its_user_and_session_until_it_expires(tokens: AccessTokens) -> None:
    token = tokens.issue(UserId(7), SessionId(3), NOW)
    assert tokens.verify(token, NOW) == (7, 3, NOW + LIFETIME)
    assert jwt.decode(
        token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False}
    ) == {
        "sub": "7",
        "sid": 3,
        "iat": NOW_S,
        "exp": NOW_S + 1800,
        "iss": "parley",
        "aud": "parley",
    }


def test_a_token_is_expired_from_its_expiry_on(tokens: AccessTokens) -> None:
    token = tokens.issue(UserId(7), SessionId(3), NOW)
    late = tokens.verify(token, NOW + LIFETIME)
    assert isinstance(late, Refusal)
    assert late.code == Code.TOKEN_EXPIRED
    assert not isinstance(tokens.verify(token, NOW + LIFETIME - timedelta(seconds=1)), Refusal)


def test_the_forgeries_below_would_pass_if_they_were_honest(tokens: AccessTokens) -> None:
    assert code_of(tokens, forge(GOOD)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"aud": ["parley"]},
        {"iat": NOW_S + 60},
        {"nbf": NOW_S + 60},
        {"nbf": "soon"},
        {"sub": 7},
        {"sub": "admin"},
        {"sub": "-7"},
        {"sub": "٧x"},
        {"sub": "9" * 5000},
        {"sid": "3"},
        {"exp": str(NOW_S + 60)},
        {"exp": 10**30},
        *({name: None} for name in GOOD),
    ],
)
def test_a_claim_that_is_wrong_or_mistyped_is_refused(tokens: AccessTokens, changed: dict[str, Any]) -> None:
    assert code_of(tokens, forge(GOOD | changed)) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_a_missing_claim_is_refused(tokens: AccessTokens, missing: str) -> None:
    claims = {name: value for name, value in GOOD.items() if name != missing}
    assert code_of(tokens, forge(claims)) == Code.UNAUTHENTICATED


def test_expired_tells_so_only_when_all_else_is_right(tokens: AccessTokens) -> None:
    expired = GOOD | {"iat": NOW_S - 90, "exp": NOW_S - 60}
    assert code_of(tokens, forge(expired)) == Code.TOKEN_EXPIRED
    assert code_of(tokens, forge(expired, key=b"x" * 32)) == Code.UNAUTHENTICATED
    assert code_of(tokens, forge(expired | {"aud": "other"})) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "", "hs256", "HS384", "HS512", "RS256", "ES256", None, 1]
)
def test_every_other_algorithm_is_refused(tokens: AccessTokens, alg: object) -> None:
    header = HEADER | {"alg": alg}
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(alg), "sha256")
    assert code_of(tokens, forge(GOOD, header, digest=digest)) == Code.UNAUTHENTICATED
    unsigned = forge(GOOD, header).rpartition(".")[0] + "."
    assert code_of(tokens, unsigned) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("key", [b"", b"\0" * 32, b"x" * 32, KEY + b"k", hashlib.sha256(KEY).digest()])
def test_another_key_is_refused_the_empty_one_too(tokens: AccessTokens, key: bytes) -> None:
    assert code_of(tokens, forge(GOOD, key=key)) == Code.UNAUTHENTICATED


def test_an_asymmetric_signature_is_refused_whatever_it_calls_itself(tokens: AccessTokens) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert code_of(tokens, jwt.encode(GOOD, private, algorithm="RS256")) == Code.UNAUTHENTICATED
    assert code_of(tokens, forge(GOOD, key=public)) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": ["x-unknown"], "x-unknown": True},
        {"crit": []},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    ],
)
def test_a_header_that_must_be_understood_is_refused(tokens: AccessTokens, extra: dict[str, Any]) -> None:
    assert code_of(tokens, forge(GOOD, HEADER | extra)) == Code.UNAUTHENTICATED


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "kid"])
def test_a_key_that_the_token_brings_along_counts_for_nothing(tokens: AccessTokens, name: str) -> None:
    evil = b"e" * 32
    header = HEADER | {name: {"kty": "oct", "k": b64(evil)} if name == "jwk" else "../../dev/null"}
    assert code_of(tokens, forge(GOOD, header, key=evil)) == Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "not a token",
        "é.é.é",
        "x" * 10_000,
        forge([]),
        forge("text"),
        forge(GOOD) + ".more",
        forge(GOOD)[:-2],
        f" {forge(GOOD)}",
        f"{b64(b'[' * 5000)}.{b64(b'{}')}.{b64(b'x')}",
    ],
)
def test_what_is_no_token_of_ours_is_refused(tokens: AccessTokens, token: str) -> None:
    assert code_of(tokens, token) == Code.UNAUTHENTICATED


def test_a_signed_payload_that_is_no_json_is_refused(tokens: AccessTokens) -> None:
    for payload in (b"", b"{", b"\xff", b"[" * 10_000):
        token = jwt.PyJWS().encode(payload, KEY, "HS256")
        assert code_of(tokens, token) == Code.UNAUTHENTICATED


def test_a_short_key_is_not_taken() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AccessTokens(b"k" * 31, LIFETIME)


def test_refresh_tokens_are_random_and_only_their_hash_is_kept() -> None:
    first, second = new_refresh_token(), new_refresh_token()
    assert first.secret != second.secret
    assert len(first.secret) >= 43
    assert first.hashed == hash_secret(first.secret) == hashlib.sha256(first.secret.encode()).hexdigest()
