"""Talking to agents: from a message over a socket to the model, and back."""

from tests.server.agents.asking import Agents
from tests.stand_ins.openai import Says


async def test_an_agent_answers_a_direct_message(agents: Agents) -> None:
    alice = await agents.home.person("alice")
    agents.model.will(Says(["Good ", "morning."]))
    assert await agents.ask(alice, "Good morning!") == "Good morning."
    (asked,) = agents.model.requests
    assert asked["messages"][-1] == {"role": "user", "content": "Good morning!"}
    assert asked["messages"][0]["role"] == "system"
