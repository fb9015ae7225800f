"""Rates over REST: what is left is told beside every answer of a limited route, and when to come back."""

from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import FormData

from protocol.ids import UserId
from protocol.rates import Rate
from server.rest.files import UNSENT_MAX_UPLOADS
from server.settings import Settings
from tests.server.rest.client import PASSWORD, Api, serving
from tests.server.uploading import upload

THRICE = Rate(per_s=0.01, burst=3)
TOLD = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def told(api: Api) -> tuple[int, ...]:
    return tuple(int(api.headers[name]) for name in TOLD)


async def test_a_log_in_tells_how_often_it_may_still_fail(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THRICE) as running:
        nobody = running.nobody
        await nobody.register("alice")
        body = {"username": "alice", "password": "wrong-password"}
        for left in (2, 1, 0):
            await nobody.refused("POST", "/auth/login", body, expect=401)
            assert told(nobody)[:2] == (3, left)
        assert await nobody.refused("POST", "/auth/login", body, expect=429) == ("rate_limited",)
        assert told(nobody)[:2] == (3, 0)
        assert 0 < int(nobody.headers["Retry-After"]) <= 100 < told(nobody)[2] <= 300
        # The right password is no way around it.
        await nobody.refused("POST", "/auth/login", body | {"password": PASSWORD}, expect=429)


async def test_unknown_accounts_are_told_the_same(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THRICE) as running:
        nobody = running.nobody
        body = {"username": "nobody", "password": "wrong-password"}
        for left in (2, 1, 0):
            await nobody.refused("POST", "/auth/login", body, expect=401)
            assert told(nobody)[:2] == (3, left)
        await nobody.refused("POST", "/auth/login", body, expect=429)


async def test_a_log_in_that_succeeds_costs_nothing(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THRICE) as running:
        nobody = running.nobody
        await nobody.register("alice")
        for _ in range(5):
            await nobody.post("/auth/login", {"username": "alice", "password": PASSWORD}, expect=200)
            assert told(nobody) == (3, 3, 0)


async def test_proving_a_password_is_throttled_like_logging_in(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THRICE) as running:
        alice = await running.nobody.newcomer("alice")
        body = {"current_password": "wrong-password", "new_password": "another-battery"}
        for left in (2, 1, 0):
            await alice.refused("PUT", "/auth/me/password", body, expect=401)
            assert told(alice)[:2] == (3, left)
        assert await alice.refused("PUT", "/auth/me/password", body, expect=429) == ("rate_limited",)
        await running.nobody.refused(
            "POST", "/auth/login", {"username": "alice", "password": PASSWORD}, expect=429
        )


async def test_what_costs_much_spends_the_same_budget_as_posts(settings: Settings) -> None:
    async with serving(settings, command_rate=Rate(per_s=0.001, burst=3)) as running:
        alice = await running.nobody.newcomer("alice")
        await upload(alice)
        assert told(alice)[:2] == (3, 2)
        await alice.post("/reports", {"title": "Spam", "content": "Much."})
        assert told(alice)[:2] == (3, 1)
        await alice.get("/search?q=hello")
        assert told(alice)[:2] == (3, 0)
        for method, path in (("POST", "/files"), ("POST", "/reactions"), ("POST", "/reports")):
            # Before the body is looked at.
            assert await alice.refused(method, path, {}, expect=429) == ("rate_limited",)
        assert await alice.refused("GET", "/search?q=hello", expect=429) == ("rate_limited",)
        assert int(alice.headers["Retry-After"]) > 1
        await alice.get("/reports")


async def test_too_much_that_is_not_sent_is_refused(settings: Settings) -> None:
    async with serving(settings, upload_max_bytes=1_000) as running:
        alice = await running.nobody.newcomer("alice")
        for _ in range(UNSENT_MAX_UPLOADS):
            await upload(alice, b"x" * 1_000)
        form = FormData()
        form.add_field("file", b"x", filename="a.txt")
        assert await alice.refused("POST", "/files", data=form, expect=409) == ("conflict",)


async def test_a_registration_tells_how_many_are_left(settings: Settings) -> None:
    async with serving(settings, registration_rate=THRICE) as running:
        nobody = running.nobody
        for number, left in enumerate((2, 1, 0)):
            await nobody.register(f"user-{number}")
            assert told(nobody)[:2] == (3, left)
        body = {"username": "one-more", "email": "one-more@example.org", "password": PASSWORD}
        assert await nobody.refused("POST", "/auth/register", body, expect=429) == ("rate_limited",)
        assert told(nobody)[:2] == (3, 0)
        assert int(nobody.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("proxies", "refused"), [((), 2), ((ip_network("127.0.0.1"),), 0)])
async def test_a_claimed_address_counts_only_where_the_proxy_is_trusted(
    settings: Settings, proxies: tuple[object, ...], refused: int
) -> None:
    async with serving(settings, registration_rate=THRICE, trusted_proxies=proxies) as running:
        statuses = []
        for number in range(5):
            name = f"user-{number}"
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            headers = {"X-Forwarded-For": f"1.1.1.1, 203.0.113.{number}"}
            async with running.nobody.session.post("/auth/register", json=body, headers=headers) as answer:
                statuses.append(answer.status)
        assert statuses.count(429) == refused


async def test_behind_a_trusted_proxy_what_the_client_invents_counts_for_nothing(settings: Settings) -> None:
    proxies = (ip_network("127.0.0.1"),)
    async with serving(settings, registration_rate=THRICE, trusted_proxies=proxies) as running:
        statuses = []
        for number in range(5):
            name = f"user-{number}"
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            headers = {"X-Forwarded-For": f"8.8.8.{number}, 203.0.113.7"}
            async with running.nobody.session.post("/auth/register", json=body, headers=headers) as answer:
                statuses.append(answer.status)
        assert statuses == [201, 201, 201, 429, 429]


async def test_whoever_waits_until_the_reset_finds_all_of_it_there(settings: Settings) -> None:
    async with serving(settings, command_rate=Rate(per_s=1 / 10.4, burst=4)) as running:
        alice = await running.nobody.newcomer("alice")
        await alice.post("/reports", {"title": "Spam", "content": "Much."})
        actor: Any = running.context.chat.system.actor(("user", UserId(alice.id)))
        left, full_in_s = actor.remaining(running.context.clock.monotonic())
        assert left == 3
        assert told(alice)[2] >= full_in_s > 0
