"""Agents where no model is configured: reports are still looked after, and the library is not even there."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.settings import Settings
from tests.server.agents.asking import Agents, agents_at

PLAIN_CHAT = """
import asyncio, sys
from pathlib import Path
from server.commands.environment import bring_up_to_date
from tests.server.agents.asking import agents_at
from tests.server.rest.client import settings_for

async def main():
    settings = settings_for(sys.argv[1], Path(sys.argv[2]))
    await bring_up_to_date(settings, migrate=True)
    changes = {"litellm_model": sys.argv[3]}
    async with agents_at(settings, None, **changes) as agents:
        alice, bob = await agents.home.person("alice"), await agents.home.person("bob")
        await alice.post("/messages", {"recipient_id": bob.id, "content": "Hello!"})
        if not sys.argv[3]:
            print(await agents.ask(alice, "help", "report_agent"))

asyncio.run(main())
print(sorted({"litellm", "openai", "tiktoken"} & sys.modules.keys()))
"""


@pytest.fixture
async def agents(quick_settings: Settings) -> AsyncIterator[Agents]:
    async with agents_at(quick_settings, None) as agents:
        yield agents


async def test_the_assistant_says_what_to_set(agents: Agents) -> None:
    answer = await agents.ask(await agents.home.person("alice"), "Hello!")
    assert "no model is configured" in answer
    assert "LITELLM_MODEL" in answer


async def test_the_report_agent_files_shows_and_lists(agents: Agents) -> None:
    alice = await agents.home.person("alice")

    async def ask(text: str) -> str:
        return await agents.ask(alice, text, "report_agent")

    assert await ask("list my reports") == "You have no reports."
    assert await ask("report: No heating — It is cold.") == "Report 1 is filed: No heating"
    assert await ask("List my reports") == "1. No heating (open)"
    assert await ask("list my in progress reports") == "You have no reports."
    assert await ask("show report 1") == "Report 1: No heating (open)\n\nIt is cold."
    assert "report: <title>" in await ask("help")
    assert "report: <title>" in await ask("what can you do?")
    (report,) = (await alice.get("/reports"))["items"]
    assert (report["title"], report["content"]) == ("No heating", "It is cold.")


async def test_a_comment_is_shown_with_the_report(agents: Agents) -> None:
    alice, boss = await agents.home.person("alice"), await agents.home.person("boss")
    context = agents.home.context
    await context.accounts.set_superuser(boss.user["id"], context.clock.now(), is_superuser=True)
    await agents.ask(alice, "report: No heating", "report_agent")
    await boss.post("/reports/1/comment", {"comment": "Soon.", "status": "in_progress"}, expect=200)
    shown = await agents.ask(alice, "show report 1", "report_agent")
    assert shown == "Report 1: No heating (in progress)\n\nNo heating\n\nAnswer: Soon."


async def test_what_is_refused_is_told_in_words(agents: Agents) -> None:
    alice, mallory = await agents.home.person("alice"), await agents.home.person("mallory")
    await agents.ask(alice, "report: Secret — Secret", "report_agent")
    assert await agents.ask(mallory, "show report 1", "report_agent") == "There is no such report of yours."
    assert "length <= 255" in await agents.ask(alice, f"report: {'x' * 300} — y", "report_agent")


async def test_a_mention_in_a_channel_is_understood(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    channel_id = await agents.home.channel(alice)
    await alice.put(f"/channels/{channel_id}/agents/report_agent")
    async with agents.listening(alice) as talk:
        body = {"content": "@report_agent list my reports"}
        await alice.post(f"/channels/{channel_id}/messages", body)
        assert (await agents.answer_in(talk, channel_id))["content"] == "You have no reports."


@pytest.mark.parametrize("model", ["", "gpt-4o"])
def test_the_library_is_not_imported_before_it_is_needed(sqlite_url: str, tmp_path: Path, model: str) -> None:
    """Not by starting, not by a plain chat, and not by agents that have no model."""
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", PLAIN_CHAT, sqlite_url, tmp_path, model],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
