"""Passwords: what makes one acceptable, and hashing them off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Final, TypeVar

import bcrypt

from protocol.errors import Code, Refusal, Refused

MIN_BYTES: Final = 8
MAX_BYTES: Final = 72
WAITING_MAX: Final = 64
OVERLOADED_RETRY_MS: Final = 2000

_Answer = TypeVar("_Answer")


def password_refusal(password: str, username: str, email: str, field: str = "password") -> Refusal | None:
    """Why this is no password for this user, or None. bcrypt sees 72 bytes: longer ones are refused."""
    size = len(password.encode())
    if not MIN_BYTES <= size <= MAX_BYTES:
        return _refuse(
            field, f"A password has {MIN_BYTES} to {MAX_BYTES} bytes of UTF-8; this one has {size}."
        )
    folded = password.casefold()
    if folded in (username.casefold(), email.casefold(), email.casefold().partition("@")[0]):
        return _refuse(field, "The password must not be the user name or the e-mail address.")
    if folded in common_passwords():
        return _refuse(field, "This password is one of the most common ones. Choose another.")
    return None


@cache
def common_passwords() -> frozenset[str]:
    """The most common passwords of at least 8 characters, in lower case. Read at first use."""
    text = files("server").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


class PasswordHasher:
    """bcrypt in a few threads of its own, so that nobody's login holds up the event loop."""

    def __init__(self, rounds: int, threads: int = 2) -> None:
        self._rounds = rounds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._waiting = 0
        # Compared with when there is no such user, so that the answer takes as long: a hash of nothing known.
        self._nobody = f"$2b${rounds:02}${'.' * 53}"

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises Refused `overloaded` when too many wait already."""
        return await self._run(
            lambda: bcrypt.hashpw(password.encode(), bcrypt.gensalt(self._rounds)).decode()
        )

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password fits. Takes as long when there is nothing to compare it with.

        Raises Refused `overloaded` when too many wait already.
        """
        secret = password.encode()
        # Longer ones were never accepted, and bcrypt does not take them.
        comparable = secret if len(secret) <= MAX_BYTES and b"\0" not in secret else b""
        fits = await self._run(lambda: bcrypt.checkpw(comparable, (hashed or self._nobody).encode()))
        return fits and hashed is not None and comparable == secret

    def close(self) -> None:
        """Wait for the running ones, drop the others, and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[[], _Answer]) -> _Answer:
        if self._waiting >= WAITING_MAX:
            raise Refused(
                Refusal(
                    Code.OVERLOADED,
                    "Too many log-ins at once. Try again in a moment.",
                    retry_after_ms=OVERLOADED_RETRY_MS,
                )
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(Code.INVALID, message, field=field)
