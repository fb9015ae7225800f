"""An Auth0 tenant on this machine: real RSA keys, their JWKS over HTTP, and tokens of any kind."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from functools import cache
from typing import Any, Final

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from tests.stand_ins.serving import serving

API: Final = "https://parley.example/api"
APPLICATION: Final = "web"
TOKEN_LIFE_S: Final = 3600
Json = Any


@cache
def rsa_key(number: int, bits: int = 2048) -> RSAPrivateKey:
    """Making one takes a while: the same number is the same key for all tests."""
    return generate_private_key(public_exponent=65537, key_size=bits)


def jwk(kid: str, key: RSAPrivateKey, **changes: Json) -> Json:
    """A public key as a tenant publishes it; a member given as None is left out."""
    described = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    members = {"kty": "RSA", "n": described["n"], "e": described["e"], "kid": kid}
    members |= {"use": "sig", "alg": "RS256"} | changes
    return {name: value for name, value in members.items() if value is not None}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: Json, header: Json, key: RSAPrivateKey) -> str:
    """Any payload under any header, signed by RS256; bytes are the payload itself."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{b64(head)}.{b64(payload)}"
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA256)
    return f"{signing_input}.{b64(algorithm.sign(signing_input.encode(), key))}"


class StandIn:
    """The tenant. `fetches` counts how often its keys were asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.kid = "first"
        self.keys: list[Json] = [jwk("first", rsa_key(1))]
        self.private = {"first": rsa_key(1)}
        self.fetches = 0
        self.is_down = False
        self.answer: web.StreamResponse | bytes | None = None
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    @property
    def issuer(self) -> str:
        return f"{self.url}/"

    def rotate(self, kid: str, *, number: int) -> None:
        """Sign with a new key from now on; tokens by the old one stay good until it is withdrawn."""
        self.private[kid] = rsa_key(number)
        self.keys.append(jwk(kid, rsa_key(number)))
        self.kid = kid

    def withdraw(self, kid: str) -> None:
        self.keys = [key for key in self.keys if key["kid"] != kid]

    def claims(self, subject: str, now: datetime, **changes: Json) -> Json:
        """What a good token says; a claim given as None is left out."""
        issued_at = int(now.timestamp())
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": [API, f"{self.url}/userinfo"],
            "azp": APPLICATION,
            "iat": issued_at,
            "exp": issued_at + TOKEN_LIFE_S,
            "scope": "openid profile email",
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, subject: str, now: datetime, **changes: Json) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid}
        return signed(self.claims(subject, now, **changes), header, self.private[self.kid])

    async def serve_keys(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        self.asked.set()
        await self.may_answer.wait()
        if self.is_down:
            return web.Response(status=503)
        if isinstance(self.answer, bytes):
            return web.Response(body=self.answer, content_type="application/json")
        return self.answer or web.json_response({"keys": self.keys})


@contextlib.asynccontextmanager
async def tenant() -> AsyncIterator[StandIn]:
    """A tenant on a free port of this machine."""
    stand_in = StandIn()
    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", stand_in.serve_keys)
    async with serving(app, stand_in.may_answer.set) as stand_in.url:
        yield stand_in


def hmac_with_public_key(claims: Json, kid: str, pem: bytes) -> str:
    """The forgery that takes a public key for a shared secret."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode())
    signing_input = f"{head}.{b64(json.dumps(claims).encode())}"
    return f"{signing_input}.{b64(algorithm.sign(signing_input.encode(), pem))}"
