"""Servers whose agents speak by a stand-in for a model, over real HTTP and by the real LiteLLM."""

from collections.abc import AsyncIterator

import pytest

from server.model_library import import_litellm
from server.settings import Settings
from tests.server.agents import in_thread
from tests.server.agents.asking import Agents, agents_at
from tests.stand_ins.openai import OpenAI, openai


@pytest.fixture(scope="session")
def litellm() -> None:
    """Imported once for all tests: it takes seconds."""
    import_litellm()


@pytest.fixture
async def model(litellm: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAI]:
    monkeypatch.setattr("server.model_process.spawn", in_thread.spawn)
    async with openai() as stand_in:
        yield stand_in


@pytest.fixture
async def agents(quick_settings: Settings, model: OpenAI) -> AsyncIterator[Agents]:
    async with agents_at(quick_settings, model) as agents:
        yield agents
