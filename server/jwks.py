"""The public keys of a tenant (RFC 7517): fetched, cached, and fetched again when a token names another.

Only the one configured address is ever asked, whatever a token says of where its key is.
"""

import asyncio
import logging
from typing import Any, Final

import aiohttp
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from actors.ports import Clock
from protocol.errors import Unavailable

LOG: Final = logging.getLogger("auth")
FETCH_TIMEOUT_S: Final = 5.0
FETCH_EVERY_S: Final = 60.0
"""No two fetches begin within this time, whatever tokens come in."""
FRESH_S: Final = 600.0
"""Keys older than this are fetched anew, in the background: a tenant withdraws keys too."""
DOCUMENT_MAX_BYTES: Final = 64 * 1024
KEYS_MAX: Final = 20
KID_MAX_CHARS: Final = 255
KEY_BITS: Final = range(2048, 4097)


class JsonWebKey(msgspec.Struct, frozen=True):
    """One key of the document, as far as it is looked at. `d` is there in private keys only."""

    kty: str
    kid: str
    n: str
    e: str
    use: str | None = None
    alg: str | None = None
    d: str | None = None


class _Document(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


class Jwks:
    """The keys at one URL by their `kid`. Make it inside the running loop; `close` it at the end."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at_s: float | None = None
        self._begun_at_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of this name; None when the tenant has no such key.

        An unknown name waits for a fetch if one may begin or is under way. Raises `Unavailable` when no key
        was ever fetched. Keys that are known stay in use while the tenant is away.
        """
        key = self._keys.get(kid)
        if key is None:
            await self._refresh()
            key = self._keys.get(kid)
        elif self._is_stale:
            self._begin()
        if key is None and not self._keys:
            raise Unavailable("no keys of the tenant are known")
        return key

    def warm_up(self) -> None:
        """Begin to fetch, for the first token not to wait."""
        self._begin()

    @property
    def retry_after_s(self) -> float:
        """How long until another fetch may begin."""
        if self._begun_at_s is None:
            return 0.0
        return max(0.0, self._begun_at_s + FETCH_EVERY_S - self._clock.monotonic())

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    @property
    def _is_stale(self) -> bool:
        return self._fetched_at_s is None or self._clock.monotonic() - self._fetched_at_s >= FRESH_S

    async def _refresh(self) -> None:
        """Wait for the fetch, which outlives whoever stops waiting; return at once if none may begin."""
        self._begin()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _begin(self) -> None:
        if self._fetching is None and not self.retry_after_s:
            self._begun_at_s = self._clock.monotonic()
            self._fetching = asyncio.get_running_loop().create_task(self._fetch(), name="jwks")

    async def _fetch(self) -> None:
        try:
            keys = read_keys(await fetch_document(self._url))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            LOG.warning("the tenant's keys cannot be fetched", extra={"url": self._url, "error": repr(error)})
        else:
            self._keys = keys
            self._fetched_at_s = self._clock.monotonic()
            LOG.info("the tenant's keys were fetched", extra={"url": self._url, "keys": len(keys)})
        finally:
            self._fetching = None


async def fetch_document(url: str) -> bytes:
    """What is at the URL: at most `DOCUMENT_MAX_BYTES`, within `FETCH_TIMEOUT_S`, and no redirects.

    Raises aiohttp's ClientError, TimeoutError, OSError, and ValueError for any other answer.
    """
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    # As it is on the wire: nothing that is small there can become large here.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        aiohttp.ClientSession(
            timeout=timeout, headers=headers, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        document = bytearray()
        async for chunk in answer.content.iter_chunked(8192):
            document += chunk
            if len(document) > DOCUMENT_MAX_BYTES:
                raise ValueError(f"over {DOCUMENT_MAX_BYTES} bytes")
        return bytes(document)


def read_keys(document: bytes) -> dict[str, RSAPublicKey]:
    """The usable RSA keys of a document by their `kid`; others are passed over. ValueError if it has none."""
    try:
        raw = msgspec.json.decode(document, type=_Document).keys[:KEYS_MAX]
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not a document of keys") from error
    keys: dict[str, RSAPublicKey] = {}
    repeated: set[str] = set()
    for each in raw:
        found = read_key(each)
        if found is not None:
            kid, key = found
            repeated |= {kid} & keys.keys()
            keys[kid] = key
    usable = {kid: key for kid, key in keys.items() if kid not in repeated}
    if not usable:
        raise ValueError("no usable key")
    return usable


def read_key(raw: msgspec.Raw) -> tuple[str, RSAPublicKey] | None:
    """A public RSA key for signatures by RS256, 2048 to 4096 bits; None for any other."""
    try:
        described = msgspec.json.decode(raw, type=JsonWebKey)
        if not is_for_rs256(described):
            return None
        members: dict[str, Any] = {"kty": "RSA", "n": described.n, "e": described.e}
        key = RSAAlgorithm.from_jwk(members)
    except (ValueError, TypeError, OverflowError, jwt.PyJWTError, RecursionError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size not in KEY_BITS:
        return None
    return described.kid, key


def is_for_rs256(key: JsonWebKey) -> bool:
    return (
        key.kty == "RSA"
        and key.use in (None, "sig")
        and key.alg in (None, "RS256")
        and key.d is None
        and 1 <= len(key.kid) <= KID_MAX_CHARS
    )
