"""What Telegram posts: messages from people, and codes that link their chats."""

import secrets
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from actors.ports import Clock
from protocol.ids import UserId
from server.bridges.arrivals import Arrivals
from server.bridges.bridge import Arrival
from storage.telegram_links import TelegramLinks

CODE_CHARS: Final = 10
ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without what people take for something else."""
CODE_LIFE: Final = timedelta(minutes=15)
WELCOME: Final = "You are linked as {name}. Write anything to talk to the assistant."
STRANGER: Final = "I do not know you yet. Ask for a code in your account's settings, and send it here."


class TelegramChat(Struct, frozen=True):
    id: int
    type: str = "private"


class TelegramMessage(Struct, frozen=True):
    message_id: int
    chat: TelegramChat
    text: str = ""
    caption: str = ""


class TelegramUpdate(Struct, frozen=True):
    """Something has happened at the bot; all but new messages is let pass."""

    update_id: int = 0
    message: TelegramMessage | None = None


class TelegramReply(Struct, frozen=True, omit_defaults=True):
    """What the bot is to do, as the answer to an update; nothing when it is empty."""

    method: str = ""
    chat_id: int = 0
    text: str = ""


class Offer(Struct, frozen=True):
    """Send `code` to the bot before `expires_at`."""

    code: str
    expires_at: datetime


class TelegramInbox:
    def __init__(self, arrivals: Arrivals, links: TelegramLinks, clock: Clock) -> None:
        self._arrivals = arrivals
        self._links = links
        self._clock = clock

    async def offer(self, user_id: UserId) -> Offer:
        """A new code, which links whoever sends it to the bot."""
        now = self._clock.now()
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))
        offer = Offer(code, now + CODE_LIFE)
        await self._links.offer(user_id, code, offer.expires_at, now)
        return offer

    async def receive(self, update: TelegramUpdate) -> TelegramReply:
        """What was said is committed when this returns. Raises Refused."""
        message = update.message
        if message is None or message.chat.type != "private":
            return TelegramReply()
        chat_id, text = message.chat.id, (message.text or message.caption).replace("\0", "").strip()
        linked = await self._links.link(chat_id, code_in(text), self._clock.now())
        if linked is not None:
            return reply(chat_id, WELCOME.format(name=linked.username))
        author = await self._links.owner(chat_id)
        if author is None:
            self._arrivals.unknown["telegram"] += 1
            return reply(chat_id, STRANGER)
        if text:
            nonce = f"{chat_id}:{message.message_id}"
            await self._arrivals.take("telegram", Arrival(author, text, nonce))
        return TelegramReply()


def code_in(text: str) -> str:
    """The code that a text may be: by itself, or behind the `/start` of a link to the bot."""
    return text.removeprefix("/start").strip().upper()


def reply(chat_id: int, text: str) -> TelegramReply:
    return TelegramReply("sendMessage", chat_id, text)
