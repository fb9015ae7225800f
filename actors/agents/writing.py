"""Writing one answer: the model is asked, uses tools, and is asked again, until it only says something.

Every completion of the model's is written down before anything is done about it. An attempt after a crash
takes them from there, and each tool call finds by its number what it has changed already.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from actors.agents.agent import Agent
from actors.agents.hand_over import HAND_OVER, hand_over_tool
from actors.agents.ports import AgentSurroundings, Model, ModelFailed, Said, Speaker
from actors.agents.toolbox import Toolbox
from actors.agents.tools import Tool
from actors.channel_commands import Identity
from actors.streams import Stream
from protocol.agents import Completion, Spender, Used, estimated_tokens
from protocol.commands import CONTENT_MAX_CHARS
from protocol.errors import Refused
from protocol.jobs import Job

COMPLETIONS_MAX = 8
"""How often a model is asked for one answer: each time but the last it wants tools used."""
REQUESTS_MAX = 16
"""How many tools a model may want used at once."""

SPENT = "You have used up today's budget for agents. It starts anew at midnight, UTC."
NOTHING = "I have nothing to say to that."
APART = "\n\n"


class Writing:
    """One attempt at one answer. What is written is shown by `stream` as it comes."""

    def __init__(
        self, around: AgentSurroundings, speaker: Speaker, job: Job, asker: Identity, stream: Stream
    ) -> None:
        self._around = around
        self._speaker = speaker
        self._agent: Agent = speaker.agent
        self._job = job
        self._asker = asker
        self._stream = stream
        self._toolbox = Toolbox(around, job, asker.user_id)
        self._unpaid: Used | None = None

    async def with_model(self, model: Model, past: Sequence[Said], question: str) -> str:
        """The whole answer. Raises `ModelFailed` and `Unavailable`."""
        said = [*past, Said("user", question)]
        written = list((await self._around.jobs.progress(self._job)).completions)
        for number in range(COMPLETIONS_MAX):
            tools = self._tools() if number < COMPLETIONS_MAX - 1 else {}
            is_written = number < len(written)
            completion = written[number] if is_written else await self._ask(model, said, tools)
            if completion is None:
                return self._say(SPENT)
            if is_written:
                self._say(completion.text)
            if not completion.requests:
                return self._stream.text.strip() or NOTHING
            said.append(Said("assistant", completion.text, completion.requests))
            for request in completion.requests[:REQUESTS_MAX]:
                result = await self._toolbox.answer(self._agent, tools, request)
                said.append(Said("tool", result, answers=request.id))
        raise ModelFailed(f"it wanted tools used {COMPLETIONS_MAX} times in a row", is_retryable=False)

    async def without_model(self, question: str) -> str:
        """What the agent says by itself; a refusal is told in its own words."""
        agent = self._agent

        async def use(method: object, **arguments: object) -> object:
            tool = agent.tools[getattr(method, "__name__", "")]
            return await self._toolbox.use(agent, tool, msgspec.json.encode(arguments))

        try:
            return self._say(await agent.without_model(question, use))
        except Refused as refused:
            if refused.refusal.meaning.retryable:
                raise
            return self._say(refused.refusal.message)

    async def pay(self) -> None:
        """Charge what a completion has cost that was stopped, or failed midway. Raises `Unavailable`.

        That is what the model told until then; where it did not, a token for 4 characters of what it was told
        and of what it wrote. To be called when nothing is being written any more.
        """
        unpaid, self._unpaid = self._unpaid, None
        if unpaid is not None:
            await self._around.jobs.charge(self._spender(), unpaid, self._around.clock.now())
            self._around.tally.spent(self._speaker.agent.name, unpaid)

    def _say(self, text: str) -> str:
        """Show something that is known already, apart from what was said before it."""
        if text:
            self._stream.add(APART + text if self._stream.text else text)
        return self._stream.text

    async def _ask(self, model: Model, said: Sequence[Said], tools: Mapping[str, Tool]) -> Completion | None:
        """The model's next completion; None when the asker has no tokens left for it."""
        spent = await self._around.jobs.spent(self._asker.user_id, self._around.clock.now())
        if spent >= self._around.limits.tokens_per_user_day:
            return None
        conversation = [self._prompt(), *said]
        self._unpaid = prompt = Used(estimated_prompt(conversation, tools.values()))
        try:
            completion = await self._hear(model, conversation, tools, prompt)
        except ModelFailed:
            if self._unpaid == prompt:
                # Nobody bills a request that failed before it was answered.
                self._unpaid = None
            raise
        self._unpaid = None
        await self._around.jobs.add_completion(
            self._job, completion, self._spender(), self._around.clock.now()
        )
        self._around.tally.spent(self._speaker.agent.name, completion.used)
        return completion

    async def _hear(
        self, model: Model, said: Sequence[Said], tools: Mapping[str, Tool], used: Used
    ) -> Completion:
        """Show what the model says while it does. What is longer than a message may be is not waited for."""
        text, prompt = "", used.tokens_in
        async with aclosing(model.stream(said, tuple(tools.values()))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    return replace(piece, tokens_in=piece.tokens_in or prompt)
                if isinstance(piece, Used):
                    self._unpaid = used = Used(piece.tokens_in or prompt, piece.tokens_out)
                    continue
                self._stream.add(piece if text or not self._stream.text else APART + piece)
                text += piece
                if len(self._stream.text) >= CONTENT_MAX_CHARS:
                    return Completion(text, (), used.tokens_in, used.tokens_out)
        raise ModelFailed("it ended without a completion", is_retryable=True)

    def _spender(self) -> Spender:
        return Spender(self._asker.user_id, self._speaker.profile.id)

    def _prompt(self) -> Said:
        now, name = self._around.clock.now(), self._asker.profile.username
        facts = f"You are {self._agent.name}. You talk to {name}. It is {now:%A, %Y-%m-%d %H:%M} UTC."
        return Said("system", f"{self._agent.prompt}\n\n{facts}")

    def _tools(self) -> Mapping[str, Tool]:
        """Those of whoever is writing now, and handing over where that is for them to do."""
        others = [each.agent for each in self._around.speakers.values() if each.agent is not self._agent]
        if not self._agent.hands_over or not others:
            return self._agent.tools
        return {**self._agent.tools, HAND_OVER: hand_over_tool(others, self._go_on_as)}

    def _go_on_as(self, agent: Agent) -> None:
        self._agent = agent


def estimated_prompt(said: Iterable[Said], tools: Iterable[Tool]) -> int:
    """What a model has to read, in tokens: roughly, where it does not say."""
    chars = sum(len(each.text) + sum(len(request.arguments) for request in each.requests) for each in said)
    schemas = sum(len(tool.description) + len(msgspec.json.encode(tool.schema)) for tool in tools)
    return estimated_tokens(chars + schemas)
