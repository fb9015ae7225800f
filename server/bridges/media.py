"""Pictures and the like that come with a message: links to where they are, never fetched from here. Pure."""

import re
from typing import Final
from urllib.parse import urlsplit

from storage.attachments import NewLink

URL_MAX_CHARS: Final = 2_000
# Printable ASCII, without what ends a link in texts or has another meaning in pages.
PLAIN_URL: Final = re.compile(r"https://[!#-;=?-\[\]_a-z~]+")
CONTENT_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}")
ENDING: Final = re.compile(r"[a-z0-9]{1,10}")
UNKNOWN_TYPE: Final = "application/octet-stream"
SHOWN_KINDS: Final = frozenset({"image", "audio", "video"})


def link_of(url: str, content_type: str, number: int) -> NewLink | None:
    """The `number`-th medium of a message; None where that is no link that people should follow."""
    if not is_link(url):
        return None
    said = content_type.partition(";")[0].strip().lower()
    known = said if CONTENT_TYPE.fullmatch(said) else UNKNOWN_TYPE
    return NewLink(name_of(known, number), known, url)


def is_link(url: str) -> bool:
    """Whether it leads by HTTPS to a named host, and nowhere else than it seems."""
    if len(url) > URL_MAX_CHARS or not PLAIN_URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return "@" not in parts.netloc and is_name(parts.hostname or "")


def is_name(host: str) -> bool:
    """Whether this is a name on the internet: no address, and nothing of somebody's own network."""
    first, dot, last = host.rpartition(".")
    return bool(first and dot) and last.isascii() and last.isalpha() and last != "local"


def name_of(content_type: str, number: int) -> str:
    """`image-1.jpeg`: nobody says what it is called."""
    kind, _, form = content_type.partition("/")
    stem = kind if kind in SHOWN_KINDS else "file"
    is_ending = content_type != UNKNOWN_TYPE and ENDING.fullmatch(form)
    return f"{stem}-{number}.{form}" if is_ending else f"{stem}-{number}"
