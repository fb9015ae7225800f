"""The client's side of the WebSocket handshake (RFC 6455, 4.1), as bytes."""

import base64
import hashlib
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_MAX_BYTES: Final = 16_384


class Address(NamedTuple):
    """Where a server is. `authority` is what a request's `Host` says."""

    host: str
    port: int
    tls: bool
    authority: str
    prefix: str


class Answer(NamedTuple):
    """The server's answer; `rest` are the bytes that came right behind it."""

    status: int
    retry_after_s: float
    rest: bytes


class NotWebSocket(Exception):
    """The answer is none that a WebSocket server gives."""


def parse_url(url: str) -> Address:
    """Raises ValueError for anything but `http://host[:port][/prefix]` and its https and ws kin."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is not the URL of a server, such as http://localhost:8000")
    tls = parts.scheme in ("https", "wss")
    return Address(
        parts.hostname, parts.port or (443 if tls else 80), tls, parts.netloc, parts.path.rstrip("/")
    )


def http_url(address: Address) -> str:
    return f"{'https' if address.tls else 'http'}://{address.authority}{address.prefix}"


def upgrade_request(address: Address, key: str, subprotocol: str, token: str | None) -> bytes:
    """`key` is base64 of 16 random bytes. Without a token the first frame has to be `hello`."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"GET {address.prefix}/ws HTTP/1.1\r\nHost: {address.authority}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n{authorization}\r\n"
    ).encode()


def read_answer(received: bytes, key: str) -> Answer | None:
    """None while the head is not all there. Raises NotWebSocket when it never will be one."""
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        if len(received) > _HEAD_MAX_BYTES:
            raise NotWebSocket("the answer to the upgrade is too long")
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    parts = status_line.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise NotWebSocket("the answer to the upgrade is not HTTP")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    status = int(parts[1])
    if status == 101 and headers.get("sec-websocket-accept") != _accept(key):
        raise NotWebSocket("the answer to the upgrade is for another key")
    retry_after = headers.get("retry-after", "")
    return Answer(status, float(retry_after) if retry_after.isdigit() else 0.0, rest)


def _accept(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
