"""What Twilio posts: messages from people, and news of those to them. Its signature was checked before."""

import logging
import re
from typing import Final
from xml.sax.saxutils import escape

from msgspec import field
from multidict import MultiDict

from actors.channel_commands import MoveDelivery
from actors.chat import Chat
from actors.ports import Clock
from protocol.errors import Code, Refused
from protocol.ids import MessageId
from server.bridges.arrivals import Arrivals
from server.bridges.bridge import Arrival
from server.bridges.errand import note
from server.bridges.media import link_of
from server.bridges.twilio import (
    NAMES,
    NUMBER_MAX_CHARS,
    OPTED_OUT,
    PREFIXES,
    SID_MAX_CHARS,
    Name,
    nonce_of,
    opt_out_key,
)
from server.bridges.twilio_states import state_of
from server.forms import Form
from storage.attachments import NewLink
from storage.deliveries import Deliveries, Place
from storage.phones import Phones

LOG: Final = logging.getLogger("twilio_logger")
STOP_WORDS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS: Final = frozenset({"START", "UNSTOP", "YES"})
HELP_WORDS: Final = frozenset({"HELP", "INFO"})
HELP: Final = (
    "Write anything to talk to the assistant. Reply STOP to get no more messages, START to get them again."
)
NOTHING: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
MEDIA_MAX: Final = 10
COUNT: Final = re.compile("[0-9]{1,3}")


class TwilioMessage(Form, frozen=True, kw_only=True, rename="pascal"):
    """A message as Twilio tells of it. Media are in `MediaUrl0`, `MediaContentType0` and so on."""

    message_sid: str = ""
    sms_sid: str = ""
    from_: str = field(default="", name="From")
    to: str = ""
    body: str = ""
    num_media: str = ""
    messaging_service_sid: str = ""
    opt_out_type: str = ""


class TwilioNews(Form, frozen=True, kw_only=True, rename="pascal"):
    """How far a message of ours has got."""

    message_sid: str = ""
    sms_sid: str = ""
    message_status: str = ""
    sms_status: str = ""
    error_code: str = ""
    from_: str = field(default="", name="From")
    to: str = ""


class TwilioInbox:
    """Takes in what comes for the two bridges by Twilio."""

    def __init__(
        self, arrivals: Arrivals, phones: Phones, deliveries: Deliveries, chat: Chat, clock: Clock
    ) -> None:
        self._arrivals = arrivals
        self._phones = phones
        self._deliveries = deliveries
        self._chat = chat
        self._clock = clock

    async def receive(self, message: TwilioMessage, fields: MultiDict[str]) -> str:
        """The answer, as TwiML. What was said is committed when this returns. Raises Refused."""
        sid = message.message_sid or message.sms_sid
        name, number = parse_address(message.from_)
        ours = parse_address(message.to)[1]
        about = {
            "sid": sid,
            "from_number": message.from_,
            "to_number": message.to,
            "chars": len(message.body),
        }
        if name is None or not 0 < len(sid) <= SID_MAX_CHARS or len(ours) > NUMBER_MAX_CHARS:
            LOG.warning("not understood", extra=about)
            return NOTHING
        LOG.debug("text %r", message.body, extra={"sid": sid})
        if await self._is_about_stopping(message, number, opt_out_key(name, ours)):
            LOG.info("opt-out keyword", extra=about)
            return NOTHING
        author = await self._phones.owner(number)
        if author is None:
            self._arrivals.unknown[name] += 1
            LOG.warning("unknown number", extra=about)
            return NOTHING
        if keyword_of(message.body) in HELP_WORDS:
            LOG.info("asked for help", extra=about)
            return NOTHING if message.opt_out_type else say(HELP)
        content, links = message.body.strip(), links_of(message, fields)
        if not (content or links):
            LOG.info("nothing in it", extra=about)
            return NOTHING
        await self._arrivals.take(name, Arrival(author, content, nonce_of(sid, ours, number), links))
        LOG.info("message taken", extra=about | {"user_id": author.id})
        return NOTHING

    async def hear(self, news: TwilioNews, message_id: MessageId | None, part: int) -> None:
        """News of a message: of a part by its place, or by Twilio's id. What is stale changes nothing."""
        sid = news.message_sid or news.sms_sid
        word = news.message_status or news.sms_status
        about = {"sid": sid, "status": word, "error_code": news.error_code}
        state = state_of(word)
        place = await self._place(sid, message_id, part)
        if state is None or place is None:
            LOG.info("news of nothing known", extra=about)
            return
        if news.error_code == OPTED_OUT:
            await self._stopped_at_twilio(news)
        move = MoveDelivery(
            message_id=place.message_id,
            part=place.part,
            state=state,
            error_code=news.error_code or None,
            external_id=sid or None,
        )
        try:
            await note(self._chat, place.author_id, place.channel_id, move)
        except Refused as refused:
            if refused.refusal.code is not Code.NOT_FOUND:
                raise
        LOG.info("news", extra=about | {"message_id": place.message_id, "part": place.part})

    async def _place(self, sid: str, message_id: MessageId | None, part: int) -> Place | None:
        if message_id is not None:
            return await self._deliveries.place(message_id, part)
        return await self._deliveries.find(NAMES, sid)

    async def _is_about_stopping(self, message: TwilioMessage, number: str, ours: str) -> bool:
        """Whoever has not stopped may well say yes."""
        keyword = message.opt_out_type.upper() or keyword_of(message.body)
        if keyword in STOP_WORDS:
            await self._phones.opt_out(number, ours, self._clock.now())
            return True
        return keyword in START_WORDS and await self._phones.opt_in(number, ours)

    async def _stopped_at_twilio(self, news: TwilioNews) -> None:
        name, number = parse_address(news.to)
        if name is not None:
            ours = opt_out_key(name, parse_address(news.from_)[1])
            await self._phones.opt_out(number, ours, self._clock.now())


def parse_address(address: str) -> tuple[Name | None, str]:
    """Which bridge an address is of, and its number; None for channels that we do not speak."""
    channel, colon, number = address.partition(":")
    prefix = channel + colon if number else ""
    name = next((name for name in NAMES if PREFIXES[name] == prefix), None)
    return name, (number if prefix else address)


def keyword_of(body: str) -> str:
    """The one word that the message consists of; empty when it says more."""
    word = body.strip().strip("\"'.!").upper()
    return word if word.isalpha() else ""


def links_of(message: TwilioMessage, fields: MultiDict[str]) -> tuple[NewLink, ...]:
    """Its media, as many as it says that it has."""
    count = int(message.num_media) if COUNT.fullmatch(message.num_media) else 0
    found = (
        link_of(fields.get(f"MediaUrl{number}", ""), fields.get(f"MediaContentType{number}", ""), number + 1)
        for number in range(min(count, MEDIA_MAX))
    )
    return tuple(link for link in found if link is not None)


def say(text: str) -> str:
    """TwiML that answers with this text."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response><Message>{escape(text)}</Message></Response>'
