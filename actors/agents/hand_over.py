"""Handing over: another agent goes on with the answer, with its own prompt and tools, for the same asker."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from msgspec import Meta

from actors.agents.agent import Agent
from actors.agents.tools import Tool, ToolCall, make_tool

HAND_OVER: Final = "hand_over"


def hand_over_tool(others: Sequence[Agent], go_on: Callable[[Agent], None]) -> Tool:
    """`go_on` hears which of `others` it is to be from now on."""
    by_name = {agent.name: agent for agent in others}

    async def hand_over(_speaking: Agent, _call: ToolCall, agent: str) -> str:
        go_on(by_name[agent])
        return f"{agent} goes on."

    names = "|".join(re.escape(name) for name in by_name)
    lines = [f"- {agent.name}: {agent.description}" for agent in others]
    description = "\n".join(["Let another agent go on with the answer. It sees the conversation.", *lines])
    fields = [("agent", Annotated[str, Meta(pattern=f"^({names})$")])]
    return make_tool(HAND_OVER, description, hand_over, fields)
