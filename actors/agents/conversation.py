"""An agent in one channel: it reads and posts there as the member that it is."""

import asyncio

from actors.agents.history import pairs_before
from actors.catch_up import answering
from actors.channel_commands import Ask, ChannelCommand, Done, Identity, PostMessage, ReadHistory, Result
from actors.system import System
from protocol.commands import CONTENT_MAX_CHARS
from protocol.errors import Refusal, Refused, Unavailable
from protocol.ids import ChannelId, Seq
from protocol.resources import Message

PAGE = 200
PAGES_MAX = 3
"""How far back a conversation is looked for among what others say."""
ASK_DEADLINE_S = 15.0


class Conversation:
    """Raises `Refused` where the agent may not, and for what may pass a retryable one or `Unavailable`."""

    def __init__(self, system: System, by: Identity, channel_id: ChannelId) -> None:
        self._system = system
        self._by = by
        self._channel_id = channel_id

    async def message_at(self, seq: Seq) -> Message | None:
        """The message that was posted as this change; None when there is none or it was deleted."""
        page = await self._page(Seq(seq + 1), limit=1)
        found = page[0] if page else None
        return found if found is not None and found.seq == seq and found.content is not None else None

    async def pairs(self, question: Message, history_max: int) -> list[tuple[Message, Message]]:
        """What was asked and answered before, oldest first: as much as is remembered, or is soon found."""
        messages: list[Message] = []
        before: Seq | None = None
        for _ in range(PAGES_MAX):
            page = await self._page(before, PAGE)
            messages += page
            pairs = pairs_before(question, messages, self._by.user_id)
            if not page or 2 * len(pairs) >= history_max:
                return pairs
            before = page[-1].seq
        return pairs_before(question, messages, self._by.user_id)

    async def post(self, question: Message, text: str, nonce: str, stream_id: str | None = None) -> Message:
        """Say something in answer, once for each nonce; in a thread, it stays there."""
        command = PostMessage(
            content=text[:CONTENT_MAX_CHARS],
            nonce=nonce,
            parent_id=question.parent_id,
            via="agent",
            stream_id=stream_id,
        )
        done = await self._ask(command)
        assert done.message is not None  # noqa: S101 - what posting answers
        return done.message

    async def _page(self, before: Seq | None, limit: int) -> tuple[Message, ...]:
        done = await self._ask(ReadHistory(before=before, limit=limit))
        return done.history.messages if done.history is not None else ()

    async def _ask(self, command: ChannelCommand) -> Done:
        """Not by way of the agent's user: everybody's answers would spend one budget of commands."""
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._system.offer(("channel", self._channel_id), Ask(self._by, command, answering(answered)))
        try:
            result = await asyncio.wait_for(answered, ASK_DEADLINE_S)
        except TimeoutError:
            raise Unavailable("the channel did not answer in time") from None
        if isinstance(result, Refusal):
            raise Refused(result)
        return result
