"""What an agent is: a name, a description, a prompt, its tools, and what it says without a model.

`docs/agents.md` shows one in 20 lines.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from actors.agents.tools import Tool, tools_of

Use = Callable[..., Awaitable[Any]]
"""`await use(self.show_report, report_id=3)`: uses a tool, with the checks that a model's call has."""

NO_MODEL = (
    "I cannot answer: no model is configured. Whoever runs this server can set LITELLM_MODEL to the name of "
    "one, and LITELLM_BASEURL and LITELLM_API_KEY to where it is, and start the server again."
)


class Agent:
    """Base of all agents: a subclass says who it is, and marks its tools with `@tool`."""

    name: ClassVar[str]
    """The user name that it is written to by, and mentioned by."""
    description: ClassVar[str]
    """What it is for, in a line: people and other agents read it."""
    prompt: ClassVar[str]
    """What the model is told before the conversation."""
    hands_over: ClassVar[bool] = False
    """Whether it may let another agent go on with an answer."""
    tools: ClassVar[Mapping[str, Tool]] = {}

    @override
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.tools = tools_of(cls)

    async def without_model(self, text: str, use: Use) -> str:  # noqa: ARG002 - for those who override it
        """The answer to `text` where no model is configured. May raise `Refused`."""
        return NO_MODEL
