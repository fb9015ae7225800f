"""What a picture's header says of it: its kind and its size. Nothing is decoded.

Only the kinds that browsers show everywhere and that cannot hold scripts. PNG (third edition, section 11.2),
GIF (89a), WebP (RFC 9649), JPEG (ITU-T T.81, annex B).
"""

import os
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final, Literal

from msgspec import Struct

ImageType = Literal["image/png", "image/gif", "image/webp", "image/jpeg"]

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
BLOCKS_MAX: Final = 200_000
"""How many parts of a file are looked at: more than a picture of 50 MB has."""
# The frame headers of JPEG; C4, C8 and CC among them are something else.
JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class Image(Struct, frozen=True):
    """In pixels: the largest that a decoder makes room for, of all its frames."""

    kind: ImageType
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


class _BrokenError(Exception):
    """The file is not what its first bytes say."""


def read_image(file: IO[bytes]) -> Image | None:
    """What the open file shows; None when it is no picture of these kinds, or a broken one."""
    head = file.read(12)
    reader = next((read for fits, read in _READERS if fits(head)), None)
    if reader is None:
        return None
    file.seek(0)
    try:
        image = reader(file)
    except _BrokenError:
        return None
    return image if image.width > 0 and image.height > 0 else None


def _read_png(file: IO[bytes]) -> Image:
    _take(file, len(PNG_SIGNATURE))
    length, chunk = _big(_take(file, 4)), _take(file, 17)
    if length != 13 or chunk[:4] != b"IHDR" or _big(_take(file, 4)) != zlib.crc32(chunk):
        raise _BrokenError
    return Image("image/png", _big(chunk[4:8]), _big(chunk[8:12]))


def _read_gif(file: IO[bytes]) -> Image:
    """Frames may be larger than the screen that the header names, and decoders make room for them."""
    head = _take(file, 13)
    width, height = _little(head[6:8]), _little(head[8:10])
    _skip(file, _color_table_bytes(head[10]))
    for frame in _gif_frames(file):
        width = max(width, _little(frame[0:2]) + _little(frame[4:6]))
        height = max(height, _little(frame[2:4]) + _little(frame[6:8]))
    return Image("image/gif", width, height)


def _gif_frames(file: IO[bytes]) -> Iterator[bytes]:
    """The descriptor of each frame, without its introducer. A file that is cut off has shown all it has."""
    blocks = iter(range(BLOCKS_MAX))
    for _ in blocks:
        match file.read(1):
            case b"\x2c":
                descriptor = _take(file, 9)
                yield descriptor
                _skip(file, _color_table_bytes(descriptor[8]) + 1)
            case b"\x21":
                _skip(file, 1)
            case b"\x3b" | b"":
                return
            case _:
                raise _BrokenError
        _skip_sub_blocks(file, blocks)
    raise _BrokenError


def _skip_sub_blocks(file: IO[bytes], blocks: Iterator[int]) -> None:
    for _ in blocks:
        length = file.read(1)
        if length in {b"", b"\0"}:
            return
        _skip(file, length[0])
    raise _BrokenError


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _read_webp(file: IO[bytes]) -> Image:
    _take(file, 12)
    name = _take(file, 8)[:4]
    body = _take(file, 10)
    match name:
        case b"VP8X":
            return Image("image/webp", _little(body[4:7]) + 1, _little(body[7:10]) + 1)
        case b"VP8L" if body[0] == 0x2F:
            sizes = _little(body[1:5])
            return Image("image/webp", (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1)
        case b"VP8 " if body[3:6] == b"\x9d\x01\x2a":
            return Image("image/webp", _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF)
    raise _BrokenError


def _read_jpeg(file: IO[bytes]) -> Image:
    """The first frame's header, which comes after any number of other segments."""
    _take(file, 2)
    for _ in range(BLOCKS_MAX):
        marker = _jpeg_marker(file)
        if marker in JPEG_WITHOUT_LENGTH:
            continue
        length = _big(_take(file, 2))
        if marker in JPEG_FRAMES:
            frame = _take(file, 5)
            return Image("image/jpeg", _big(frame[3:5]), _big(frame[1:3]))
        if length < 2:
            raise _BrokenError
        _skip(file, length - 2)
    raise _BrokenError


def _jpeg_marker(file: IO[bytes]) -> int:
    """Any number of FF may come before a marker."""
    if _take(file, 1) != b"\xff":
        raise _BrokenError
    for _ in range(BLOCKS_MAX):
        if (marker := _take(file, 1)) != b"\xff":
            return marker[0]
    raise _BrokenError


def _take(file: IO[bytes], count: int) -> bytes:
    taken = file.read(count)
    if len(taken) < count:
        raise _BrokenError
    return taken


def _skip(file: IO[bytes], count: int) -> None:
    file.seek(count, os.SEEK_CUR)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


_READERS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[IO[bytes]], Image]], ...]] = (
    (lambda head: head.startswith(PNG_SIGNATURE), _read_png),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), _read_gif),
    (lambda head: head.startswith(b"RIFF") and head[8:] == b"WEBP", _read_webp),
    (lambda head: head.startswith(b"\xff\xd8\xff"), _read_jpeg),
)
