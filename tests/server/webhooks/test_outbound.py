"""Requests go to public addresses only, wherever a name leads, follow no redirect, and come to an end."""

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest

from server.webhooks.outbound import (
    ANSWER_MAX_BYTES,
    PRIVATE,
    Answered,
    Outbound,
    Unreached,
    is_public,
    objection_to,
)
from tests.stand_ins.receiver import HangsUp, Receiver, Replies, Stalls, receiver


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    async with receiver() as stand_in:
        yield stand_in


@pytest.fixture
async def anywhere() -> AsyncIterator[Outbound]:
    outbound = Outbound(is_private_allowed=True, timeout_s=0.2)
    yield outbound
    await outbound.close()


@pytest.fixture
async def outside() -> AsyncIterator[Outbound]:
    outbound = Outbound(is_private_allowed=False)
    yield outbound
    await outbound.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:1.1.1.1",
        "::1.1.1.1",
        "::ffff:0:1.1.1.1",
        "4000::1",
        "192.0.0.9",
        "168.63.129.16",
        "64:ff9b::7f00:1",
        "64:ff9b::a83f:8110",
        "64:ff9b:1::101:101",
        "2002:a83f:8110::",
        "2002:7f00:1::",
        "2001:0:53aa:64c:0:0:80ff:fffe",
    ],
)
def test_what_is_not_of_the_public_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"])
def test_what_is(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.org",
        "x.org",
        "https://",
        "https://[::1",
        "https://x.org:99999",
        "https://x.org:0",
        "https://ann@x.org",
        "https://ann:pw@x.org",
        "https://bücher.example",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest",
    ],
)
def test_urls_that_are_objected_to(url: str) -> None:
    assert objection_to(url, is_private_allowed=False) is not None


def test_private_addresses_may_be_allowed_but_no_passwords() -> None:
    assert objection_to("http://127.0.0.1:8000/x?y", is_private_allowed=True) is None
    assert objection_to("https://x.org", is_private_allowed=False) is None
    assert objection_to("http://ann:pw@127.0.0.1", is_private_allowed=True) is not None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_no_spelling_of_this_machine_is_reached(outside: Outbound, told: Receiver, host: str) -> None:
    url = told.url.replace("127.0.0.1", host)
    answer = await outside.post(url, b"x", {})
    assert isinstance(answer, Unreached)
    assert told.attempts == 0


async def test_a_name_that_leads_to_a_private_address_only_when_connecting_is_refused(
    outside: Outbound, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[dict[str, Any]]:
        port = int(told.url.rpartition(":")[2].partition("/")[0])
        found = {"hostname": "x.org", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [found | {"host": "127.0.0.1"}, found | {"host": "10.0.0.1"}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    assert await outside.post("http://x.org/hook", b"x", {}) == Unreached(PRIVATE)
    assert told.attempts == 0


async def test_answers_are_what_they_say(anywhere: Outbound, told: Receiver) -> None:
    told.otherwise = Replies(302, {"Location": "/elsewhere"})
    assert await anywhere.post(told.url, b"x", {}) == Answered(302, None)
    assert told.elsewhere == 0
    told.otherwise = Replies(503, {"Retry-After": "7"})
    assert await anywhere.post(told.url, b"x", {}) == Answered(503, 7.0)


@pytest.mark.parametrize(
    ("value", "after_s"),
    [
        ("soon", None),
        ("-1", None),
        ("9" * 400, 86_400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 86_400.0),
    ],
)
async def test_when_to_ask_again_is_believed_within_bounds(
    anywhere: Outbound, told: Receiver, value: str, after_s: float | None
) -> None:
    told.otherwise = Replies(429, {"Retry-After": value})
    assert await anywhere.post(told.url, b"x", {}) == Answered(429, after_s)


async def test_a_receiver_that_stalls_is_not_waited_for(anywhere: Outbound, told: Receiver) -> None:
    told.otherwise = Stalls()
    assert await anywhere.post(told.url, b"x", {}) == Unreached("no answer in time")


async def test_a_long_answer_is_not_read_to_its_end(anywhere: Outbound, told: Receiver) -> None:
    told.otherwise = Replies(500, body_bytes=100 * ANSWER_MAX_BYTES)
    assert await anywhere.post(told.url, b"x", {}) == Answered(500, None)


async def test_reasons_tell_nothing_of_networks(anywhere: Outbound, told: Receiver) -> None:
    told.otherwise = HangsUp()
    assert await anywhere.post(told.url, b"x", {}) == Unreached("it hung up or did not speak HTTP")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        assert await anywhere.post(f"http://127.0.0.1:{port}", b"x", {}) == Unreached("it cannot be reached")
    tls = await anywhere.post(told.url.replace("http:", "https:"), b"x", {})
    assert tls == Unreached("its certificate is not valid, or it does not speak TLS")


async def test_a_name_without_an_address_is_said(anywhere: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> list[dict[str, Any]]:
        raise OSError("no such name")

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    assert await anywhere.post("http://x.invalid", b"x", {}) == Unreached("its host has no address")
