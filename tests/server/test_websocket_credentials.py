"""Credentials of a live socket: renewed, expired, and revoked from this process or another."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from protocol.errors import Unavailable
from protocol.rates import Rate
from server.auth import Caller
from server.settings import Settings
from tests.server.rest.client import PASSWORD, Api, Json
from tests.server.talking import Place, place, upgrade_request

TOKEN_LIFE_S = 30 * 60


async def refreshed(person: Api) -> str:
    """Another access token of the same session."""
    pair = await person.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)
    person.refresh_token = pair["refresh_token"]
    token: str = pair["access_token"]
    return token


def renewal(token: str | None) -> Json:
    return {"type": "auth", "token": token}


# Expiry.


@pytest.mark.parametrize("by_header", [True, False], ids=["header", "hello"])
async def test_a_token_that_expires_ends_its_live_socket(home: Place, by_header: bool) -> None:
    alice = await home.person("alice")
    talk = await (home.live(alice) if by_header else home.resumed(alice))
    home.clock.moved_s += TOKEN_LIFE_S - 5
    home.seconds_pass(1)
    assert await talk.is_well()
    home.seconds_pass(6)
    assert await talk.ended() == 4401
    error = talk.events[-1]
    assert (error["type"], error["code"]) == ("error", "token_expired")


async def test_a_renewed_socket_lives_as_long_as_its_new_token(home: Place) -> None:
    alice = await home.person("alice")
    talk, stale = await home.live(alice), await home.live(alice)
    home.clock.moved_s += TOKEN_LIFE_S / 2
    assert (await talk.ask(renewal(await refreshed(alice))))["type"] == "ack"
    home.clock.moved_s += TOKEN_LIFE_S / 2
    home.seconds_pass(2)
    assert await stale.ended() == 4401
    assert await talk.is_well()
    home.clock.moved_s += TOKEN_LIFE_S / 2
    home.seconds_pass(2)
    assert await talk.ended() == 4401


# Renewing.


async def test_renewing_takes_a_token_of_the_same_session_only(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    elsewhere = await home.nobody.log_in("alice")
    for token, code in [
        (elsewhere.token, "unauthenticated"),
        (bob.token, "unauthenticated"),
        ("nonsense", "unauthenticated"),
        ("", "unauthenticated"),
    ]:
        talk = await home.live(alice)
        talk.say(renewal(token) | {"id": "renew"})
        assert await talk.ended() == 4401
        error = talk.events[-1]
        assert (error["type"], error["code"], error["reply_to"]) == ("error", code, "renew")


async def test_renewing_with_an_expired_token_ends_the_socket(home: Place) -> None:
    alice = await home.person("alice")
    first = alice.token
    home.clock.moved_s += TOKEN_LIFE_S / 2
    alice.token = await refreshed(alice)
    talk = await home.live(alice)
    home.clock.moved_s += TOKEN_LIFE_S / 2 + 1
    talk.say(renewal(first))
    assert await talk.ended() == 4401
    assert talk.events[-1]["code"] == "token_expired"


async def test_renewing_costs_a_token_like_any_command(quick_settings: Settings) -> None:
    async with place(quick_settings, command_rate=Rate(per_s=0.001, burst=3)) as home:
        alice = await home.person("alice")
        talk = await home.live(alice)
        answers = [await talk.ask(renewal(alice.token)) for _ in range(4)]
        assert [answer.get("code", "ack") for answer in answers] == ["ack"] * 3 + ["rate_limited"]
        assert answers[-1]["retry_after_ms"] > 0


async def test_renewing_while_the_database_is_away_is_refused_and_may_be_tried_again(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    talk, unknown = await home.live(alice), await home.upgraded()

    async def away(token: str) -> Caller:
        raise Unavailable("the database is away")

    with monkeypatch.context() as outage:
        outage.setattr(home.context.authenticator, "authenticate", away)
        error = await talk.ask(renewal(alice.token))
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        unknown.say({"type": "hello", "token": alice.token})
        assert await unknown.ended() == 1012
        assert (unknown.events[0]["code"], unknown.events[0]["retryable"]) == ("unavailable", True)
        assert await home.refused(upgrade_request(alice.token)) == (503, "unavailable")
    assert (await talk.ask(renewal(alice.token)))["type"] == "ack"


async def test_no_token_reaches_the_log_whichever_way_it_comes(
    home: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        alice = await home.person("alice")
        talk, greeted = await home.live(alice), await home.resumed(alice)
        await talk.ask(renewal(alice.token))
        greeted.say(renewal(f"{alice.token}x"))
        await greeted.ended()
        await home.refused(upgrade_request(f"{alice.token}x"))
    lines = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "logged in" in lines
    assert alice.token is not None
    assert alice.token not in lines


# Revocation, by way of this process.


async def log_out(person: Api) -> None:
    await person.post("/auth/logout", expect=204)


async def log_out_everywhere(person: Api) -> None:
    await person.post("/auth/logout-all", expect=204)


async def change_password(person: Api) -> None:
    other = await person.log_in(person.name)
    await other.put("/auth/me/password", {"current_password": PASSWORD, "new_password": "another-battery"})


async def reuse_refresh_token(person: Api) -> None:
    body = {"refresh_token": person.refresh_token}
    await person.post("/auth/refresh", body, expect=200)
    await person.refused("POST", "/auth/refresh", body, expect=401)


@pytest.mark.parametrize(
    ("revoke", "reason"),
    [
        (log_out, "logged_out"),
        (log_out_everywhere, "logged_out"),
        (change_password, "password_changed"),
        (reuse_refresh_token, "token_reused"),
    ],
)
@pytest.mark.parametrize("by_header", [True, False], ids=["header", "hello"])
async def test_the_end_of_a_session_ends_its_sockets_at_once(
    home: Place, revoke: Callable[[Api], Awaitable[None]], reason: str, by_header: bool
) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    talks = [await (home.live(alice) if by_header else home.resumed(alice)) for _ in range(2)]
    other = await home.live(bob)
    await revoke(alice)
    for talk in talks:
        assert await talk.ended() == 4401
        event = talk.events[-1]
        assert (event["type"], event["reason"]) == ("session_ended", reason)
    assert await other.is_well()


async def test_a_session_that_ends_while_its_socket_opens_lets_nobody_in(home: Place) -> None:
    alice = await home.person("alice")
    talk = await home.upgraded()
    talk.say({"type": "hello", "token": alice.token})
    await asyncio.gather(alice.post("/auth/logout", expect=204), talk.ended())
    assert talk.closed is not None
    assert talk.closed[0] == 4401


async def test_nothing_is_heard_and_nothing_is_done_after_the_end_of_the_session(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(bob, alice)
    talk = await home.live(alice)
    send = {"type": "send", "channel_id": channel_id, "content": "too late", "nonce": "1"}
    await log_out(alice)
    talk.say(send)
    await bob.post(f"/channels/{channel_id}/messages", {"content": "secret"})
    assert await talk.ended() == 4401
    assert [event["type"] for event in talk.unheard()] == ["session_ended"]
    page = await bob.get(f"/channels/{channel_id}/messages")
    assert [message["content"] for message in page["items"]] == ["secret"]


# Revocation, by way of another process on the same database.


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers look for revocations all the time, not every second."""
    monkeypatch.setattr("server.revocations.EVERY_S", 0.01)


@pytest.mark.usefixtures("watchful")
async def test_a_session_that_another_server_ends_is_ended_here(
    quick_settings: Settings, home: Place
) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    talk, other = await home.live(alice), await home.live(bob)
    async with place(quick_settings) as second:
        await log_out(Api(second.nobody.session, alice.token, alice.user))
        assert await talk.ended() == 4401
    event = talk.events[-1]
    assert (event["type"], event["reason"]) == ("session_ended", "revoked")
    assert await other.is_well()


@pytest.mark.usefixtures("watchful")
async def test_an_account_that_is_disabled_at_the_command_line_is_told_so_here(
    quick_settings: Settings, home: Place
) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    talk, other = await home.live(alice), await home.live(bob)
    environment = {**os.environ, "DATABASE_URL": quick_settings.database_url}
    command = (sys.executable, "-m", "server", "user", "disable", "alice")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    assert await process.wait() == 0
    assert await talk.ended() == 4403
    event = talk.events[-1]
    assert (event["type"], event["reason"]) == ("session_ended", "disabled")
    assert await other.is_well()
    assert await home.refused(upgrade_request(alice.token)) == (403, "account_disabled")
