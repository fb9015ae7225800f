"""The outside of a signed token (RFC 7515, compact): read strictly, before anybody believes what is inside.

Both issuers' tokens pass through here. It names no key and verifies nothing: `tokens.py` and `auth0.py` do.
"""

import base64
import binascii
import json
from typing import Any, Final

import msgspec

TOKEN_MAX_CHARS: Final = 8192
NAME_MAX_CHARS: Final = 255
"""The longest `kid`, `iss` or other name that is worth looking at."""


class Header(msgspec.Struct, frozen=True):
    """What a header says of its signature. Keys that it brings along (`jwk`, `jku`, `x5u`) are not read."""

    alg: str
    typ: str | None = None
    kid: str | None = None


class Unverified(msgspec.Struct, frozen=True):
    """A token's parts, which anybody may have written; `signed` is what its signature is over."""

    header: Header
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str | None:
        """Who says to have issued it: it decides who is asked, and nothing else."""
        try:
            return msgspec.json.decode(self.payload, type=_Issuer).iss
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class _Issuer(msgspec.Struct, frozen=True):
    iss: str | None = None


def dissect(token: str) -> Unverified | None:
    """The parts of a token.

    None for what is too long, is not three parts in base64url, holds anything but one JSON object in each,
    names a member twice (RFC 8725, 2.4), or asks for an extension to be understood: we understand none
    (RFC 7515, 4.1.11).
    """
    if len(token) > TOKEN_MAX_CHARS or token.count(".") != 2:
        return None
    head, body, tail = token.split(".")
    try:
        header_json, payload, signature = map(_from_base64url, (head, body, tail))
        _refuse_repeated_names(payload)
        if {"crit", "b64"} & _refuse_repeated_names(header_json).keys():
            return None
        header = msgspec.json.decode(header_json, type=Header)
        return Unverified(header, payload, f"{head}.{body}".encode(), signature)
    except (ValueError, RecursionError):
        return None


def _from_base64url(part: str) -> bytes:
    """Without padding, line breaks or anything else that other readers might pass over."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(part) from error
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise ValueError(part)
    return data


def _refuse_repeated_names(document: bytes) -> dict[str, Any]:
    """The object. ValueError when it is none, or when it or one inside it names a member twice."""
    value = json.loads(document, object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - for the caller it is one more unreadable token
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members
