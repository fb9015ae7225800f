"""The WebSocket upgrade (RFC 6455, section 4.2) as a decision: a request's headers in, an answer out.

Who the client is and whether there is room for it is decided elsewhere.
Next on a message's path: `frames.py` reads what follows the upgrade.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from protocol.codec import CODECS, JSON, Codec

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_AUTHORITY: Final = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?"
_HOST: Final = re.compile(_AUTHORITY, re.ASCII | re.IGNORECASE)
_WEB_ORIGIN: Final = re.compile(f"(https?)://{_AUTHORITY}", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class UpgradeAccepted(msgspec.Struct, frozen=True):
    """`response` is the whole 101 answer; `codec` is what both sides speak after it."""

    codec: Codec
    response: bytes


class UpgradeRefused(msgspec.Struct, frozen=True):
    """An HTTP answer: its status, a text for a client's developer, and the headers its status asks for."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def check_upgrade(
    method: str, headers: Mapping[str, str], allowed_origins: AbstractSet[str]
) -> UpgradeAccepted | UpgradeRefused:
    """Answer an upgrade request.

    `headers.items()` may name a header more than once. `allowed_origins` are let in beside the pages of this
    very host, as `scheme://host[:port]`; `*` lets in every page.
    """
    fields = _folded(headers)
    refusal = _refuse_request(method, fields) or _refuse_origin(fields, allowed_origins)
    if refusal is not None:
        return refusal
    offered = [name for name in map(str.strip, fields.get("sec-websocket-protocol", "").split(",")) if name]
    spoken = [name for name in offered if name in CODECS]
    if offered and not spoken:
        return UpgradeRefused(400, f"Offer one of the subprotocols {', '.join(CODECS)}, or none.")
    subprotocol = spoken[0] if spoken else None
    codec = CODECS[subprotocol] if subprotocol else JSON
    return UpgradeAccepted(codec, _response(fields["sec-websocket-key"], subprotocol))


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _folded(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined by commas (RFC 9110, 5.3)."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        known = name.lower()
        fields[known] = f"{fields[known]},{value}" if known in fields else value.strip()
    return fields


def _refuse_request(method: str, fields: dict[str, str]) -> UpgradeRefused | None:
    """What is wrong with it as an upgrade. A header named twice where one is meant fails its own check."""
    if method != "GET":
        return UpgradeRefused(405, "Open a WebSocket with GET.", (("Allow", "GET"),))
    if "websocket" not in _tokens(fields, "upgrade") or "upgrade" not in _tokens(fields, "connection"):
        text = "This is a WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`."
        return UpgradeRefused(426, text, (("Upgrade", "websocket"), ("Connection", "Upgrade")))
    if fields.get("sec-websocket-version") != "13":
        return UpgradeRefused(426, "Speak WebSocket version 13.", (("Sec-WebSocket-Version", "13"),))
    if not _is_key(fields.get("sec-websocket-key", "")):
        return UpgradeRefused(400, "`Sec-WebSocket-Key` is 16 bytes in base64.")
    if not _HOST.fullmatch(fields.get("host", "")):
        return UpgradeRefused(400, "Name one host in `Host`.")
    # A body would be read as frames by us and as something else by a proxy.
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        return UpgradeRefused(400, "An upgrade has no body.")
    return None


def _tokens(fields: dict[str, str], name: str) -> list[str]:
    return [token.strip().lower() for token in fields.get(name, "").split(",")]


def _is_key(key: str) -> bool:
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _refuse_origin(fields: dict[str, str], allowed: AbstractSet[str]) -> UpgradeRefused | None:
    """Browsers name the page that connects; only ours and those let in may."""
    origin = fields.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return None
    page = _normal(origin)
    # Our own scheme is not asked: a proxy may have taken the TLS off. A `Host` without a port has the page's.
    if page is not None and page in map(_normal, (f"{page[0]}://{fields['host']}", *allowed)):
        return None
    return UpgradeRefused(403, "Pages of this origin may not connect.")


def _normal(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a web origin; None for `null` and whatever else is not one."""
    match = _WEB_ORIGIN.fullmatch(origin.rstrip("/"))
    if match is None:
        return None
    scheme = match[1].lower()
    return scheme, match[2].lower(), int(match[3] or _DEFAULT_PORTS[scheme])


def _response(key: str, subprotocol: str | None) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()
