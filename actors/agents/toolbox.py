"""Using tools in one answer: each call is checked like a request, numbered, and made as who asked."""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from actors.agents.agent import Agent
from actors.agents.ports import AgentSurroundings
from actors.agents.tools import Tool, ToolCall
from protocol.agents import CallKey, ToolRequest
from protocol.errors import Code, Refusal, Refused, Unavailable
from protocol.ids import UserId
from protocol.jobs import Job

log = logging.getLogger("orchestrator")

RESULT_MAX_CHARS = 16_000
"""How much of what a tool answers a model is told."""
NO_TOOL = Refusal(Code.NOT_FOUND, "There is no such tool.", field="name")
NOT_ALLOWED = Refusal(Code.FORBIDDEN, "The account that asked may do nothing any more.")
BROKEN = Refusal(Code.INTERNAL, "The tool does not work now.")


class Toolbox:
    """The tool calls of one attempt at one job. Their numbers are the same in every attempt."""

    def __init__(self, around: AgentSurroundings, job: Job, asker_id: UserId) -> None:
        self._around = around
        self._job = job
        self._asker_id = asker_id
        self._calls = 0

    async def answer(self, agent: Agent, tools: Mapping[str, Tool], request: ToolRequest) -> str:
        """What the model is told of what it asked for, as JSON. Raises `Unavailable`: the job waits."""
        try:
            result = await self.use(agent, tools.get(request.name), request.arguments.encode())
        except Refused as refused:
            if refused.refusal.code is Code.UNAVAILABLE:
                raise Unavailable(refused.refusal.message) from None
            result = {"error": refused.refusal}
        text = msgspec.json.encode(result).decode()
        return text if len(text) <= RESULT_MAX_CHARS else text[:RESULT_MAX_CHARS] + " (and more)"

    async def use(self, agent: Agent, tool: Tool | None, arguments: bytes) -> Any:
        """Use a tool as the user who asked, who is looked at anew each time. Raises Refused."""
        self._calls += 1
        key = CallKey(self._job.id, self._job.attempt, self._calls)
        if tool is None:
            raise Refused(NO_TOOL)
        given = self._around.decode(tool.arguments, arguments or b"{}")
        by = await self._around.people.identity(self._asker_id)
        if by is None:
            raise Refused(NOT_ALLOWED)
        named = {name: getattr(given, name) for name in given.__struct_fields__}
        log.info("uses a tool", extra={"agent": agent.name, "tool": tool.name, "user_id": by.user_id})
        return await self._run(agent, tool, ToolCall(by, key), named)

    async def _run(self, agent: Agent, tool: Tool, call: ToolCall, given: dict[str, Any]) -> Any:
        try:
            return await tool.method(agent, call, **given)
        except (Refused, Unavailable):
            raise
        except Exception:
            # A tool that fails is told to the model like a refusal, and the answer goes on without it.
            log.exception("a tool failed", extra={"agent": agent.name, "tool": tool.name})
            raise Refused(BROKEN) from None
