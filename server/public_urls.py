"""The URL by which a request was made, as the outside spells it: what webhooks are signed over."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from server.addresses import Network, is_trusted

SCHEMES: Final = frozenset({"http", "https"})


def asked_url(request: web.Request, public_url: str, trusted: Sequence[Network]) -> str:
    """`public_url` before the request's own path and query; without one, the scheme and host of the request.

    What `X-Forwarded-Proto` and `X-Forwarded-Host` say counts when the peer is a trusted proxy. Of several
    values the last is that proxy's own.
    """
    if public_url:
        return public_url + request.raw_path
    scheme, host = request.scheme, request.host
    if is_trusted(request.remote, trusted):
        scheme = _last(request, "X-Forwarded-Proto") or scheme
        host = _last(request, "X-Forwarded-Host") or host
    return f"{scheme if scheme in SCHEMES else request.scheme}://{host}{request.raw_path}"


def _last(request: web.Request, header: str) -> str:
    return ",".join(request.headers.getall(header, ())).rpartition(",")[2].strip()
