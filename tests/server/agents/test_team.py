"""The agents of a server: their users, and who is listed."""

import logging

import pytest

from protocol.ids import UserId
from server.clock import SystemClock
from server.settings import Settings
from storage.accounts import Accounts, NewUser
from storage.engine import Database
from tests.server.agents.asking import agents_at
from tests.server.talking import Place


async def test_agents_are_users_that_are_made_once(quick_settings: Settings) -> None:
    async with agents_at(quick_settings, None) as first:
        before = first.ids
    async with agents_at(quick_settings, None) as second:
        assert second.ids == before
    assert before.keys() == {"assistant", "report_agent"}


async def test_agents_are_listed_with_what_they_are_for(home: Place) -> None:
    alice = await home.person("alice")
    page = await alice.get("/agents")
    assert [info["name"] for info in page["items"]] == ["report_agent", "assistant"]
    assert all(info["user"]["is_bot"] and info["user"]["username"] == info["name"] for info in page["items"])
    assert page["items"][0]["description"].startswith("Lists, shows")
    first = await alice.get("/agents?limit=1")
    second = await alice.get(f"/agents?limit=1&cursor={first['next']}")
    assert (first["items"] + second["items"], second["next"]) == (page["items"], None)
    assert (await alice.get("/agents?skip=1"))["items"] == page["items"][1:]


async def test_nobody_logs_in_as_an_agent(home: Place) -> None:
    for password in ("", "assistant"):
        body = {"username": "assistant", "password": password}
        await home.nobody.ask("POST", "/auth/login", body, expect=401)


async def test_a_name_that_is_a_persons_stays_theirs(
    quick_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    database = await Database.open(quick_settings.database_url)
    person = NewUser(username="Assistant", email="a@example.org", hashed_password=None)
    await Accounts(database).create(person, SystemClock().now())
    await database.close()
    with caplog.at_level(logging.ERROR, "orchestrator"):
        async with agents_at(quick_settings, None) as agents:
            assert agents.ids.keys() == {"report_agent"}
            assert await agents.ask(await agents.home.person("alice"), "list my reports", "report_agent")
    assert "the name is a person's" in caplog.text


async def test_an_agent_that_is_no_more_leaves_its_messages(quick_settings: Settings) -> None:
    async with agents_at(quick_settings, None) as agents:
        alice = await agents.home.person("alice")
        await agents.home.context.chat.outboxes.stop()
        await agents.tell(alice, "Hello?")
        context = agents.home.context
        await context.accounts.delete(UserId(agents.ids["assistant"]), context.clock.now())
    async with agents_at(quick_settings, None) as agents:
        await agents.settled()
        assert await agents.jobs() == [("done", 1)]
