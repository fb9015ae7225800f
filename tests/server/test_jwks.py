"""A tenant's keys: fetched when they must be, no more often than they may be, and bounded in every way."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from protocol.errors import Unavailable
from server.jwks import DOCUMENT_MAX_BYTES, FETCH_EVERY_S, FRESH_S, KEYS_MAX, Jwks, read_keys
from tests.server.talking import StillClock
from tests.stand_ins.auth0 import StandIn, jwk, rsa_key, tenant


@pytest.fixture
async def auth0() -> AsyncIterator[StandIn]:
    async with tenant() as stand_in:
        yield stand_in


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def keys(auth0: StandIn, clock: StillClock) -> AsyncIterator[Jwks]:
    keys = Jwks(f"{auth0.issuer}.well-known/jwks.json", clock)
    yield keys
    await keys.close()


async def settled(keys: Jwks) -> None:
    """Wait until a fetch in the background has ended."""
    task = keys._fetching
    if task is not None:
        await task


async def is_known(keys: Jwks, kid: str) -> bool:
    return await keys.find(kid) is not None


async def test_a_key_is_fetched_once_and_kept(auth0: StandIn, keys: Jwks) -> None:
    found = [await keys.find("first") for _ in range(3)]
    assert [key and key.public_numbers() for key in found] == [rsa_key(1).public_key().public_numbers()] * 3
    assert auth0.fetches == 1


async def test_warming_up_spares_the_first_token_the_wait(auth0: StandIn, keys: Jwks) -> None:
    keys.warm_up()
    await settled(keys)
    assert await is_known(keys, "first")
    assert auth0.fetches == 1


async def test_an_unknown_key_is_asked_for_at_most_once_a_minute(
    auth0: StandIn, keys: Jwks, clock: StillClock
) -> None:
    assert await is_known(keys, "first")
    for number in range(100):
        assert not await is_known(keys, f"unknown-{number}")
    clock.moved_s += FETCH_EVERY_S - 1
    assert not await is_known(keys, "unknown")
    assert auth0.fetches == 1
    clock.moved_s += 1
    for _ in range(100):
        assert not await is_known(keys, "unknown")
    assert auth0.fetches == 2


async def test_a_key_that_the_tenant_has_taken_up_meanwhile_is_found(
    auth0: StandIn, keys: Jwks, clock: StillClock
) -> None:
    assert await is_known(keys, "first")
    auth0.rotate("second", number=2)
    clock.moved_s += FETCH_EVERY_S
    assert await is_known(keys, "second")
    assert await is_known(keys, "first")
    assert auth0.fetches == 2


async def test_a_key_that_the_tenant_has_withdrawn_is_forgotten(
    auth0: StandIn, keys: Jwks, clock: StillClock
) -> None:
    assert await is_known(keys, "first")
    auth0.rotate("second", number=2)
    auth0.withdraw("first")
    clock.moved_s += FRESH_S
    # It is looked for in the background: who asks now is answered from memory.
    assert await is_known(keys, "first")
    await settled(keys)
    assert not await is_known(keys, "first")
    assert await is_known(keys, "second")


async def test_many_who_ask_at_once_wait_for_one_fetch(auth0: StandIn, keys: Jwks) -> None:
    auth0.may_answer.clear()
    asking = [asyncio.create_task(is_known(keys, kid)) for kid in ["first"] * 20 + ["other"] * 20]
    asking.append(asyncio.create_task(is_known(keys, "first")))
    await auth0.asked.wait()
    # Whoever gives up waiting does not end it for the others.
    asking.pop().cancel()
    auth0.may_answer.set()
    assert await asyncio.gather(*asking) == [True] * 20 + [False] * 20
    assert auth0.fetches == 1


async def test_known_keys_stay_in_use_while_the_tenant_is_away(
    auth0: StandIn, keys: Jwks, clock: StillClock
) -> None:
    assert await is_known(keys, "first")
    auth0.is_down = True
    for _ in range(3):
        clock.moved_s += FRESH_S
        assert await is_known(keys, "first")
        await settled(keys)
    assert not await is_known(keys, "unknown")
    assert auth0.fetches == 4


async def test_without_any_key_nothing_can_be_said_until_the_tenant_is_back(
    auth0: StandIn, keys: Jwks, clock: StillClock
) -> None:
    auth0.is_down = True
    for _ in range(5):
        with pytest.raises(Unavailable):
            await keys.find("first")
    assert auth0.fetches == 1
    assert keys.retry_after_s == FETCH_EVERY_S
    auth0.is_down = False
    clock.moved_s += FETCH_EVERY_S
    assert await is_known(keys, "first")


async def test_a_tenant_that_cannot_be_reached_is_away(clock: StillClock) -> None:
    async with tenant() as gone:
        url = gone.issuer
    keys = Jwks(f"{url}.well-known/jwks.json", clock)
    with pytest.raises(Unavailable):
        await keys.find("first")


async def test_a_tenant_that_does_not_answer_is_given_up(
    auth0: StandIn, keys: Jwks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jwks.FETCH_TIMEOUT_S", 0.05)
    auth0.may_answer.clear()
    with pytest.raises(Unavailable):
        await keys.find("first")


async def test_closing_ends_a_fetch_that_is_under_way(auth0: StandIn, keys: Jwks) -> None:
    auth0.may_answer.clear()
    keys.warm_up()
    await auth0.asked.wait()
    await keys.close()
    await keys.close()


async def test_redirects_are_not_followed(auth0: StandIn, keys: Jwks) -> None:
    auth0.answer = web.Response(status=302, headers={"Location": f"{auth0.issuer}.well-known/jwks.json"})
    with pytest.raises(Unavailable):
        await keys.find("first")
    assert auth0.fetches == 1


@pytest.mark.parametrize("padding", [DOCUMENT_MAX_BYTES, 50 * DOCUMENT_MAX_BYTES])
async def test_a_document_that_is_too_large_is_not_read(auth0: StandIn, keys: Jwks, padding: int) -> None:
    auth0.answer = json.dumps({"keys": auth0.keys, "padding": "x" * padding}).encode()
    with pytest.raises(Unavailable):
        await keys.find("first")


async def test_a_compressed_document_is_not_inflated(auth0: StandIn, keys: Jwks) -> None:
    answer = web.json_response({"keys": auth0.keys})
    answer.enable_compression(web.ContentCoding.gzip)
    auth0.answer = answer
    with pytest.raises(Unavailable):
        await keys.find("first")


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


GOOD = jwk("good", rsa_key(1))


def test_keys_need_say_neither_their_use_nor_their_algorithm() -> None:
    bare = jwk("bare", rsa_key(2), use=None, alg=None)
    assert set(read_keys(document(GOOD, bare))) == {"good", "bare"}


@pytest.mark.parametrize(
    "other",
    [
        jwk("x", rsa_key(2), use="enc"),
        jwk("x", rsa_key(2), alg="RS512"),
        jwk("x", rsa_key(2), alg="HS256"),
        jwk("x", rsa_key(2), kty="EC"),
        jwk("x", rsa_key(2), d="AQAB"),
        jwk("x", rsa_key(2), e="AQ"),
        jwk("x", rsa_key(2), n="AQAB"),
        jwk("x", rsa_key(2), n="not base64!"),
        jwk("x", rsa_key(2), n=None),
        jwk("x", rsa_key(2), n=7),
        jwk("x", rsa_key(3, 1024)),
        jwk("", rsa_key(2)),
        jwk("x" * 256, rsa_key(2)),
        {name: member for name, member in GOOD.items() if name != "kid"},
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0"},
        {},
        "text",
        None,
    ],
)
def test_a_key_that_is_not_for_our_signatures_is_passed_over(other: Any) -> None:
    assert set(read_keys(document(other, GOOD))) == {"good"}


def test_of_two_keys_with_one_name_neither_is_trusted() -> None:
    assert set(read_keys(document(GOOD, jwk("x", rsa_key(2)), jwk("x", rsa_key(3))))) == {"good"}


def test_only_the_first_keys_count() -> None:
    many = [jwk(f"key-{number}", rsa_key(1)) for number in range(KEYS_MAX + 5)]
    assert len(read_keys(document(*many))) == KEYS_MAX


@pytest.mark.parametrize(
    "unusable", [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[" * 10_000]
)
def test_a_document_without_a_usable_key_is_refused(unusable: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_keys(unusable)
