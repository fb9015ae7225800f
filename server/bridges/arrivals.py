"""What people write from elsewhere, taken into the chat: into their direct channel with the assistant.

It is a post like any other. Next on its path: `Chat.ask` in `actors/chat.py`.
"""

import logging
from collections import Counter
from typing import Final

from actors.channel_commands import Identity, PostMessage
from actors.chat import Chat
from actors.ports import Clock
from protocol.commands import CONTENT_MAX_CHARS
from protocol.errors import Code, Refusal, Refused
from protocol.ids import UserId
from protocol.jobs import Bridge as BridgeName
from server.bridges.bridge import Arrival
from storage.accounts import Accounts
from storage.attachments import Attachments

LOG: Final = logging.getLogger("server.bridges")
ASSISTANT: Final = "assistant"
NOBODY_ANSWERS: Final = Refusal(
    Code.UNAVAILABLE, "There is no assistant to take the message.", retry_after_ms=60_000
)


class Arrivals:
    """`unknown` counts by bridge what came from people whom nobody here knows."""

    def __init__(self, chat: Chat, accounts: Accounts, attachments: Attachments, clock: Clock) -> None:
        self.unknown: Counter[str] = Counter()
        self._chat = chat
        self._accounts = accounts
        self._attachments = attachments
        self._clock = clock

    async def take(self, bridge: BridgeName, arrival: Arrival) -> None:
        """Post it; a repeat changes nothing. It is committed when this returns.

        Raises Refused when it may be taken later. What never will be is logged and let go: other services
        would send it again and again.
        """
        try:
            await self._post(bridge, arrival)
        except Refused as refused:
            if refused.refusal.meaning.retryable:
                raise
            about = {"bridge": bridge, "user_id": arrival.author.id, "code": refused.refusal.code}
            LOG.warning("message not taken", extra=about)

    async def _post(self, bridge: BridgeName, arrival: Arrival) -> None:
        by = Identity(arrival.author)
        channel_id = await self._chat.direct(by, await self._assistant())
        # Those of a repeat go with no message, and are forgotten like files that nobody sends.
        attached = await self._attachments.add_links(by.user_id, arrival.links, self._clock.now())
        content = arrival.content[:CONTENT_MAX_CHARS]
        post = PostMessage(content=content, nonce=arrival.nonce, attachments=attached, via=bridge)
        # Other services do not repeat what was refused as too much: it would be lost.
        done = await self._chat.ask(by, channel_id, post, is_free=True)
        about = {"bridge": bridge, "user_id": by.user_id, "seq": done.seq, "duplicate": done.duplicate}
        LOG.info("message taken", extra=about)

    async def _assistant(self) -> UserId:
        found = await self._accounts.find_by_login(ASSISTANT)
        if found is None or not found.is_bot:
            LOG.error("a message came from outside and there is no assistant")
            raise Refused(NOBODY_ANSWERS)
        return found.id
