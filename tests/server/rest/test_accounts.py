"""Registering, logging in, refreshing and logging out."""

import asyncio
import logging
from ipaddress import ip_network

import bcrypt
import jwt
import pytest

from protocol.rates import Rate
from server.settings import Settings
from tests.server.rest.client import PASSWORD, Api, Running, serving

THREE = Rate(per_s=0.001, burst=3)
LOOPBACK = (ip_network("127.0.0.0/8"),)
WRONG = {"username": "alice", "password": "wrong-battery"}


async def test_registering_makes_an_ordinary_active_account(nobody: Api) -> None:
    user = await nobody.register("alice", full_name="Alice Liddell", phone_number="0049 30 (123) 456-78")
    assert user == {
        "id": user["id"],
        "username": "alice",
        "email": "alice@example.org",
        "full_name": "Alice Liddell",
        "bio": None,
        "phone_number": "+493012345678",
        "picture": None,
        "is_active": True,
        "is_superuser": False,
        "is_bot": False,
        "roles": [],
        "created_at": user["created_at"],
        "updated_at": user["created_at"],
    }
    assert user["created_at"].endswith("Z")


async def test_a_taken_name_address_or_number_is_named_without_regard_to_case(nobody: Api) -> None:
    await nobody.register("alice", phone_number="+493012345678")
    for field, again in (
        ("username", "ALICE"),
        ("email", "Alice@Example.org"),
        ("phone_number", "+49 30 12345678"),
    ):
        body = {"username": "other", "email": "other@example.org", "password": PASSWORD, field: again}
        assert await nobody.refused("POST", "/auth/register", body, expect=409) == ("taken", field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", "a b"),
        ("username", "alice\n"),
        ("username", "é"),
        ("username", "x" * 101),
        ("username", ["alice"]),
        ("email", "nobody"),
        ("email", "a b@example.org"),
        ("email", f"{'x' * 250}@example.org"),
        ("password", "short"),
        ("password", "x7" * 36 + "!"),
        ("password", "password123"),
        ("password", "new@example.org"),
        ("password", {"$ne": ""}),
        ("full_name", 7),
        ("full_name", "x" * 256),
        ("phone_number", "12345678"),
        ("phone_number", "+49 call me"),
        ("is_superuser", True),
        ("is_active", True),
        ("id", 1),
        ("roles", ["admin"]),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(
    sqlite_running: Running, field: str, value: object
) -> None:
    body = {"username": "new", "email": "new@example.org", "password": PASSWORD, field: value}
    assert await sqlite_running.nobody.refused("POST", "/auth/register", body) == ("invalid", field)


async def test_of_two_who_register_a_name_at_once_one_gets_it(nobody: Api) -> None:
    body = {"username": "alice", "email": "a@example.org", "password": PASSWORD}
    statuses = await asyncio.gather(*(_status(nobody, body) for _ in range(5)))
    assert sorted(statuses) == [201, 409, 409, 409, 409]


async def _status(nobody: Api, body: dict[str, str]) -> int:
    async with nobody.session.post("/auth/register", json=body) as answer:
        return answer.status


async def test_registration_can_be_closed(settings: Settings) -> None:
    async with serving(settings, registration_open=False) as running:
        body = {"username": "alice", "email": "alice@example.org", "password": PASSWORD}
        assert await running.nobody.refused("POST", "/auth/register", body, expect=403) == ("forbidden",)


async def test_registrations_of_an_address_are_limited(settings: Settings) -> None:
    async with serving(settings, registration_rate=Rate(per_s=0.001, burst=2)) as running:
        nobody = running.nobody
        await nobody.register("a")
        await nobody.register("b")
        body = {"username": "c", "email": "c@example.org", "password": PASSWORD}
        assert await nobody.refused("POST", "/auth/register", body, expect=429) == ("rate_limited",)
        assert int(nobody.headers["Retry-After"]) > 900


async def test_people_log_in_by_name_or_address_without_regard_to_case(nobody: Api) -> None:
    user = await nobody.register("alice")
    for login in ("alice", "ALICE", "alice@example.org", "Alice@Example.Org"):
        assert (await nobody.log_in(login)).user == user


async def test_logging_in_gives_a_pair_of_tokens(nobody: Api) -> None:
    user = await nobody.register("alice")
    answer = await nobody.post("/auth/login", {"username": "alice", "password": PASSWORD}, expect=200)
    assert {name: answer[name] for name in ("token_type", "expires_in", "user")} == {
        "token_type": "bearer",
        "expires_in": 1800,
        "user": user,
    }
    assert (await Api(nobody.session, answer["access_token"]).get("/auth/me")) == user
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["sub"] == str(user["id"])
    assert isinstance(claims["sid"], int)


async def test_an_unknown_user_and_a_wrong_password_are_answered_alike(nobody: Api) -> None:
    await nobody.register("alice")
    wrong = await nobody.post("/auth/login", WRONG, expect=401)
    unknown = await nobody.post("/auth/login", WRONG | {"username": "nobody"}, expect=401)
    assert wrong.pop("request_id") != unknown.pop("request_id")
    assert wrong == unknown
    assert wrong["code"] == "wrong_password"
    assert nobody.headers["WWW-Authenticate"] == "Bearer"


async def test_an_unknown_user_costs_one_comparison_of_the_same_rounds(
    sqlite_running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = sqlite_running.nobody
    await nobody.register("alice")
    compared: list[bytes] = []
    original = bcrypt.checkpw

    def remember(given: bytes, hashed: bytes) -> bool:
        compared.append(hashed[:7])
        return original(given, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", remember)
    for name in ("alice", "nobody", "report_agent"):
        await nobody.post("/auth/login", WRONG | {"username": name}, expect=401)
    assert compared == [b"$2b$04$"] * 3


async def test_a_disabled_account_is_told_so_only_after_the_right_password(running: Running) -> None:
    nobody, context = running.nobody, running.context
    user = await nobody.register("alice")
    await context.accounts.disable(user["id"], context.clock.now())
    assert await nobody.refused("POST", "/auth/login", WRONG, expect=401) == ("wrong_password",)
    right = WRONG | {"password": PASSWORD}
    assert await nobody.refused("POST", "/auth/login", right, expect=403) == ("account_disabled",)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("username", {"username": {"$gt": ""}, "password": "x"}),
        ("password", {"username": "alice", "password": {"$gt": ""}}),
        ("password", {"username": "alice"}),
        ("username", {"password": "x"}),
        ("is_superuser", {"username": "alice", "password": "x", "is_superuser": True}),
        ("username", {"username": "a\0", "password": "x"}),
        ("password", {"username": "a", "password": "x" * 1001}),
    ],
)
async def test_odd_credentials_are_refused_by_field(
    sqlite_running: Running, field: str, body: object
) -> None:
    assert await sqlite_running.nobody.refused("POST", "/auth/login", body) == ("invalid", field)


async def test_an_account_that_fails_too_often_is_throttled_from_every_address(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE, trusted_proxies=LOOPBACK) as running:
        nobody = running.nobody
        await nobody.register("alice")
        for address in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
            headers = {"X-Forwarded-For": address}
            await nobody.refused("POST", "/auth/login", WRONG, expect=401, headers=headers)
        right = WRONG | {"password": PASSWORD}
        headers = {"X-Forwarded-For": "198.51.100.4"}
        refused = await nobody.refused("POST", "/auth/login", right, expect=429, headers=headers)
        assert refused == ("rate_limited",)
        assert int(nobody.headers["Retry-After"]) > 0
        upper = right | {"username": "ALICE"}
        await nobody.refused("POST", "/auth/login", upper, expect=429, headers=headers)


async def test_an_address_that_fails_too_often_is_throttled_for_every_account(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE) as running:
        nobody = running.nobody
        await nobody.register("alice")
        for name in ("a", "b", "c"):
            await nobody.refused("POST", "/auth/login", WRONG | {"username": name}, expect=401)
        right = WRONG | {"password": PASSWORD}
        forged = {"X-Forwarded-For": "198.51.100.4"}
        await nobody.refused("POST", "/auth/login", right, expect=429, headers=forged)


async def test_logging_in_rightly_costs_nothing(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE) as running:
        await running.nobody.register("alice")
        for _ in range(10):
            await running.nobody.log_in("alice")


async def test_attempts_at_once_count_before_they_are_decided(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE) as running:
        await running.nobody.register("alice")

        async def attempt() -> int:
            async with running.nobody.session.post("/auth/login", json=WRONG) as answer:
                return answer.status

        statuses = await asyncio.gather(*(attempt() for _ in range(8)))
        assert sorted(statuses) == [401] * 3 + [429] * 5


async def test_no_password_and_no_token_reaches_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(settings) as running:
            await running.nobody.register("alice")
            api = await running.nobody.log_in("alice")
            await running.nobody.refused("POST", "/auth/login", WRONG, expect=401)
            await api.post("/auth/logout", expect=204)
    lines = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "logged in" in lines
    for secret in (PASSWORD, WRONG["password"], api.token or "", api.refresh_token):
        assert secret not in lines


async def test_a_refresh_token_gives_a_new_pair_of_the_same_session(nobody: Api) -> None:
    alice = await nobody.newcomer("alice")
    answer = await nobody.post("/auth/refresh", {"refresh_token": alice.refresh_token}, expect=200)
    assert answer["user"]["id"] == alice.id
    assert answer["refresh_token"] != alice.refresh_token
    renewed = Api(nobody.session, answer["access_token"])
    assert len((await renewed.get("/auth/sessions"))["items"]) == 1
    again = await nobody.post("/auth/refresh", {"refresh_token": answer["refresh_token"]}, expect=200)
    assert again["refresh_token"] != answer["refresh_token"]


async def test_using_a_refresh_token_twice_ends_the_session(nobody: Api) -> None:
    alice = await nobody.newcomer("alice")
    other = await nobody.log_in("alice")
    body = {"refresh_token": alice.refresh_token}
    answer = await nobody.post("/auth/refresh", body, expect=200)
    assert await nobody.refused("POST", "/auth/refresh", body, expect=401) == ("token_reused",)
    newest = {"refresh_token": answer["refresh_token"]}
    assert await nobody.refused("POST", "/auth/refresh", newest, expect=401) == ("token_revoked",)
    for token in (alice.token, answer["access_token"]):
        stolen = Api(nobody.session, token)
        assert await stolen.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await other.get("/auth/me")


async def test_of_two_who_use_a_refresh_token_at_once_one_reuses_it(nobody: Api) -> None:
    alice = await nobody.newcomer("alice")

    async def attempt() -> int:
        body = {"refresh_token": alice.refresh_token}
        async with nobody.session.post("/auth/refresh", json=body) as answer:
            return answer.status

    assert sorted(await asyncio.gather(attempt(), attempt())) == [200, 401]
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)


async def test_an_unknown_refresh_token_is_refused(nobody: Api) -> None:
    for token in ("", "x" * 43):
        body = {"refresh_token": token}
        assert await nobody.refused("POST", "/auth/refresh", body, expect=401) == ("unauthenticated",)
    assert await nobody.refused("POST", "/auth/refresh", {"refresh_token": {}}) == (
        "invalid",
        "refresh_token",
    )


async def test_an_address_that_shows_too_many_bad_refresh_tokens_is_throttled(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE) as running:
        alice = await running.nobody.newcomer("alice")
        for _ in range(3):
            body = {"refresh_token": "x" * 43}
            await running.nobody.refused("POST", "/auth/refresh", body, expect=401)
        right = {"refresh_token": alice.refresh_token}
        assert await running.nobody.refused("POST", "/auth/refresh", right, expect=429) == ("rate_limited",)
        assert int(running.nobody.headers["Retry-After"]) > 0
        assert running.nobody.headers["RateLimit-Remaining"] == "0"
        # Whoever is refused there can still log in.
        await running.nobody.log_in("alice")


async def test_refreshing_rightly_costs_nothing_however_many_do_so_at_once(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=THREE) as running:
        people = [await running.nobody.newcomer() for _ in range(10)]

        async def refreshed(person: Api) -> int:
            body = {"refresh_token": person.refresh_token}
            async with running.nobody.session.post("/auth/refresh", json=body) as answer:
                return answer.status

        assert await asyncio.gather(*map(refreshed, people)) == [200] * 10
        await running.nobody.refused("POST", "/auth/refresh", {"refresh_token": "x"}, expect=401)
        assert running.nobody.headers["RateLimit-Remaining"] == "2"


async def test_a_disabled_user_cannot_refresh(running: Running) -> None:
    alice = await running.nobody.newcomer("alice")
    await running.context.accounts.disable(alice.user["id"], running.context.clock.now())
    body = {"refresh_token": alice.refresh_token}
    assert await running.nobody.refused("POST", "/auth/refresh", body, expect=403) == ("account_disabled",)
    assert await alice.refused("GET", "/auth/me", expect=403) == ("account_disabled",)


async def test_logging_out_ends_this_session_and_no_other(nobody: Api) -> None:
    alice = await nobody.newcomer("alice")
    other = await nobody.log_in("alice")
    await alice.post("/auth/logout", expect=204)
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    body = {"refresh_token": alice.refresh_token}
    assert await nobody.refused("POST", "/auth/refresh", body, expect=401) == ("token_revoked",)
    await other.get("/auth/me")


async def test_logging_out_everywhere_ends_every_session_of_this_user(nobody: Api) -> None:
    alice, bob = await nobody.newcomer("alice"), await nobody.newcomer("bob")
    other = await nobody.log_in("alice")
    await alice.post("/auth/logout-all", expect=204)
    for ended in (alice, other):
        assert await ended.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await bob.get("/auth/me")
    await nobody.log_in("alice")
