"""The server's URL as the outside spells it: its own, and that by which a request was made."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from server.addresses import Network, is_trusted
from server.header_text import readable
from server.settings import Settings
from server.tls import has_tls

SCHEMES: Final = frozenset({"http", "https"})
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
NAMELESS: Final = "localhost"


def own_url(settings: Settings) -> str:
    """`PUBLIC_URL`, or what the domain, the port and TLS make one; empty where no domain is known.

    To everybody else `localhost` is another machine.
    """
    if settings.public_url or settings.domain == NAMELESS:
        return settings.public_url
    scheme = "https" if has_tls(settings) else "http"
    port = "" if settings.port in {0, DEFAULT_PORTS[scheme]} else f":{settings.port}"
    return f"{scheme}://{settings.domain}{port}"


def own_origins(settings: Settings) -> frozenset[str]:
    """Where our own pages come from even when a proxy has changed `Host`, which also may have added TLS."""
    named = {f"{scheme}://{settings.domain}" for scheme in SCHEMES} if settings.domain != NAMELESS else set()
    url = urlsplit(own_url(settings))
    return frozenset(named | ({f"{url.scheme}://{url.netloc}"} if url.netloc else set()))


def asked_url(request: web.Request, public_url: str, trusted: Sequence[Network]) -> str:
    """`public_url` before the request's own path and query; without one, the scheme and host of the request.

    What `X-Forwarded-Proto` and `X-Forwarded-Host` say counts when the peer is a trusted proxy. Of several
    values the last is that proxy's own.
    """
    path = readable(request.raw_path)
    if public_url:
        return public_url + path
    scheme, host = request.scheme, request.host
    if is_trusted(request.remote, trusted):
        scheme = _last(request, "X-Forwarded-Proto") or scheme
        host = _last(request, "X-Forwarded-Host") or host
    return f"{scheme if scheme in SCHEMES else request.scheme}://{readable(host)}{path}"


def _last(request: web.Request, header: str) -> str:
    return ",".join(request.headers.getall(header, ())).rpartition(",")[2].strip()
