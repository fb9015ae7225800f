"""Uploaded bytes: kept once, cut when too many, gone when nobody needs them and never before."""

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import pytest

from protocol.errors import Unavailable
from server import blobs as module
from server.blobs import FRESH_S, Blob, Blobs

HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "files")


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


async def receive(blobs: Blobs, *data: bytes, max_bytes: int = 100) -> Blob:
    blob = await blobs.receive(chunks(*data), max_bytes)
    assert blob is not None
    return blob


async def keep(blobs: Blobs, data: bytes) -> Path:
    blob = await receive(blobs, data)
    await blobs.keep(blob)
    return blobs.path(blob.sha256)


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def make_old(path: Path) -> None:
    long_ago = time.time() - FRESH_S - 60
    os.utime(path, (long_ago, long_ago))


async def nobody(_: Sequence[str]) -> Collection[str]:
    return ()


async def test_what_is_kept_is_found_under_its_hash_and_once(blobs: Blobs, tmp_path: Path) -> None:
    blob = await receive(blobs, b"he", b"llo")
    assert (blob.size, blob.sha256, blob.path.read_bytes()) == (5, HELLO, b"hello")
    await blobs.keep(blob)
    assert blobs.path(HELLO).read_bytes() == b"hello"
    await keep(blobs, b"hello")
    await blobs.discard(blob)
    assert files_below(tmp_path) == [HELLO]


async def test_others_on_the_machine_may_not_read_it(blobs: Blobs, tmp_path: Path) -> None:
    path = await keep(blobs, b"hello")
    for each in (path, path.parent, tmp_path / "files" / "incoming"):
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0


async def test_it_is_on_disk_before_it_is_in_its_place(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob, synced = await receive(blobs, b"hello"), list[tuple[str, bool]]()
    place = blobs.path(HELLO)

    def sync(path: Path) -> None:
        synced.append((path.name, place.exists()))

    monkeypatch.setattr(module, "_sync", sync)
    await blobs.keep(blob)
    assert synced == [
        (blob.path.name, False),
        ("files", False),
        (tmp_path.name, False),
        (place.parent.name, True),
    ]


async def test_too_many_bytes_are_cut_early_and_leave_nothing(blobs: Blobs, tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 10
            yield b"0123456789"

    assert await blobs.receive(endless(), 95) is None
    assert (taken, files_below(tmp_path)) == (100, [])
    assert (await receive(blobs, b"x" * 95, max_bytes=95)).size == 95


async def test_a_sender_who_fails_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.receive(failing(), 100)
    assert files_below(tmp_path) == []


async def test_what_is_discarded_is_gone(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.discard(await receive(blobs, b"hello"))
    assert files_below(tmp_path) == []


async def test_a_disk_that_does_not_take_it_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("no folder")
    with pytest.raises(Unavailable, match="uploads cannot be written"):
        await Blobs(tmp_path / "files").receive(chunks(b"x"), 100)


async def test_sweeping_removes_what_is_old_and_that_nobody_refers_to(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEPT_AT_ONCE", 2)
    asked: list[str] = []
    old = [await keep(blobs, bytes([number])) for number in range(5)]
    for path in old:
        make_old(path)
    fresh = await keep(blobs, b"fresh")

    async def is_kept(names: Sequence[str]) -> Collection[str]:
        assert len(names) <= 2
        asked.extend(names)
        return {old[0].name, old[3].name} & set(names)

    assert await blobs.sweep(is_kept) == 3
    assert asked == sorted(path.name for path in old)
    assert files_below(tmp_path) == sorted([old[0].name, old[3].name, fresh.name])


async def test_sweeping_an_empty_place_is_nothing_to_do(blobs: Blobs) -> None:
    assert await blobs.sweep(nobody) == 0


async def test_what_was_never_received_to_its_end_is_removed_later(blobs: Blobs, tmp_path: Path) -> None:
    abandoned, running = await receive(blobs, b"a"), await receive(blobs, b"b")
    make_old(abandoned.path)
    assert await blobs.sweep(nobody) == 1
    assert files_below(tmp_path) == [running.path.name]


async def test_other_files_in_the_folder_are_left_alone(blobs: Blobs, tmp_path: Path) -> None:
    path = await keep(blobs, b"x")
    note = path.parent / "README"
    note.write_text("mine")
    make_old(note)
    assert await blobs.sweep(nobody) == 0
    assert note.exists()


async def test_bytes_that_come_again_while_they_are_swept_stay(blobs: Blobs) -> None:
    path = await keep(blobs, b"hello")
    make_old(path)

    async def comes_again(names: Sequence[str]) -> Collection[str]:
        await keep(blobs, b"hello")
        return ()

    assert await blobs.sweep(comes_again) == 0
    assert path.read_bytes() == b"hello"


async def test_two_who_sweep_at_once_do_not_stumble(blobs: Blobs, tmp_path: Path) -> None:
    for number in range(20):
        make_old(await keep(blobs, bytes([number])))
    assert sum(await asyncio.gather(*(blobs.sweep(nobody) for _ in range(3)))) == 20
    assert files_below(tmp_path) == []


async def test_a_sweeper_that_died_with_bytes_in_its_hand_has_lost_none(blobs: Blobs, tmp_path: Path) -> None:
    path = await keep(blobs, b"hello")
    path.rename(tmp_path / "files" / "incoming" / path.name)
    assert await blobs.sweep(nobody) == 0
    assert path.read_bytes() == b"hello"
