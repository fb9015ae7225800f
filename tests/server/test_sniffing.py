"""What a file is, from its bytes alone, and never anything that acts in a browser."""

import io
import zipfile
from pathlib import Path

import pytest

from server.sniffing import ANYTHING, HEAD_BYTES, TEXT, sniff
from tests.server.pictures import gif, jpeg, png, webp


def archive(*entries: tuple[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in entries:
            file.writestr(name, text)
    return packed.getvalue()


def office(folder: str) -> bytes:
    return archive(("[Content_Types].xml", "<x/>"), ("_rels/.rels", "<x/>"), (f"{folder}/a.xml", "<x/>"))


OFFICE = "application/vnd.openxmlformats-officedocument."
OPEN = "application/vnd.oasis.opendocument.text"


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (png(), "image/png"),
        (gif(), "image/gif"),
        (webp(), "image/webp"),
        (jpeg(), "image/jpeg"),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b"\x1f\x8b\x08\0more", "application/gzip"),
        (b"\0" * 257 + b"ustar\x0000", "application/x-tar"),
        (b"ID3\x03\0\0", "audio/mpeg"),
        (b"RIFF\0\0\0\0WAVEfmt \0\0", "audio/wav"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heif"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image/avif"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "video/quicktime"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "audio/mp4"),
        (b"\0\0\0\x18ftyp????\0\0\0\0", "video/mp4"),
        (b"\x1a\x45\xdf\xa3....webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3....matroska", "video/x-matroska"),
        (archive(("a.txt", "x")), "application/zip"),
        (archive(("mimetype", "application/x-evil"), ("a", "x")), "application/zip"),
        (archive(("mimetype", OPEN), ("content.xml", "x")), OPEN),
        (office("word"), OFFICE + "wordprocessingml.document"),
        (office("xl"), OFFICE + "spreadsheetml.sheet"),
        (office("ppt"), OFFICE + "presentationml.presentation"),
        (office("other"), "application/zip"),
        (b"", TEXT),
        ("Grüße, 世界 🐎\r\n\t\x1b[1m".encode(), TEXT),
        (b"<!doctype html><script>alert(1)</script>", TEXT),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", TEXT),
        (b"<?xml version='1.0'?><x/>", TEXT),
        (b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", ANYTHING),
        (b"GIF89a=1;alert(1)//", TEXT),
        (b"CWS\x08\xff\0\0", ANYTHING),
        (b"\x7fELF\x02\x01\x01\0", ANYTHING),
        (b"caf\xe9", ANYTHING),
        (bytes(range(256)), ANYTHING),
    ],
)
def test_the_bytes_say_what_a_file_is(tmp_path: Path, data: bytes, content_type: str) -> None:
    path = tmp_path / "evil.html"
    path.write_bytes(data)
    sniffed = sniff(path)
    assert sniffed.content_type == content_type
    assert (sniffed.image is not None) == (
        content_type in {f"image/{k}" for k in ("png", "gif", "webp", "jpeg")}
    )


@pytest.mark.parametrize("before", range(4))
def test_a_character_that_is_cut_in_two_is_still_text(tmp_path: Path, before: int) -> None:
    path = tmp_path / "long.txt"
    path.write_text("x" * before + "🐎" * HEAD_BYTES, "utf-8")
    assert sniff(path).content_type == TEXT
    path.write_bytes(b"\xff" + b"x" * HEAD_BYTES)
    assert sniff(path).content_type == ANYTHING
