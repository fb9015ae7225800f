"""Requests to URLs that users give: to public addresses only, no redirects, bounded in time and size."""

import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

TIMEOUT_S: Final = 10.0
ANSWER_MAX_BYTES: Final = 16 * 1024
"""How much of an answer is read so that its connection can be used again; nothing in it matters."""
CONNECTIONS_MAX: Final = 100
URL_MAX_CHARS: Final = 2_000
RETRY_AFTER_MAX_S: Final = 86_400.0
PRIVATE: Final = "its address is not public"
NAT64: Final = IPv6Network("64:ff9b::/96")
UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that the internet routes; the rest is reserved, local or another spelling of something."""
NOT_PUBLIC: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
"""Protocol assignments (RFC 6890), and where a large cloud answers its own machines at a global address."""

Address = IPv4Address | IPv6Address


class Answered(Struct, frozen=True):
    """The other side has answered; `after_s` is when it wants to be asked again, if it says so."""

    status: int
    after_s: float | None


class Unreached(Struct, frozen=True):
    """There was no answer. `reason` says nothing of what is at an address."""

    reason: str


class Outbound:
    """A pool of connections. Make it inside the running loop; `close` it at the end."""

    def __init__(self, *, is_private_allowed: bool, timeout_s: float = TIMEOUT_S) -> None:
        # Every socket is made here, for the address that it will connect to: what a name meant before or will
        # mean later has no effect.
        make = _any_socket if is_private_allowed else _public_socket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, socket_factory=make, ttl_dns_cache=10),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered | Unreached:
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await _read_a_little(answer)
                return Answered(answer.status, _retry_after_s(answer.headers.get("Retry-After")))
        except TimeoutError:
            return Unreached("no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unreached(_reason(error))

    async def close(self) -> None:
        await self._session.close()


def objection_to(url: str, *, is_private_allowed: bool) -> str | None:
    """Why requests never go to this URL, for people; None when they may. Names are not looked up."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or port == 0 or not url.isascii():
        return "Give a URL that begins with https:// or http://."
    if parts.username is not None or parts.password is not None:
        return "A URL must not hold a user name or a password."
    address = _parse(host)
    if address is not None and not (is_private_allowed or is_public(address)):
        return "Webhooks go to public addresses only."
    return None


def is_public(address: Address) -> bool:
    """Whether it is an address of the public internet, also where one address is wrapped in another."""
    if isinstance(address, IPv4Address):
        is_special = address.is_multicast or any(address in network for network in NOT_PUBLIC)
        return address.is_global and not is_special
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    inner = _wrapped(address)
    is_inner_public = inner is None or is_public(inner)
    return address in UNICAST and address.is_global and is_inner_public


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to (RFC 3056 and 4380)."""
    return address.sixtofour or (address.teredo[1] if address.teredo else None)


def _parse(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _public_socket(target: Any) -> socket.socket:
    address = _parse(target[4][0])
    if address is None or not is_public(address):
        raise OSError(PRIVATE)
    return _any_socket(target)


def _any_socket(target: Any) -> socket.socket:
    family, kind, protocol, *_ = target
    return socket.socket(family=family, type=kind, proto=protocol)


async def _read_a_little(answer: aiohttp.ClientResponse) -> None:
    read = 0
    async for chunk in answer.content.iter_chunked(4096):
        read += len(chunk)
        if read > ANSWER_MAX_BYTES:
            answer.close()
            return


def _retry_after_s(value: str | None) -> float | None:
    """RFC 9110, section 10.2.3: seconds or a date."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_MAX_S)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), RETRY_AFTER_MAX_S)


def _reason(error: Exception) -> str:
    """In words of ours: those of the system tell of networks that nobody asks us about."""
    match error:
        case aiohttp.ClientConnectorError(os_error=cause) if PRIVATE in str(cause):
            # Of several addresses that were tried the errors are told in one, as text.
            return PRIVATE
        case aiohttp.ClientConnectorDNSError():
            return "its host has no address"
        case ssl.SSLError() | aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid, or it does not speak TLS"
        case aiohttp.ClientConnectorError():
            return "it cannot be reached"
        case _:
            return "it hung up or did not speak HTTP"
