"""Files as answers: served so that nothing in them can act in the name of this server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web
from msgspec import Struct

SERVED_SAFELY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
# What a quoted file name holds without escapes (RFC 6266, appendix D).
PLAIN_IN_QUOTES: Final = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\", "%"}


class FileAnswer(Struct, frozen=True, kw_only=True):
    """A file on disk. Parts of it can be asked for, and it is not sent again to whoever has it (RFC 9110)."""

    path: Path
    content_type: str
    headers: Mapping[str, str] = {}


def file_response(answer: FileAnswer) -> web.StreamResponse:
    headers = {"Content-Type": answer.content_type, **answer.headers, **SERVED_SAFELY}
    return web.FileResponse(answer.path, headers=headers)


def disposition(name: str, *, inline: bool) -> str:
    """The header `Content-Disposition` (RFC 6266): the name in ASCII, and as it is where that differs."""
    plain = "".join(char if char in PLAIN_IN_QUOTES else "_" for char in name)
    kind = "inline" if inline else "attachment"
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
