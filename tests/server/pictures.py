"""Small pictures of each kind, of any size that their headers can name."""

import struct
import zlib


def png(width: int = 1, height: int = 1) -> bytes:
    header = struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gif(width: int = 1, height: int = 1, *, frame: tuple[int, int, int, int] | None = None) -> bytes:
    """One frame, at left, top, with a width and height of its own. It has colour tables and a comment."""
    table = b"\0\0\0\xff\xff\xff"
    screen = struct.pack("<HH3B", width, height, 0x80, 0, 0) + table
    comment = b"\x21\xfe\x02hi\x00"
    descriptor = b"\x2c" + struct.pack("<4HB", *(frame or (0, 0, width, height)), 0x80) + table
    return b"GIF89a" + screen + comment + descriptor + b"\x02\x02\x4c\x01\x00\x3b"


def webp(width: int = 1, height: int = 1, kind: bytes = b"VP8X") -> bytes:
    match kind:
        case b"VP8X":
            body = b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        case b"VP8L":
            body = b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little") + b"\0" * 5
        case _:
            body = b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def jpeg(width: int = 1, height: int = 1) -> bytes:
    """Its frame header comes after an application segment and padding."""
    segment = b"\xff\xe0\x00\x10JFIF\0" + b"\0" * 9
    frame = b"\xff\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\0"
    return b"\xff\xd8" + segment + b"\xff\x01" + frame + b"\xff\xd9"
