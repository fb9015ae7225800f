"""What headers say of pictures: true sizes, and nothing for what is broken or no picture."""

import io
import random
import struct
from collections.abc import Callable

import pytest

from server import images
from server.images import Image, read_image
from tests.server.pictures import gif, jpeg, png, webp

Make = Callable[[int, int], bytes]
KINDS: dict[str, tuple[Make, str]] = {
    "png": (png, "image/png"),
    "gif": (gif, "image/gif"),
    "jpeg": (jpeg, "image/jpeg"),
    "VP8X": (webp, "image/webp"),
    "VP8L": (lambda width, height: webp(width, height, b"VP8L"), "image/webp"),
    "VP8 ": (lambda width, height: webp(width, height, b"VP8 "), "image/webp"),
}


def read(data: bytes) -> Image | None:
    return read_image(io.BytesIO(data))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (640, 480), (16_000, 3)])
def test_a_picture_tells_its_kind_and_size(name: str, width: int, height: int) -> None:
    make, kind = KINDS[name]
    image = read(make(width, height))
    assert image is not None
    assert (image.kind, image.width, image.height) == (kind, width, height)
    assert image.pixels == width * height


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_that_is_cut_short_is_none_or_has_its_size(name: str) -> None:
    make, _ = KINDS[name]
    whole = make(640, 480)
    for length in range(len(whole)):
        image = read(whole[:length])
        assert image is None or (image.width, image.height) == (640, 480)
    assert read(whole[:12]) is None


def test_a_gifs_frame_counts_when_it_is_larger_than_its_screen() -> None:
    image = read(gif(1, 1, frame=(5, 7, 60_000, 50_000)))
    assert image == Image("image/gif", 60_005, 50_007)


def test_a_picture_without_pixels_is_none() -> None:
    assert read(png(0, 5)) is None
    assert read(gif(5, 0)) is None
    assert read(jpeg(0, 0)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>" + b" " * 40,
        png().replace(b"IHDR", b"IDAT"),
        png()[:20] + b"\xff" + png()[21:],
        b"GIF89a" + struct.pack("<HH3B", 1, 1, 0, 0, 0) + b"<script>",
        b"RIFF\0\0\0\0WAVEfmt " + b"\0" * 30,
        webp(1, 1, b"VP8L").replace(b"\x2f", b"\x2e"),
        webp(1, 1, b"VP8 ").replace(b"\x9d", b"\x9e"),
        b"RIFF\0\0\0\0WEBPICCP" + b"\0" * 30,
        b"\xff\xd8\xff\xe0\x00\x01",
        b"\xff\xd8\xff\xe0\x00\x04ab<html>",
        b"\xff\xd8" + b"\xff" * 50,
    ],
)
def test_what_is_broken_or_no_picture_is_none(data: bytes) -> None:
    assert read(data) is None


def test_a_file_of_endless_parts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "BLOCKS_MAX", 50)
    screen = b"GIF89a" + struct.pack("<HH3B", 1, 1, 0, 0, 0)
    assert read(screen + b"\x21\xfe\x00" * 51 + b"\x3b") is None
    assert read(screen + b"\x21\xfe" + b"\x01a" * 60) is None
    assert read(b"\xff\xd8" + b"\xff\xd0" * 60) is None
    assert read(b"\xff\xd8" + b"\xff" * 60) is None


def test_no_bytes_upset_the_reader() -> None:
    chance = random.Random(7)
    for make, _ in KINDS.values():
        for _ in range(300):
            data = bytearray(make(64, 64))
            for _ in range(3):
                data[chance.randrange(len(data))] = chance.randrange(256)
            image = read(bytes(data))
            assert image is None or image.pixels > 0
