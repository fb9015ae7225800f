"""What a file is, from its bytes: never from its name or from what its sender says.

A table of our own, because people are shown what it says: libraries that know thousands of signatures call
any archive a document and a telephone's photograph a film. What could act in a browser has no line here: text
is `text/plain`, whatever it is written in, and all else is `application/octet-stream`.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from server.images import Image, read_image

HEAD_BYTES: Final = 64 * 1024
TEXT: Final = "text/plain"
ANYTHING: Final = "application/octet-stream"
ZIP: Final = "application/zip"

SIGNATURES: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"OggS", "application/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (8, b"WAVEfmt ", "audio/wav"),
    (8, b"AVI LIST", "video/x-msvideo"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"wOFF", "font/woff"),
)
# The brand of an ISO base media file (ISO/IEC 14496-12, section 4.3).
BRANDS: Final[tuple[tuple[tuple[bytes, ...], str], ...]] = (
    ((b"avif", b"avis"), "image/avif"),
    ((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), "image/heif"),
    ((b"M4A ", b"M4B "), "audio/mp4"),
    ((b"qt  ",), "video/quicktime"),
    ((b"3gp", b"3g2"), "video/3gpp"),
    ((b"isom", b"iso", b"mp4", b"avc1", b"M4V ", b"dash", b"MSNV"), "video/mp4"),
)
OFFICE: Final[tuple[tuple[bytes, str], ...]] = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
# An archive whose first entry, not compressed, says what it is: OpenDocument and EPUB.
SAYS_ITSELF: Final = re.compile(
    rb"PK\x03\x04.{26}mimetype(application/(?:vnd\.oasis\.opendocument\.[a-z-]{1,40}|epub\+zip))", re.DOTALL
)
NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
LONGEST_CHARACTER: Final = 4


class Sniffed(Struct, frozen=True):
    """What a file is; `image` when browsers may show it as it is."""

    content_type: str
    image: Image | None


def sniff(path: Path) -> Sniffed:
    """Reads the file: call it in a thread."""
    with path.open("rb") as file:
        image = read_image(file)
        if image is not None:
            return Sniffed(image.kind, image)
        file.seek(0)
        return Sniffed(_content_type(file.read(HEAD_BYTES)), None)


def _content_type(head: bytes) -> str:
    for offset, signature, content_type in SIGNATURES:
        if head.startswith(signature, offset):
            return content_type
    if head.startswith(b"PK\x03\x04"):
        return _archive(head)
    if head[4:8] == b"ftyp":
        return _film(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return TEXT if _is_text(head) else ANYTHING


def _archive(head: bytes) -> str:
    if says := SAYS_ITSELF.match(head):
        return says[1].decode("ascii")
    if head[30:].startswith((b"[Content_Types].xml", b"_rels/.rels")):
        return next((kind for folder, kind in OFFICE if folder in head), ZIP)
    return ZIP


def _film(brand: bytes) -> str:
    return next((kind for brands, kind in BRANDS if brand.startswith(brands)), "video/mp4")


def _is_text(head: bytes) -> bool:
    """UTF-8 without characters that no text has. The last one may be cut in two."""
    if NO_TEXT.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start > len(head) - LONGEST_CHARACTER
    return True
