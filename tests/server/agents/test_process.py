"""Agents whose model runs in a process of its own, as it does everywhere but in the other tests here."""

import logging
import os
import signal
import sys

import pytest

from server.settings import Settings
from tests.server.agents.asking import agents_at
from tests.server.rest.client import Json
from tests.server.talking import Talk
from tests.stand_ins.openai import Says, Stalls, openai


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.model.RESTART_AFTER_S", 0.0)


def started(caplog: pytest.LogCaptureFixture) -> list[int]:
    """The processes' numbers."""
    return [record.__dict__["pid"] for record in caplog.records if "has started" in record.getMessage()]


async def begun(talk: Talk) -> Json:
    """Wait until an answer is shown that is being written."""
    while True:
        delta = await talk.hear("agent_delta")
        if delta["text"]:
            return delta


async def test_an_answer_whose_process_is_killed_midway_is_given_by_the_next_one_once(
    quick_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody else notices."""
    async with openai() as model, agents_at(quick_settings, model) as agents:
        alice, bob = await agents.home.person("alice"), await agents.home.person("bob")
        model.will(Stalls(["Once upon"]), Says(["Once upon a time."]))
        with caplog.at_level(logging.INFO, "orchestrator"):
            async with agents.listening(alice) as talk:
                sent = await agents.tell(alice, "Tell me a story.")
                await model.stalled.wait()
                await begun(talk)
                os.kill(started(caplog)[0], signal.SIGKILL)
                await agents.tried(1)
                await bob.post("/messages", {"recipient_id": alice.id, "content": "Hello!"})
                agents.later(1)
                answer = await agents.answer_in(talk, sent["channel_id"])
        assert answer["content"] == "Once upon a time."
        told = (await alice.get(f"/auth/conversations/{sent['conversation_id']}/messages"))["items"]
        assert [each["content"] for each in told] == ["Once upon a time.", "Tell me a story."]
        assert len(set(started(caplog))) == 2


async def test_a_library_that_cannot_be_imported_is_apologised_for(
    quick_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads why; without what was asked."""
    missing = "raise ModuleNotFoundError(\"No module named 'litellm'\")"
    monkeypatch.setattr("server.model_process.COMMAND", (sys.executable, "-c", missing))
    async with openai() as model, agents_at(quick_settings, model) as agents:
        alice = await agents.home.person("alice")
        async with agents.listening(alice) as talk:
            sent = await agents.tell(alice, "Tell me a story.")
            for attempt in range(1, 5):
                await agents.tried(attempt)
                agents.later(60)
            answer = await agents.answer_in(talk, sent["channel_id"])
        assert answer["content"] == "Sorry, I cannot answer now. Please try again later."
        await agents.settled()
        assert await agents.jobs() == [("failed", 5)]
    lines = [record.getMessage() for record in caplog.records if record.name == "orchestrator"]
    assert any("exit code 1: ModuleNotFoundError: No module named 'litellm'" in line for line in lines)
    assert not any("story" in line for line in lines)
