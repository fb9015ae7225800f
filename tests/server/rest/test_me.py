"""One's own account: profile, password and sessions."""

from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from protocol.rates import Rate
from server.settings import Settings
from tests.server.rest.client import PASSWORD, Api, Running, serving

CHANGE = {"current_password": PASSWORD, "new_password": "another-battery"}


async def test_the_profile_is_changed_as_far_as_it_is_given(alice: Api) -> None:
    changed = await alice.put("/auth/me", {"full_name": "Alice", "bio": "Curious", "email": "a@example.org"})
    assert (changed["full_name"], changed["bio"], changed["email"]) == ("Alice", "Curious", "a@example.org")
    changed = await alice.put(
        "/auth/me", {"bio": None, "username": "alice2", "picture": "https://x.example/a.png"}
    )
    assert (changed["full_name"], changed["bio"], changed["username"]) == ("Alice", None, "alice2")
    assert await alice.get("/auth/me") == changed
    assert await alice.get("/users/me") == changed
    assert await alice.put("/auth/me", {}) == changed


async def test_one_may_keep_ones_own_name_but_not_take_anothers(alice: Api, bob: Api) -> None:
    await alice.put("/auth/me", {"username": "ALICE", "email": "alice@example.org"})
    taken = {"username": bob.name.upper()}
    assert await alice.refused("PUT", "/auth/me", taken, expect=409) == ("taken", "username")
    taken = {"email": "BOB@example.org"}
    assert await alice.refused("PUT", "/auth/me", taken, expect=409) == ("taken", "email")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", None),
        ("username", ""),
        ("email", "x"),
        ("bio", "x" * 2001),
        ("bio", "\0"),
        ("picture", "javascript:alert(1)"),
        ("picture", "https://x.example/a b"),
        ("is_superuser", True),
        ("is_active", False),
        ("id", 1),
        ("roles", []),
        ("password", "x"),
        ("hashed_password", "x"),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(sqlite_alice: Api, field: str, value: object) -> None:
    assert await sqlite_alice.refused("PUT", "/auth/me", {field: value}) == ("invalid", field)


async def test_a_new_password_ends_every_other_session(nobody: Api, alice: Api) -> None:
    other = await nobody.log_in("alice")
    assert (await alice.put("/auth/me/password", CHANGE))["id"] == alice.id
    await alice.get("/auth/me")
    assert await other.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await nobody.log_in("alice", "another-battery")
    old = {"username": "alice", "password": PASSWORD}
    assert await nobody.refused("POST", "/auth/login", old, expect=401) == ("wrong_password",)


async def test_the_password_is_changed_only_with_the_current_one(nobody: Api, alice: Api) -> None:
    wrong = CHANGE | {"current_password": "wrong-battery"}
    assert await alice.refused("PUT", "/auth/me/password", wrong, expect=401) == ("wrong_password",)
    await nobody.log_in("alice")


@pytest.mark.parametrize("password", ["short", "x7" * 36 + "!", "password123", "ALICE@example.org"])
async def test_a_weak_new_password_is_refused(sqlite_alice: Api, password: str) -> None:
    weak = CHANGE | {"new_password": password}
    assert await sqlite_alice.refused("PUT", "/auth/me/password", weak) == ("invalid", "new_password")


async def test_guessing_the_current_password_is_throttled(settings: Settings) -> None:
    async with serving(settings, login_failure_rate=Rate(per_s=0.001, burst=2)) as running:
        alice = await running.nobody.newcomer("alice")
        wrong = CHANGE | {"current_password": "wrong-battery"}
        for _ in range(2):
            await alice.refused("PUT", "/auth/me/password", wrong, expect=401)
        assert await alice.refused("PUT", "/auth/me/password", CHANGE, expect=429) == ("rate_limited",)


async def test_sessions_are_listed_newest_first_with_the_current_one_marked(nobody: Api, alice: Api) -> None:
    answer = await nobody.post(
        "/auth/login",
        {"username": "alice", "password": PASSWORD},
        expect=200,
        headers={"User-Agent": "Pocket/1"},
    )
    pocket = Api(nobody.session, answer["access_token"])
    sessions = (await pocket.get("/auth/sessions"))["items"]
    assert [each["current"] for each in sessions] == [True, False]
    assert (sessions[0]["device_info"], sessions[0]["ip_address"]) == ("Pocket/1", "127.0.0.1")
    first = await pocket.get("/auth/sessions?limit=1")
    assert [each["id"] for each in first["items"]] == [sessions[0]["id"]]
    second = await pocket.get(f"/auth/sessions?limit=1&cursor={first['next']}")
    assert (second["items"][0]["id"], second["next"]) == (sessions[1]["id"], None)
    skipped = await pocket.get("/auth/sessions?skip=1")
    assert [each["id"] for each in skipped["items"]] == [sessions[1]["id"]]


async def test_the_address_of_a_session_is_what_the_trusted_proxy_says(settings: Settings) -> None:
    async with serving(settings, trusted_proxies=(ip_network("127.0.0.0/8"),)) as running:
        nobody = running.nobody
        await nobody.register("alice")
        lines = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "198.51.100.7")]
        body = {"username": "alice", "password": PASSWORD}
        async with nobody.session.post("/auth/login", json=body, headers=CIMultiDict(lines)) as answer:
            alice = Api(nobody.session, (await answer.json())["access_token"])
        (session,) = (await alice.get("/auth/sessions"))["items"]
        assert session["ip_address"] == "198.51.100.7"


async def test_one_may_end_ones_own_sessions_only(nobody: Api, alice: Api, bob: Api) -> None:
    other = await nobody.log_in("alice")
    sessions = (await alice.get("/auth/sessions"))["items"]
    others = next(each["id"] for each in sessions if not each["current"])
    assert await bob.refused("DELETE", f"/auth/sessions/{others}", expect=404) == ("not_found",)
    await alice.delete(f"/auth/sessions/{others}")
    assert await other.refused("GET", "/auth/me", expect=401) == ("token_revoked",)
    await alice.refused("DELETE", f"/auth/sessions/{others}", expect=404)
    await alice.refused("DELETE", f"/auth/sessions/{2**53}", expect=404)
    assert await alice.refused("DELETE", "/auth/sessions/x") == ("invalid", "session_id")


async def test_use_of_a_session_is_noted(running: Running) -> None:
    alice = await running.nobody.newcomer()
    before = (await alice.get("/auth/sessions"))["items"][0]
    await running.context.sessions.flush_uses()
    after = (await alice.get("/auth/sessions"))["items"][0]
    assert after["last_used_at"] > before["last_used_at"]


async def test_a_telephone_number_is_kept_as_the_world_dials_it(alice: Api, bob: Api) -> None:
    changed = await alice.put("/auth/me/phone", {"phone_number": "+49 (0)30 12-34.56"})
    assert changed["phone_number"] == "+4930123456"
    assert await alice.get("/auth/me") == changed
    taken = {"phone_number": "0049 30 123456"}
    assert await bob.refused("PUT", "/auth/me/phone", taken, expect=409) == ("taken", "phone_number")
    assert await alice.put("/auth/me/phone", {"phone_number": "+4930123456"})
    assert (await alice.put("/auth/me/phone", {"phone_number": None}))["phone_number"] is None
    assert (await bob.put("/auth/me/phone", taken))["phone_number"] == "+4930123456"


@pytest.mark.parametrize(
    "body", [{"phone_number": number} for number in ("", "x", "030 123456", "+49", 5)] + [{}]
)
async def test_what_is_no_telephone_number_is_refused(sqlite_alice: Api, body: dict[str, object]) -> None:
    assert await sqlite_alice.refused("PUT", "/auth/me/phone", body) == ("invalid", "phone_number")
