"""Auth0 over REST: local accounts for the tenant's people, and their tokens accepted like any other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from protocol.ids import UserId
from protocol.rates import Rate
from server.auth0 import Profile
from server.settings import Settings
from server.tenant_accounts import possible_names
from tests.server.rest.client import Api, Json, settings_for
from tests.server.talking import Place, place
from tests.stand_ins.auth0 import API, TOKEN_LIFE_S, StandIn, tenant

ALICE: Final = "auth0|alice"
SAID: Final = {"email": "alice@example.org", "name": "Alice", "nickname": "alice"}


@pytest.fixture
async def auth0() -> AsyncIterator[StandIn]:
    async with tenant() as stand_in:
        yield stand_in


@pytest.fixture
def with_auth0(auth0: StandIn, database_url: str, tmp_path: Path) -> Settings:
    """On both kinds of database."""
    settings = settings_for(database_url, tmp_path)
    return structs.replace(settings, auth0_domain=auth0.url, auth0_api_identifier=API)


@pytest.fixture
async def home(with_auth0: Settings) -> AsyncIterator[Place]:
    async with place(with_auth0) as home:
        yield home


def bearer(home: Place, token: str) -> Api:
    return Api(home.nobody.session, token)


def caller(home: Place, auth0: StandIn, subject: str = ALICE, **said: Json) -> Api:
    """Somebody with a fresh token."""
    return bearer(home, auth0.token(subject, home.clock.now(), **said))


async def member(home: Place, auth0: StandIn, subject: str = ALICE, **said: Json) -> Api:
    """Somebody with a fresh token and an account."""
    api = caller(home, auth0, subject, **(said or SAID))
    api.user = await api.post("/auth/sync", {})
    return api


# Accounts.


async def test_the_first_sync_makes_an_account_and_later_ones_change_it(home: Place, auth0: StandIn) -> None:
    alice = caller(home, auth0, **SAID, picture="https://img.example/a.png")
    made = await alice.post("/auth/sync", {})
    assert (made["username"], made["email"], made["full_name"]) == ("alice", "alice@example.org", "Alice")
    assert made["picture"] == "https://img.example/a.png"
    assert (made["is_active"], made["is_superuser"], made["roles"]) == (True, False, [])
    assert await alice.post("/auth/sync", None, expect=200) == made
    home.clock.moved_s += 1
    renamed = await caller(home, auth0, **SAID | {"name": "Alice Liddell"}).post("/auth/sync", {}, expect=200)
    assert (renamed["id"], renamed["full_name"]) == (made["id"], "Alice Liddell")


async def test_the_body_fills_in_what_the_token_does_not_say(home: Place, auth0: StandIn) -> None:
    told = {"email": "other@example.org", "name": "Other", "picture": "https://img.example/o.png"}
    made = await caller(home, auth0, email="alice@example.org").post("/auth/sync", told)
    assert (made["email"], made["full_name"], made["picture"]) == (
        "alice@example.org",
        "Other",
        "https://img.example/o.png",
    )


async def test_without_any_address_there_is_no_account(home: Place, auth0: StandIn) -> None:
    alice = caller(home, auth0)
    assert await alice.refused("POST", "/auth/sync", {}) == ("invalid", "email")
    assert await alice.refused("POST", "/auth/sync", {"email": "nonsense"}) == ("invalid", "email")
    assert (await alice.post("/auth/sync", {"email": "alice@example.org"}))["username"] == "alice"


@pytest.mark.parametrize("field", ["id", "is_superuser", "roles", "username", "sub", "auth0_id"])
async def test_the_body_decides_nothing_else(home: Place, auth0: StandIn, field: str) -> None:
    body = {"email": "alice@example.org", field: "x"}
    assert (await caller(home, auth0).refused("POST", "/auth/sync", body))[0] == "invalid"


async def test_claims_of_power_count_for_nothing(home: Place, auth0: StandIn) -> None:
    claims: Json = SAID | {"is_superuser": True, "roles": ["admin"], "permissions": ["admin"], "sid": "1"}
    made = await caller(home, auth0, **claims).post("/auth/sync", {})
    assert (made["is_superuser"], made["roles"]) == (False, [])


async def test_an_account_is_never_taken_over_by_its_address(home: Place, auth0: StandIn) -> None:
    alice = await home.person("alice")
    thief = caller(home, auth0, email="ALICE@example.org", email_verified=True)
    assert await thief.refused("POST", "/auth/sync", {}, expect=409) == ("taken", "email")
    assert await thief.refused("GET", "/auth/me", expect=401) == ("unauthenticated",)
    other = await member(home, auth0, "auth0|other", email="other@example.org")
    home.clock.moved_s += 1
    other = caller(home, auth0, "auth0|other", email="alice@example.org")
    assert await other.refused("POST", "/auth/sync", {}, expect=409) == ("taken", "email")
    assert (await alice.get("/auth/me"))["email"] == "alice@example.org"


async def test_people_of_one_name_get_names_of_their_own(home: Place, auth0: StandIn) -> None:
    await home.person("Alice")
    names = []
    for number in range(10):
        made = await caller(
            home, auth0, f"auth0|{number}", email=f"alice@{number}.example", nickname="alice"
        ).post("/auth/sync", {})
        names.append(made["username"])
    assert names[:8] == [f"alice-{number}" for number in range(2, 10)]
    assert len(set(names)) == 10


@pytest.mark.parametrize(
    ("nickname", "email", "name"),
    [
        ("alice", "x@example.org", "alice"),
        (None, "alice.l+chat@example.org", "alice.l-chat"),
        ("Ælice Ω", "x@example.org", "lice"),
        ("Ω", "x@example.org", "user"),
        ("a" * 300, "x@example.org", "a" * 80),
    ],
)
def test_a_user_name_is_made_from_what_is_known(nickname: str | None, email: str, name: str) -> None:
    names = possible_names(Profile(email=email, nickname=nickname))
    assert names[:2] == (name, f"{name}-2")
    assert max(map(len, names)) <= 100
    assert len(set(names)) == len(names)


async def test_many_first_syncs_at_once_make_one_account(home: Place, auth0: StandIn) -> None:
    alice = caller(home, auth0, **SAID)
    asking = [
        home.nobody.session.post("/auth/sync", json={}, headers={"Authorization": f"Bearer {alice.token}"})
        for _ in range(8)
    ]
    answers = await asyncio.gather(*asking)
    users = [await answer.json() for answer in answers]
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({user["id"] for user in users}) == 1


async def test_new_accounts_are_throttled_by_address_as_registrations_are(
    with_auth0: Settings, auth0: StandIn
) -> None:
    async with place(with_auth0, registration_rate=Rate(per_s=0.01, burst=2)) as home:
        alice = await member(home, auth0)
        await member(home, auth0, "auth0|2", email="2@example.org")
        third = caller(home, auth0, "auth0|3", email="3@example.org")
        assert await third.refused("POST", "/auth/sync", {}, expect=429) == ("rate_limited",)
        assert int(third.headers["Retry-After"]) > 0
        await alice.post("/auth/sync", {}, expect=200)


async def test_sync_is_for_auth0s_people_only(home: Place, auth0: StandIn) -> None:
    alice = await home.person("alice")
    assert await alice.refused("POST", "/auth/sync", {}, expect=403) == ("forbidden",)
    assert await home.nobody.refused("POST", "/auth/sync", {}, expect=401) == ("unauthenticated",)
    forged = bearer(home, auth0.token(ALICE, home.clock.now())[:-4] + "AAAA")
    assert await forged.refused("POST", "/auth/sync", {}, expect=401) == ("unauthenticated",)


async def test_without_auth0_its_tokens_are_nobodys(quick_settings: Settings, auth0: StandIn) -> None:
    for changes in ({}, {"auth0_domain": auth0.url}, {"auth0_api_identifier": API}):
        async with place(quick_settings, **changes) as home:
            alice = caller(home, auth0, **SAID)
            assert await alice.refused("POST", "/auth/sync", {}, expect=401) == ("unauthenticated",)
            assert await alice.refused("GET", "/auth/verify", expect=401) == ("unauthenticated",)


# Tokens.


async def test_a_token_is_accepted_once_its_person_has_an_account(home: Place, auth0: StandIn) -> None:
    stranger = caller(home, auth0, **SAID)
    assert await stranger.refused("GET", "/auth/me", expect=401) == ("unauthenticated",)
    made = await stranger.post("/auth/sync", {})
    assert await stranger.get("/auth/me") == made
    channel = await stranger.post("/channels/", {"name": "general"})
    await stranger.post(f"/channels/{channel['id']}/messages", {"content": "hello"})


async def test_verify_tells_whose_token_it_is_of_either_issuer(home: Place, auth0: StandIn) -> None:
    local, alice = await home.person("bob"), await member(home, auth0)
    told = await alice.get("/auth/verify")
    expires_at = int(home.clock.now().timestamp()) + TOKEN_LIFE_S
    assert (told["valid"], told["issuer"], told["user"]) == (True, auth0.issuer, alice.user)
    assert datetime.fromisoformat(told["expires_at"]) == datetime.fromtimestamp(expires_at, UTC)
    told = await local.get("/auth/verify")
    assert (told["valid"], told["issuer"], told["user"]["username"]) == (True, "parley", "bob")
    assert await home.nobody.refused("GET", "/auth/verify", expect=401) == ("unauthenticated",)


async def test_an_expired_token_is_told_so(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    home.clock.moved_s += TOKEN_LIFE_S + 1
    assert await alice.refused("GET", "/auth/verify", expect=401) == ("token_expired",)
    assert await alice.refused("POST", "/auth/sync", {}, expect=401) == ("token_expired",)


async def test_keys_may_rotate_while_people_work(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    auth0.rotate("second", number=2)
    home.clock.moved_s += 60
    renewed = caller(home, auth0)
    assert (await renewed.get("/auth/me"))["id"] == alice.id
    await alice.get("/auth/me")
    auth0.is_down = True
    home.clock.moved_s += 1200
    await renewed.get("/auth/me")


async def test_while_the_tenant_was_never_reached_its_tokens_are_to_be_tried_again(
    auth0: StandIn, with_auth0: Settings
) -> None:
    auth0.is_down = True
    async with place(with_auth0) as home:
        alice, bob = caller(home, auth0, **SAID), await home.person("bob")
        for method, path in (("GET", "/auth/me"), ("POST", "/auth/sync")):
            assert await alice.refused(method, path, expect=503) == ("unavailable",)
            assert int(alice.headers["Retry-After"]) > 0
        await bob.get("/auth/me")


# Sessions.


async def test_a_session_is_one_application_of_one_user(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    home.clock.moved_s += 1
    await caller(home, auth0).get("/auth/me")
    phone = caller(home, auth0, azp="phone")
    listed = (await phone.get("/auth/sessions"))["items"]
    assert [(each["device_info"], each["current"]) for each in listed] == [
        ("Auth0 phone", True),
        ("Auth0 web", False),
    ]
    await phone.delete(f"/auth/sessions/{listed[1]['id']}")
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await phone.get("/auth/me")


async def test_logging_out_refuses_every_token_issued_until_then(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    unused = caller(home, auth0)
    phone = caller(home, auth0, azp="phone")
    await phone.get("/auth/me")
    await alice.post("/auth/logout", expect=204)
    for old in (alice, unused):
        for method, path in (("GET", "/auth/me"), ("GET", "/auth/verify"), ("POST", "/auth/sync")):
            assert await old.refused(method, path, expect=401) == ("token_revoked",)
    await phone.get("/auth/me")
    home.clock.moved_s += 1
    again = caller(home, auth0)
    assert (await again.get("/auth/me"))["id"] == alice.id
    # The new session makes the old tokens no better, nor does its own end.
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await again.post("/auth/logout", expect=204)
    for old in (alice, again):
        assert await old.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    home.clock.moved_s += 1
    await caller(home, auth0).get("/auth/me")


async def test_a_used_token_of_a_tenant_whose_clock_is_ahead_is_refused_after_logging_out(
    home: Place, auth0: StandIn
) -> None:
    await member(home, auth0)
    home.clock.moved_s += 3
    ahead = caller(home, auth0)
    home.clock.moved_s -= 3
    await ahead.post("/auth/logout", expect=204)
    assert await ahead.refused("GET", "/auth/me", expect=401) == ("token_revoked",)


async def test_logging_out_everywhere_ends_sessions_of_both_kinds(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    phone = caller(home, auth0, azp="phone")
    await phone.get("/auth/me")
    await alice.post("/auth/logout-all", expect=204)
    for api in (alice, phone):
        assert await api.refused("GET", "/auth/me", expect=401) == ("token_revoked",)


async def test_a_disabled_account_lets_nobody_in_and_its_old_tokens_stay_ended(
    home: Place, auth0: StandIn
) -> None:
    alice, root = await member(home, auth0), await superuser(home)
    await root.put(f"/auth/users/{alice.id}/disable")
    for method, path in (("GET", "/auth/me"), ("POST", "/auth/sync")):
        assert await alice.refused(method, path, expect=403) == ("account_disabled",)
    home.clock.moved_s += 1
    assert await caller(home, auth0).refused("GET", "/auth/me", expect=403) == ("account_disabled",)
    await root.put(f"/auth/users/{alice.id}/enable")
    assert await alice.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await caller(home, auth0).get("/auth/me")


async def test_a_deleted_account_does_not_come_back_by_an_old_token(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    unused = caller(home, auth0, azp="phone", **SAID)
    root = await superuser(home)
    await root.delete(f"/auth/users/{alice.id}")
    for old in (alice, unused):
        for method, path in (("GET", "/auth/me"), ("POST", "/auth/sync")):
            assert await old.refused(method, path, expect=401) == ("token_revoked",)
    home.clock.moved_s += 1
    # Whom the tenant still logs in may begin anew, as somebody else.
    again = await member(home, auth0)
    assert again.id != alice.id
    await root.delete(f"/auth/users/{again.id}")
    for old in (alice, again):
        assert await old.refused("POST", "/auth/sync", {}, expect=401) == ("token_revoked",)


async def test_many_first_requests_at_once_open_one_session(home: Place, auth0: StandIn) -> None:
    await member(home, auth0)
    phone = caller(home, auth0, azp="phone")
    await asyncio.gather(*(bearer(home, phone.token or "").get("/auth/me") for _ in range(8)))
    listed = (await phone.get("/auth/sessions"))["items"]
    assert [each["device_info"] for each in listed] == ["Auth0 phone", "Auth0 web"]


async def superuser(home: Place) -> Api:
    root = await home.person("root")
    await home.context.accounts.set_superuser(UserId(root.id), home.clock.now(), is_superuser=True)
    return root
