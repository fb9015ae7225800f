"""What agents do for people: with the rights of whoever asked, checked like any request, and once."""

import json
from typing import Any

import pytest

from protocol.errors import Unavailable
from tests.server.agents.asking import LITELLM_WARNS, Agents
from tests.server.rest.client import Api, Json
from tests.stand_ins.openai import Garbage, Says, Use

pytestmark = LITELLM_WARNS

FILED = Use("file_report", {"title": "No heating", "content": "It is cold."})


def told(agents: Agents) -> Json:
    """What the model was last told by a tool."""
    last = agents.model.requests[-1]["messages"][-1]
    assert last["role"] == "tool"
    return json.loads(last["content"])


async def use(agents: Agents, person: Api, name: str, arguments: Any) -> Json:
    """What a tool of the report agent's answers when the model uses it for this person."""
    agents.model.will(Says([], [Use(name, arguments)]), Says(["So it is."]))
    assert await agents.ask(person, "Do it.", "report_agent") == "So it is."
    return told(agents)


async def test_a_report_is_filed_as_the_user_who_asked(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    talk = await agents.home.live(alice)
    report = await use(agents, alice, "file_report", FILED.arguments)
    (listed,) = (await alice.get("/reports"))["items"]
    assert listed == report
    assert (listed["title"], listed["reporter_id"]) == ("No heating", alice.id)
    assert (await talk.hear("report_update"))["report"] == report


async def test_reports_are_listed_shown_and_updated(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    report = await alice.post("/reports", {"title": "a", "content": "b"})
    line = {"id": report["id"], "title": "a", "status": "open"}
    assert await use(agents, alice, "list_reports", {}) == [line]
    assert await use(agents, alice, "list_reports", {"status": "resolved"}) == []
    assert await use(agents, alice, "show_report", {"report_id": report["id"]}) == report
    changed = await use(agents, alice, "update_report", {"report_id": report["id"], "content": "c"})
    assert (changed["title"], changed["content"]) == ("a", "c")


async def test_somebody_elses_report_is_refused_like_by_the_route(agents: Agents) -> None:
    """Whatever the model was talked into: the tool asks the check that the route asks."""
    alice, mallory = await agents.home.person("alice"), await agents.home.person("mallory")
    report = await alice.post("/reports", {"title": "secret", "content": "secret"})
    path = f"/reports/{report['id']}"
    by_route = await mallory.ask("GET", path, expect=404)
    for name, more in (("show_report", {}), ("update_report", {"title": "mine"})):
        error = (await use(agents, mallory, name, {"report_id": report["id"]} | more))["error"]
        assert (error["code"], error["message"]) == (by_route["code"], by_route["detail"])
    assert await use(agents, mallory, "list_reports", {}) == []
    assert await alice.get(path) == report


async def test_arguments_are_validated_like_a_request(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    for arguments, code, field in (
        ({"title": "x"}, "invalid", "content"),
        ({"title": "x" * 256, "content": "x"}, "invalid", "title"),
        ({"title": "x", "content": "x", "reporter_id": 1}, "invalid", "reporter_id"),
        ({"title": "x", "content": {"a": 16}}, "invalid", "content"),
        ("{not json", "malformed", None),
        ('{"title": "a\\u0000", "content": "x"}', "invalid", "title"),
    ):
        error = (await use(agents, alice, "file_report", arguments))["error"]
        assert (error["code"], error.get("field")) == (code, field), arguments
    assert (await alice.get("/reports"))["items"] == []


async def test_a_tool_that_there_is_not_is_refused(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    assert (await use(agents, alice, "delete_user", {}))["error"]["code"] == "not_found"


async def test_tools_are_described_by_their_types(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    await agents.ask(alice, "Hello", "report_agent")
    described = {tool["function"]["name"]: tool["function"] for tool in agents.model.requests[0]["tools"]}
    assert described.keys() == {"list_reports", "show_report", "file_report", "update_report"}
    assert described["file_report"]["description"] == "File a new report for the user."
    parameters = described["file_report"]["parameters"]
    assert parameters["required"] == ["title", "content"]
    assert parameters["properties"]["title"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "examples": ["The search finds nothing"],
    }
    assert parameters["additionalProperties"] is False


async def test_who_is_disabled_meanwhile_acts_no_more(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await agents.home.person("alice")
    context = agents.home.context
    original = context.accounts.find
    looks = 0

    async def find(user_id: Any) -> Any:
        nonlocal looks
        looks += user_id == alice.id
        if looks == 2:
            await context.accounts.disable(alice.user["id"], context.clock.now())
        return await original(user_id)

    monkeypatch.setattr(context.accounts, "find", find)
    agents.model.will(Says([], [FILED]), Says(["Oh."]))
    await agents.tell(alice, "File it.", "report_agent")
    await agents.settled()
    assert told(agents)["error"]["code"] == "forbidden"


async def test_an_agent_hands_over_to_another(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(
        Says([], [Use("hand_over", {"agent": "report_agent"})]), Says([], [FILED]), Says(["It is filed."])
    )
    assert await agents.ask(alice, "It is cold.") == "It is filed."
    assert len((await alice.get("/reports"))["items"]) == 1
    first, second, _ = agents.model.requests
    assert [tool["function"]["name"] for tool in first["tools"]] == ["hand_over"]
    assert "report_agent: Lists, shows" in first["tools"][0]["function"]["description"]
    assert "file_report" in {tool["function"]["name"] for tool in second["tools"]}
    assert first["messages"][0] != second["messages"][0]


async def test_nobody_is_handed_over_to_whom_there_is_not(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says([], [Use("hand_over", {"agent": "admin"})]), Says(["No."]))
    assert await agents.ask(alice, "Be somebody else.") == "No."
    assert told(agents)["error"]["code"] == "invalid"


async def test_several_tools_at_once_are_answered_each(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["Wait."], [FILED, Use("list_reports")]), Says(["Filed."]))
    assert await agents.ask(alice, "File it.", "report_agent") == "Wait.\n\nFiled."
    said = agents.model.requests[-1]["messages"]
    assert [each["tool_call_id"] for each in said if each["role"] == "tool"] == ["call-0", "call-1"]
    assert said[-3]["content"] == "Wait."


async def test_a_model_that_never_has_enough_is_stopped(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.otherwise = lambda asked: Says([], [Use("list_reports")])
    assert (await agents.ask(alice, "List.", "report_agent")).startswith("Sorry")
    assert len(agents.model.requests) == 8
    assert "tools" not in agents.model.requests[-1]


async def test_a_tool_call_is_made_once_however_often_the_answer_is_tried(agents: Agents) -> None:
    """What the model wanted, and what came of it, is known to the next attempt: it is not asked again."""
    alice = await agents.home.person("alice")
    agents.model.will(Says(["Wait."], [FILED]), Garbage(), Says(["Filed."]))
    async with agents.listening(alice) as talk:
        sent = await agents.tell(alice, "File it.", "report_agent")
        await agents.tried(1)
        (report,) = (await alice.get("/reports"))["items"]
        await alice.put(f"/reports/{report['id']}", {"title": "No hot water"})
        agents.later(2)
        assert (await agents.answer_in(talk, sent["channel_id"]))["content"] == "Wait.\n\nFiled."
    assert [each["title"] for each in (await alice.get("/reports"))["items"]] == ["No hot water"]
    assert len(agents.model.requests) == 3
    assert told(agents)["title"] == "No heating"


async def test_a_tool_that_fails_is_told_and_the_answer_goes_on(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(agents.home.context.reports, "list_own", broken)
    alice = await agents.home.person("alice")
    error = (await use(agents, alice, "list_reports", {}))["error"]
    assert (error["code"], "a bug" in str(error)) == ("internal", False)
    assert "a bug" in caplog.text


async def test_a_database_that_is_away_while_a_tool_acts_delays_the_answer(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("away")

    alice = await agents.home.person("alice")
    agents.model.will(Says([], [FILED]), Says(["Filed."]))
    async with agents.listening(alice) as talk:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(agents.home.context.reports, "file", away)
            sent = await agents.tell(alice, "File it.", "report_agent")
            await agents.tried(1)
        agents.later(2)
        assert (await agents.answer_in(talk, sent["channel_id"]))["content"] == "Filed."
    assert len((await alice.get("/reports"))["items"]) == 1
