"""People who text: a server with bridges whose other ends are on this machine."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from msgspec import structs
from multidict import MultiDict
from sqlalchemy import select

from protocol.jobs import JobKind
from server.settings import Settings
from storage.tables import deliveries, outbox
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, place
from tests.stand_ins import telegram, twilio

PUBLIC_URL: Final = "https://chat.example"
PATIENCE_S: Final = 60.0
"""Only ever waited for when a promise is broken."""

_numbers = itertools.count(1)


class Texting:
    """A place that can be texted to, and those who text."""

    def __init__(self, home: Place, phone: twilio.StandIn, bot: telegram.StandIn) -> None:
        self.home = home
        self.phone = phone
        self.bot = bot

    async def person(self, name: str, number: str | None) -> Api:
        """Somebody new with this telephone number."""
        person = await self.home.person(name)
        await person.put("/auth/me/phone", {"phone_number": number})
        return person

    async def text(self, number: str, body: str, **fields: str) -> str:
        """Somebody sends an SMS: Twilio's signed webhook, and what it is answered."""
        return await self.webhook("/twilio_webhook", incoming(number, body, **fields))

    async def news(self, message: Json, status: str, **fields: str) -> None:
        """Twilio says how far one of its messages has got."""
        path = message["callback"].removeprefix(PUBLIC_URL)
        await self.webhook(path, news_of(message, status, **fields))

    async def webhook(self, path: str, form: MultiDict[str], expect: int = 200) -> str:
        headers = twilio.signature(PUBLIC_URL + path, form)
        answer: str = await self.post(path, form, headers, expect)
        return answer

    async def post(self, path: str, form: MultiDict[str], headers: dict[str, str], expect: int = 200) -> Any:
        async with self.home.nobody.session.post(path, data=form, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == expect, f"{path}: {answer.status} {text}"
            return text

    async def chat_of(self, person: Api) -> list[Json]:
        """What was said between this person and the assistant, oldest first."""
        messages = (await person.get("/messages"))["items"]
        return sorted(messages, key=lambda message: int(message["seq"]))

    async def delivery_of(self, person: Api, number: int = -1) -> Json:
        """How far a message to this person has got: the last one, unless said otherwise."""
        received = [each for each in await self.chat_of(person) if each["recipient_id"] == person.id]
        return received[number]["delivery"]

    async def jobs(self, kind: JobKind = "sms") -> list[str]:
        query = select(outbox.c.state).where(outbox.c.kind == kind).order_by(outbox.c.id)
        return await self._read(query)

    async def error(self) -> str:
        """Why the last job was not done."""
        return str((await self._read(select(outbox.c.last_error).order_by(outbox.c.id)))[-1])

    async def rows(self) -> list[tuple[str, str | None]]:
        """Every part there is: its state and id."""
        query = select(deliveries.c.state, deliveries.c.external_id).order_by(deliveries.c.id)
        found = await self.home.context.database.read(lambda connection: connection.execute(query).all())
        return [(row.state, row.external_id) for row in found]

    async def _read(self, query: Any) -> list[Any]:
        rows = await self.home.context.database.read(lambda c: c.execute(query).scalars().all())
        return list(rows)

    async def settled(self, kind: JobKind = "sms", count: int = 1) -> list[str]:
        """Wait until there are so many jobs and nothing is to be done; their states."""

        async def is_so() -> bool:
            jobs = await self.jobs(kind)
            return len(jobs) >= count and not {"pending", "sending"} & set(jobs)

        await self.until(is_so)
        return await self.jobs(kind)

    async def resting(self, error: str, kind: JobKind = "sms", count: int = 1) -> None:
        """Wait until so many jobs wait for their next attempt because of this."""
        is_it = (outbox.c.kind == kind) & outbox.c.last_error.contains(error)

        async def is_so() -> bool:
            return len(await self._read(select(outbox.c.id).where(is_it))) == count

        await self.until(is_so)

    async def until_answered(self, person: Api, times: int) -> None:
        """Wait until the assistant has said so much to this person."""

        async def is_so() -> bool:
            return [each["recipient_id"] for each in await self.chat_of(person)].count(person.id) == times

        await self.until(is_so)

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Nobody is told when a job is settled: it is looked for."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await is_so():
                    return
                await asyncio.sleep(0.01)

    def later(self, seconds: float, kind: JobKind = "sms") -> None:
        """So much time passes, and what is due by then is done."""
        self.home.clock.moved_s += seconds
        self.home.context.chat.outboxes.poke(kind)


def incoming(number: str, body: str, **fields: str) -> MultiDict[str]:
    """The form of an SMS as Twilio posts it."""
    sid = f"SM{next(_numbers):032x}"
    form = {
        "ToCountry": "US",
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": twilio.ACCOUNT,
        "From": number,
        "To": twilio.OURS,
        "Body": body,
        "NumMedia": "0",
        "FromCity": "",
        "ApiVersion": "2010-04-01",
    }
    return MultiDict(form | fields)


def news_of(message: Json, status: str, **fields: str) -> MultiDict[str]:
    form = {
        "MessageSid": message["sid"],
        "SmsSid": message["sid"],
        "MessageStatus": status,
        "SmsStatus": status,
        "From": message["from"],
        "To": message["to"],
        "AccountSid": twilio.ACCOUNT,
    }
    return MultiDict(form | fields)


@contextlib.asynccontextmanager
async def texting(settings: Settings, **changes: Any) -> AsyncIterator[Texting]:
    """A server with all bridges on."""
    async with (
        twilio.twilio() as phone,
        telegram.telegram() as bot,
        place(bridged(settings, phone, bot), **changes) as home,
    ):
        phone.now = lambda: home.clock.now().timestamp()
        yield Texting(home, phone, bot)


def bridged(settings: Settings, phone: twilio.StandIn, bot: telegram.StandIn) -> Settings:
    return structs.replace(
        settings,
        access_token_minutes=10_000_000,
        public_url=PUBLIC_URL,
        twilio_account_sid=twilio.ACCOUNT,
        twilio_auth_token=twilio.TOKEN,
        twilio_phone_number=twilio.OURS,
        twilio_api_url=phone.url,
        telegram_bot_token=telegram.BOT_TOKEN,
        telegram_webhook_secret=telegram.SECRET,
        telegram_api_url=bot.url,
    )
