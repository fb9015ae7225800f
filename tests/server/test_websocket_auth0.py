"""Auth0's people on live sockets: every way in, renewing, and every way out at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
from msgspec import structs

from protocol.errors import Code
from protocol.ids import UserId
from server.settings import Settings
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, Talk, place, upgrade_request
from tests.stand_ins.auth0 import API, TOKEN_LIFE_S, StandIn, rsa_key, signed, tenant

ALICE: Final = "auth0|alice"
SAID: Final = {"email": "alice@example.org", "nickname": "alice"}
HEADER: Final = {"alg": "RS256", "typ": "JWT", "kid": "first"}


@pytest.fixture
async def auth0() -> AsyncIterator[StandIn]:
    async with tenant() as stand_in:
        yield stand_in


@pytest.fixture
def with_auth0(auth0: StandIn, quick_settings: Settings) -> Settings:
    return structs.replace(quick_settings, auth0_domain=auth0.url, auth0_api_identifier=API)


@pytest.fixture
async def home(with_auth0: Settings) -> AsyncIterator[Place]:
    async with place(with_auth0) as home:
        yield home


def caller(home: Place, auth0: StandIn, **said: Json) -> Api:
    return Api(home.nobody.session, auth0.token(ALICE, home.clock.now(), **said))


async def member(home: Place, auth0: StandIn) -> Api:
    api = caller(home, auth0, **SAID)
    api.user = await api.post("/auth/sync", {})
    return api


async def greeted(home: Place, token: str | None) -> Talk:
    """A socket that has said `hello` with this token."""
    talk = await home.upgraded()
    talk.say({"type": "hello", "token": token})
    return talk


async def superuser(home: Place) -> Api:
    root = await home.person("root")
    await home.context.accounts.set_superuser(UserId(root.id), home.clock.now(), is_superuser=True)
    return root


# Coming in.


async def test_a_token_opens_a_socket_by_header_and_by_hello(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    for talk in (await home.live(alice), await home.resumed(alice)):
        talk.rewind()
        assert (await talk.hear("ready"))["user"]["username"] == "alice"
        assert await talk.is_well()


def forgeries(home: Place, auth0: StandIn) -> dict[str, str]:
    now = home.clock.now()
    good = auth0.claims(ALICE, now)
    return {
        "another key": signed(good, HEADER, rsa_key(2)),
        "an unknown key": signed(good, HEADER | {"kid": "other"}, rsa_key(2)),
        "no algorithm": signed(good, HEADER | {"alg": "none"}, rsa_key(1)),
        "another audience": signed(good | {"aud": "other"}, HEADER, rsa_key(1)),
        "an extension": signed(good, HEADER | {"crit": ["exp"]}, rsa_key(1)),
        "not yet valid": signed(good | {"nbf": good["exp"]}, HEADER, rsa_key(1)),
        "no signature": auth0.token(ALICE, now).rpartition(".")[0] + ".",
    }


async def test_a_forgery_opens_nothing_on_any_way_in(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    for name, token in forgeries(home, auth0).items():
        assert await home.refused(upgrade_request(token)) == (401, "unauthenticated"), name
        talk = await greeted(home, token)
        assert await talk.ended() == 4401, name
        assert talk.events[-1]["code"] == "unauthenticated", name
        talk = await home.live(alice)
        talk.say({"type": "auth", "token": token})
        assert await talk.ended() == 4401, name
        api = Api(home.nobody.session, token)
        assert await api.refused("GET", "/auth/verify", expect=401) == ("unauthenticated",), name


async def test_somebody_without_an_account_is_let_in_nowhere(home: Place, auth0: StandIn) -> None:
    stranger = caller(home, auth0)
    assert await home.refused(upgrade_request(stranger.token)) == (401, "unauthenticated")
    assert await (await greeted(home, stranger.token)).ended() == 4401


async def test_an_expired_token_is_told_so(home: Place, auth0: StandIn) -> None:
    alice = await member(home, auth0)
    home.clock.moved_s += TOKEN_LIFE_S
    assert await home.refused(upgrade_request(alice.token)) == (401, "token_expired")


async def test_while_no_key_is_known_a_client_is_to_come_back(with_auth0: Settings, auth0: StandIn) -> None:
    auth0.is_down = True
    async with place(with_auth0) as home:
        stranger = caller(home, auth0)
        assert await home.refused(upgrade_request(stranger.token)) == (503, "unavailable")
        talk = await greeted(home, stranger.token)
        assert await talk.ended() == 1012
        assert (talk.events[0]["code"], talk.events[0]["retryable"]) == (Code.UNAVAILABLE, True)


# Staying.


async def test_a_socket_lives_as_long_as_its_token_and_is_renewed_by_a_newer_one(
    home: Place, auth0: StandIn
) -> None:
    alice = await member(home, auth0)
    talk, stale = await home.live(alice), await home.resumed(alice)
    home.clock.moved_s += TOKEN_LIFE_S / 2
    newer = caller(home, auth0)
    assert (await talk.ask({"type": "auth", "token": newer.token}))["type"] == "ack"
    home.clock.moved_s += TOKEN_LIFE_S / 2 + 1
    home.seconds_pass(1)
    assert await stale.ended() == 4401
    assert await talk.is_well()


async def test_renewing_takes_neither_another_applications_token_nor_one_of_ours(
    home: Place, auth0: StandIn
) -> None:
    alice, bob = await member(home, auth0), await home.person("bob")
    phone = caller(home, auth0, azp="phone")
    for token in (phone.token, bob.token):
        talk = await home.live(alice)
        talk.say({"type": "auth", "token": token})
        assert await talk.ended() == 4401
    talk = await home.live(bob)
    talk.say({"type": "auth", "token": alice.token})
    assert await talk.ended() == 4401


# Going.


async def log_out(home: Place, alice: Api) -> None:
    await alice.post("/auth/logout", expect=204)


async def log_out_everywhere(home: Place, alice: Api) -> None:
    await alice.post("/auth/logout-all", expect=204)


async def disable(home: Place, alice: Api) -> None:
    await (await superuser(home)).put(f"/auth/users/{alice.id}/disable")


async def delete(home: Place, alice: Api) -> None:
    await (await superuser(home)).delete(f"/auth/users/{alice.id}")


@pytest.mark.parametrize(
    ("end", "code", "reason", "answer"),
    [
        (log_out, 4401, "logged_out", (401, "token_revoked")),
        (log_out_everywhere, 4401, "logged_out", (401, "token_revoked")),
        (disable, 4403, "disabled", (403, "account_disabled")),
        (delete, 4403, "deleted", (401, "token_revoked")),
    ],
)
async def test_what_ends_the_session_ends_its_sockets_at_once(
    home: Place,
    auth0: StandIn,
    end: Callable[[Place, Api], Awaitable[None]],
    code: int,
    reason: str,
    answer: tuple[int, str],
) -> None:
    alice, bob = await member(home, auth0), await home.person("bob")
    talks, other = [await home.live(alice), await home.resumed(alice)], await home.live(bob)
    await end(home, alice)
    for talk in talks:
        assert await talk.ended() == code
        assert (talk.events[-1]["type"], talk.events[-1]["reason"]) == ("session_ended", reason)
    assert await home.refused(upgrade_request(alice.token)) == answer
    assert await other.is_well()


async def test_logging_out_of_one_application_leaves_the_others_sockets(home: Place, auth0: StandIn) -> None:
    alice, phone = await member(home, auth0), caller(home, auth0, azp="phone")
    talk, other = await home.live(alice), await home.live(phone)
    await alice.post("/auth/logout", expect=204)
    assert await talk.ended() == 4401
    assert await other.is_well()


async def test_a_session_that_another_server_ends_is_ended_here(
    home: Place, auth0: StandIn, with_auth0: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.revocations.EVERY_S", 0.01)
    async with place(with_auth0) as watchful, asyncio.timeout(10):
        alice = caller(watchful, auth0, **SAID)
        alice.user = await alice.post("/auth/sync", {})
        talk = await watchful.live(alice)
        await Api(home.nobody.session, alice.token).post("/auth/logout", expect=204)
        assert await talk.ended() == 4401
