"""Uploaded bytes on disk, each content once, under the name of its hash.

What is received goes to a file of its own and is hashed on the way. Keeping it makes it durable and renames
it into place; whoever refers to it does so afterwards, so that no reference is ever without its bytes.
"""

import asyncio
import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

from msgspec import Struct

from protocol.errors import Unavailable

T = TypeVar("T")

FRESH_S: Final = 3600.0
"""How long bytes that nobody refers to are left alone: their reference may be on its way."""
SWEPT_AT_ONCE: Final = 200
NAME_CHARS: Final = 64
HEXADECIMAL: Final = frozenset("0123456789abcdef")

IsKept = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Which of these hashes somebody refers to."""


class Blob(Struct, frozen=True):
    """Received bytes that are not kept yet. `size` in bytes, `sha256` in hexadecimal."""

    path: Path
    size: int
    sha256: str


class Blobs:
    """The bytes below one folder. Several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"

    def path(self, sha256: str) -> Path:
        """Where kept bytes are."""
        return self._folder / sha256[:2] / sha256

    async def receive(self, chunks: AsyncIterator[bytes], max_bytes: int) -> Blob | None:
        """What comes, on disk; None as soon as it is more than `max_bytes`.

        Raises `Unavailable` when it cannot be written, and whatever `chunks` raises; nothing is left then.
        """
        incoming = await _on_disk(_Incoming, self._incoming)
        try:
            async for chunk in chunks:
                if incoming.size + len(chunk) > max_bytes:
                    return None
                await _on_disk(incoming.write, chunk)
            return await _on_disk(incoming.finish)
        finally:
            await _on_disk(incoming.close)

    async def keep(self, blob: Blob) -> None:
        """Durably, in place of the same bytes if they are there already. Raises `Unavailable`."""
        await _on_disk(_put_into_place, blob.path, self.path(blob.sha256))

    async def discard(self, blob: Blob) -> None:
        """Forget what was received, unless it was kept."""
        await _on_disk(_forget, blob.path)

    async def sweep(self, is_kept: IsKept, fresh_s: float = FRESH_S) -> int:
        """Remove the bytes that nobody refers to, and what was never received to its end; how many went."""
        before = time.time() - fresh_s
        swept = await _on_disk(self._remove_unfinished, before)
        for chunk in await _on_disk(self._stale, before):
            kept = await is_kept(chunk)
            swept += await _on_disk(self._remove, set(chunk).difference(kept), before)
        return swept

    def _stale(self, before: float) -> list[list[str]]:
        """The hashes of all bytes that are older, in chunks."""
        paths = (path for path in self._folder.glob("??/*") if _is_name(path.name))
        names = sorted(path.name for path in paths if _changed_at(path) < before)
        return [names[start : start + SWEPT_AT_ONCE] for start in range(0, len(names), SWEPT_AT_ONCE)]

    def _remove(self, names: Collection[str], before: float) -> int:
        return sum(_remove_stale(self.path(name), self._incoming, before) for name in names)

    def _remove_unfinished(self, before: float) -> int:
        removed = 0
        for path in self._incoming.glob("*"):
            if _is_name(path.name):
                # A sweeper has died with it in its hand, or is at work.
                _put_back(path, self.path(path.name))
            elif _changed_at(path) < before:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


class _Incoming:
    """A file that is being received."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self._is_finished = False
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def finish(self) -> Blob:
        self._file.flush()
        self._is_finished = True
        return Blob(self._path, self.size, self._hash.hexdigest())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._is_finished:
            self._path.unlink(missing_ok=True)


async def _on_disk(work: Callable[..., T], *arguments: object) -> T:
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise Unavailable(f"uploads cannot be written: {error}") from error


def _forget(received: Path) -> None:
    received.unlink(missing_ok=True)


def _put_into_place(received: Path, place: Path) -> None:
    _sync(received)
    if not place.parent.exists():
        place.parent.mkdir(mode=0o700, exist_ok=True)
        # The folder above may be as new.
        for folder in place.parents[1:3]:
            _sync(folder)
    # Also when the bytes are there: this makes them fresh, and a sweeper that had its eye on them lets go.
    os.utime(received)
    received.replace(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(moved: Path, place: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        moved.replace(place)


def _remove_stale(place: Path, aside: Path, before: float) -> int:
    """Whether they went. Who keeps the same bytes at this moment finds them gone, or makes them fresh.

    Another sweeper may take them out of this one's hand.
    """
    moved = aside / place.name
    with contextlib.suppress(FileNotFoundError):
        aside.mkdir(mode=0o700, exist_ok=True)
        place.rename(moved)
        if moved.stat().st_mtime >= before:
            moved.rename(place)
            return 0
        moved.unlink()
        return 1
    return 0


def _changed_at(path: Path) -> float:
    """Seconds since the epoch; what is gone meanwhile has just changed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _is_name(name: str) -> bool:
    return len(name) == NAME_CHARS and HEXADECIMAL.issuperset(name)
