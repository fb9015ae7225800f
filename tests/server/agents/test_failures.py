"""A model that fails, stalls and talks nonsense: people get their answer later, or a short apology."""

import logging
import re

import pytest
from sqlalchemy import select, update

from server.settings import Settings
from storage.tables import agent_usage, outbox
from tests.server.agents.asking import LITELLM_WARNS, Agents, agents_at
from tests.stand_ins.openai import Fails, Garbage, OpenAI, Reply, Says, Stalls, Use

pytestmark = LITELLM_WARNS


@pytest.mark.parametrize(
    "trouble",
    [
        Fails(500),
        Fails(503),
        Fails(429),
        Fails(after=["Half an ans"]),
        Garbage(),
        Garbage("data: nonsense\n\n", "text/event-stream"),
        Garbage("", "text/event-stream"),
        Says([]),
    ],
    ids=repr,
)
async def test_what_may_pass_delays_the_answer(agents: Agents, trouble: Reply) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(trouble, Says(["Here I am."]))
    async with agents.listening(alice) as talk:
        sent = await agents.tell(alice, "Hello?")
        await agents.tried(1)
        agents.later(1)
        answer = await agents.answer_in(talk, sent["channel_id"])
    assert answer["content"] == "Here I am."
    assert len((await alice.get("/messages"))["items"]) == 2


async def test_an_endpoint_that_asks_for_time_gets_it(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Fails(429, {"Retry-After": "30"}))
    await agents.tell(alice, "Hello?")
    await agents.tried(1)
    query = select(outbox.c.next_attempt_at)
    due = await agents.home.context.database.read(lambda connection: connection.execute(query).scalar_one())
    assert (due - agents.home.clock.now()).total_seconds() == 30


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_will_not_pass_is_apologised_for_at_once(
    agents: Agents, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    alice = await agents.home.person("alice")
    agents.model.otherwise = lambda _: Fails(status)
    with caplog.at_level(logging.WARNING, "orchestrator"):
        assert await agents.ask(alice, "Hello?") == "Sorry, I cannot answer now. Please try again later."
    await agents.settled()
    assert await agents.jobs() == [("failed", 1)]
    (line,) = [record.getMessage() for record in caplog.records if record.name == "orchestrator"]
    assert "The stand-in was told to fail." in line or status == 422
    assert "Hello?" not in line


async def test_what_does_not_pass_is_apologised_for_in_the_end_and_answered_when_retried(
    agents: Agents,
) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(*[Fails(500)] * 5)
    async with agents.listening(alice) as talk:
        sent = await agents.tell(alice, "Hello?")
        for attempt in range(1, 5):
            await agents.tried(attempt)
            agents.later(60)
        assert (await agents.answer_in(talk, sent["channel_id"]))["content"].startswith("Sorry")
        await agents.settled()
        assert await agents.jobs() == [("failed", 5)]
        again = update(outbox).values(state="pending", attempts=0, next_attempt_at=agents.home.clock.now())
        await agents.home.context.database.write(lambda connection: connection.execute(again).rowcount)
        agents.later(1)
        assert (await agents.answer_in(talk, sent["channel_id"]))["content"] == "Hello, you."


async def test_the_next_question_is_answered_after_one_that_failed(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Fails(400), Says(["Fine."]))
    await agents.ask(alice, "Hello?")
    assert await agents.ask(alice, "And now?") == "Fine."
    assert [each["content"] for each in agents.model.requests[-1]["messages"][1:]] == ["And now?"]


async def test_an_answer_that_takes_too_long_is_given_up(quick_settings: Settings, model: OpenAI) -> None:
    async with agents_at(quick_settings, model, agent_timeout_s=0.3) as agents:
        alice = await agents.home.person("alice")
        model.will(Stalls(["Once upon"]))
        assert (await agents.ask(alice, "Tell me a story.")).startswith("Sorry, this took too long.")
        assert await agents.ask(alice, "Hello?") == "Hello, you."
        await agents.settled()
        assert await agents.jobs() == [("failed", 1), ("done", 1)]


async def test_one_conversation_that_stalls_holds_up_nobody_else(agents: Agents) -> None:
    alice, bob = await agents.home.person("alice"), await agents.home.person("bob")
    agents.model.will(Stalls())
    await agents.tell(alice, "Tell me a story.")
    await agents.model.stalled.wait()
    assert await agents.ask(bob, "Hello?") == "Hello, you."


async def test_an_endless_answer_is_cut_at_what_a_message_may_hold(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["x" * 1000] * 40))
    assert await agents.ask(alice, "Write a book.") == "x" * 16_000


async def test_text_that_databases_cannot_keep_is_cleaned(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["a\0b", "\ud83d", "c"]))
    assert re.fullmatch("ab.?c", await agents.ask(alice, "Talk."))


# Budgets.


async def test_tokens_are_counted_by_user_and_agent_and_day(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["One."], tokens=(100, 20)), Says(["Two."], tokens=(1000, 200)))
    await agents.ask(alice, "1")
    await agents.ask(alice, "2")
    query = select(agent_usage)
    (row,) = await agents.home.context.database.read(lambda connection: connection.execute(query).all())
    assert (row.user_id, row.agent_id) == (alice.id, agents.ids["assistant"])
    assert (row.tokens_in, row.tokens_out) == (1100, 220)
    tally = agents.home.context.agents.tally
    assert (tally.tokens_in["assistant"], tally.tokens_out["assistant"]) == (1100, 220)


async def test_tokens_that_a_model_does_not_count_are_estimated(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["x" * 400], tokens=None))
    await agents.ask(alice, "y" * 4000)
    query = select(agent_usage)
    (row,) = await agents.home.context.database.read(lambda connection: connection.execute(query).all())
    assert (row.tokens_in > 1000, row.tokens_out) == (True, 100)


async def test_a_user_who_has_spent_the_days_tokens_is_told_so(
    quick_settings: Settings, model: OpenAI
) -> None:
    async with agents_at(quick_settings, model, agent_tokens_per_user_day=100) as agents:
        alice, bob = await agents.home.person("alice"), await agents.home.person("bob")
        model.will(Says(["One."], tokens=(90, 10)))
        assert await agents.ask(alice, "1") == "One."
        assert "budget" in await agents.ask(alice, "2", "report_agent")
        assert await agents.ask(bob, "1") == "Hello, you."
        agents.home.clock.moved_s += 86_400
        assert await agents.ask(await agents.home.nobody.log_in("alice"), "3") == "Hello, you."


# Crashes.


async def test_an_answer_that_a_stop_interrupts_is_given_by_the_next_server(
    quick_settings: Settings, model: OpenAI
) -> None:
    """What a tool did before is not done again, and the model is not asked for it again."""
    filing = Use("file_report", {"title": "No heating", "content": "It is cold."})
    async with agents_at(quick_settings, model, agent_timeout_s=60) as agents:
        alice = await agents.home.person("alice")
        model.will(Says(["Wait."], [filing]), Stalls(["It"]))
        sent = await agents.tell(alice, "File it.", "report_agent")
        await model.stalled.wait()
    model.will(Says(["Filed."]))
    async with agents_at(quick_settings, model) as agents:
        await agents.settled()
        alice = await agents.home.nobody.log_in("alice")
        told = (await alice.get(f"/auth/conversations/{sent['conversation_id']}/messages"))["items"]
        assert len((await alice.get("/reports"))["items"]) == 1
    assert [each["content"] for each in told] == ["Wait.\n\nFiled.", "File it."]
    assert len(model.requests) == 3
    assert [each["role"] for each in model.requests[-1]["messages"]][1:] == ["user", "assistant", "tool"]


async def test_who_cancels_an_answer_pays_for_what_was_read_and_written(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Stalls(["x" * 400]))
    async with agents.listening(alice) as talk:
        sent = await agents.tell(alice, "y" * 4000)
        delta = await talk.hear("agent_delta")
        while not delta["text"]:
            delta = await talk.hear("agent_delta")
        await talk.ask({"type": "cancel", "stream_id": delta["stream_id"]})
        talk.rewind()
        await agents.answer_in(talk, sent["channel_id"])
    query = select(agent_usage)
    (row,) = await agents.home.context.database.read(lambda connection: connection.execute(query).all())
    assert (row.user_id, row.tokens_in > 1000, row.tokens_out) == (alice.id, True, 100)
