"""Which passwords are taken, and that hashing them leaves the event loop alone."""

import asyncio
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from protocol.errors import Code, Refused
from server.passwords import WAITING_MAX, PasswordHasher, common_passwords, password_refusal


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(rounds=4)
    yield hasher
    hasher.close()


@pytest.mark.parametrize("password", ["correct-battery", "ünïcödé!", "x7" * 36, "🐎🔋"])
def test_an_ordinary_password_is_taken(password: str) -> None:
    assert password_refusal(password, "alice", "alice@example.org") is None


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short12",
        "x7" * 36 + "!",
        "é" * 37,
        "alexandra",
        "ALEXANDRA",
        "Sasha@Example.org",
        "qwertyuiop",
        "PassWord123",
    ],
)
def test_a_weak_or_long_one_is_refused_by_name(password: str) -> None:
    refusal = password_refusal(password, "alexandra", "sasha@example.org", field="new_password")
    assert refusal is not None
    assert (refusal.code, refusal.field) == (Code.INVALID, "new_password")
    assert password not in refusal.message or not password


def test_the_shipped_list_holds_only_what_could_be_a_password() -> None:
    assert len(common_passwords()) > 900
    assert all(8 <= len(word.encode()) <= 72 and word == word.casefold() for word in common_passwords())


async def test_a_hash_fits_its_password_only(hasher: PasswordHasher) -> None:
    hashed = await hasher.hash("correct-battery")
    assert hashed.startswith("$2b$04$")
    assert await hasher.verify("correct-battery", hashed)
    assert not await hasher.verify("correct-battery!", hashed)
    assert not await hasher.verify("", hashed)


async def test_nothing_fits_where_there_is_no_hash(hasher: PasswordHasher) -> None:
    assert not await hasher.verify("correct-battery", None)


async def test_what_was_never_accepted_is_not_cut_to_fit(hasher: PasswordHasher) -> None:
    longest = "x7" * 36
    hashed = await hasher.hash(longest)
    assert await hasher.verify(longest, hashed)
    assert not await hasher.verify(longest + "!", hashed)
    empty = bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode()
    assert not await hasher.verify(longest + "!", empty)
    assert not await hasher.verify("\0", empty)


async def test_comparing_with_nobody_costs_as_many_rounds_as_with_somebody() -> None:
    compared: list[bytes] = []
    hasher = PasswordHasher(rounds=6)
    original = bcrypt.checkpw

    def remember(given: bytes, hashed: bytes) -> bool:
        compared.append(hashed)
        return original(given, hashed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", remember)
        await hasher.verify("correct-battery", None)
    hasher.close()
    assert compared[0].startswith(b"$2b$06$")
    assert len(compared[0]) == 60


async def test_too_many_waiting_are_refused_with_a_hint(hasher: PasswordHasher) -> None:
    gate = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", lambda *_: gate.wait(10))
        waiting = [asyncio.create_task(hasher.verify("correct-battery", "$")) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as caught:
            await hasher.verify("correct-battery", "$")
        gate.set()
        assert all(await asyncio.gather(*waiting))
    assert caught.value.refusal.code == Code.OVERLOADED
    assert (caught.value.refusal.retry_after_ms or 0) > 0
