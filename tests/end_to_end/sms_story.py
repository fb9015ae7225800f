"""The story of a text message: somebody texts a complaint, the assistant hands over to the agent of reports,
it files one, and the answer goes out as a text message. A real server; all around it stand-ins."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from multidict import MultiDict

from loadtest.own_server import OwnServer
from tests.server.bridges.texting import PUBLIC_URL, incoming, news_of
from tests.server.rest.client import Api, Json
from tests.stand_ins import twilio
from tests.stand_ins.openai import OpenAI, Reply, Says, Use, openai

PATIENCE_S: Final = 60.0
"""Only ever waited for when a promise is broken."""
ANSWER: Final = ("It is", " filed, ")
REQUESTS: Final = 3
"""Of the model for one story: it hands over, it files the report, and it answers."""
JOBS: Final = 2
"""Of one story: to answer, and to text that."""


class Person:
    """Somebody who texts, and what they text."""

    def __init__(self, api: Api, number: str) -> None:
        self.api = api
        self.number = number
        self.text = incoming(number, f"{api.name}: it is cold here.")

    @property
    def answer(self) -> str:
        return "".join(ANSWER) + self.api.name + "."


class Story:
    """`held` are the requests to the model, by person and number from 1, that get no answer now."""

    def __init__(self, server: OwnServer, model: OpenAI, phone: twilio.StandIn, database: Path) -> None:
        self.server = server
        self.model = model
        self.phone = phone
        self.held: set[tuple[str, int]] = set()
        self._asked: list[tuple[str, int]] = []
        self._database = database
        self._session = aiohttp.ClientSession(server.url)
        model.otherwise = self._reply

    async def person(self, name: str, number: str) -> Person:
        api = await Api(self._session).newcomer(name)
        await api.put("/auth/me/phone", {"phone_number": number})
        return Person(api, number)

    async def texts(self, person: Person) -> None:
        """Twilio tells what somebody has texted."""
        await self._webhook("/twilio_webhook", person.text)

    async def hears_news(self, person: Person, status: str) -> None:
        """Twilio tells how far the answer to them has got."""
        (sent,) = self.sent_to(person)
        await self._webhook(sent["callback"].removeprefix(PUBLIC_URL), news_of(sent, status))

    def sent_to(self, person: Person) -> list[dict[str, Any]]:
        return [each for each in self.phone.sent if each["to"] == person.number]

    async def chat_of(self, person: Person) -> list[Json]:
        """What was said to the assistant and by it, oldest first."""
        told: list[Json] = (await person.api.get("/messages"))["items"]
        return told[::-1]

    async def reports_of(self, person: Person) -> list[str]:
        return [each["title"] for each in (await person.api.get("/reports"))["items"]]

    @contextlib.asynccontextmanager
    async def listening(self, person: Person) -> AsyncIterator[Callable[[str], Awaitable[Json]]]:
        """Their open socket: the next event of a type, others passed over."""
        headers = {"Authorization": f"Bearer {person.api.token}"}
        async with self._session.ws_connect("/ws", protocols=["parley.v1.json"], headers=headers) as socket:

            async def hear(kind: str) -> Json:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        event = msgspec.json.decode((await socket.receive()).data)
                        if event["type"] == kind:
                            return event

            await hear("ready")
            yield hear

    # Holding it.

    async def model_asked(self, person: Person, number: int) -> None:
        await self.until(lambda: (person.api.name, number) in self._asked)

    async def phone_asked(self, count: int) -> None:
        """Wait until Twilio was asked to send so many messages."""
        await self.until(lambda: [kind for kind, _ in self.phone.requests].count("create") == count)

    async def until(self, is_so: Callable[[], object]) -> None:
        """Nobody is told of what happens in another process: it is looked for."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if is_so():
                    return
                await asyncio.sleep(0.01)

    async def settled(self, people: int) -> None:
        """Wait until so many have their answer, and nothing is to be done any more."""
        all_done = "SELECT count(*) = ? AND total(state != 'done') = 0 FROM outbox"
        await self.until(lambda: self._select(all_done, JOBS * people))

    def completions_for(self, person: Person) -> int | None:
        """How much the model has said to them, as far as it is written down."""
        lane = "SELECT 'agent:%:' || channel_id FROM messages WHERE content = ?"
        query = f"SELECT json_array_length(payload, '$.completions') FROM outbox WHERE lane LIKE ({lane})"
        found: int | None = self._select(query, person.text["Body"])
        return found

    def _select(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            row = connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def hold_writes(self, event: str, when: str) -> None:
        """Such a change takes for ever, and with it whatever else is written, until the server is killed."""
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        self._execute(f"CREATE VIEW endless AS {numbers} SELECT x FROM n")
        self._execute(f"CREATE TRIGGER hold BEFORE {event} WHEN {when} BEGIN SELECT max(x) FROM endless; END")

    def release_writes(self) -> None:
        self._execute("DROP TRIGGER hold")
        self._execute("DROP VIEW endless")

    def is_writing(self) -> bool:
        """Whether somebody is writing at this moment."""
        with contextlib.closing(sqlite3.connect(self._database, timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False

    async def close(self) -> None:
        await self._session.close()

    def _execute(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            connection.execute(statement)

    async def _webhook(self, path: str, form: MultiDict[str]) -> None:
        headers = twilio.signature(PUBLIC_URL + path, form)
        async with self._session.post(path, data=form, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    def _reply(self, asked: Json) -> Reply:
        messages = asked["messages"]
        name = next(each["content"] for each in messages if each["role"] == "user").partition(":")[0]
        number = 1 + sum(each["role"] == "tool" for each in messages)
        self._asked.append((name, number))
        return said_as(name, number, is_held=(name, number) in self.held)


def said_as(name: str, number: int, *, is_held: bool) -> Says:
    """What the model says to a person when it is asked for the nth time."""
    match number:
        case 1:
            return Says(uses=[Use("hand_over", {"agent": "report_agent"})], is_held=is_held)
        case 2:
            filing = Use("file_report", {"title": name, "content": "It is cold."})
            return Says(uses=[filing], is_held=is_held)
        case _:
            return Says([*ANSWER, f"{name}."], is_held=is_held)


@contextlib.asynccontextmanager
async def story(folder: Path, database: Path) -> AsyncIterator[Story]:
    """A server that can be texted to, on this SQLite database."""
    async with openai() as model, twilio.twilio() as phone:
        settings = {
            "BCRYPT_ROUNDS": "4",
            "PUBLIC_URL": PUBLIC_URL,
            "LITELLM_BASEURL": model.url,
            "LITELLM_MODEL": "stand-in",
            "TWILIO_ACCOUNT_SID": twilio.ACCOUNT,
            "TWILIO_AUTH_TOKEN": twilio.TOKEN,
            "TWILIO_PHONE_NUMBER": twilio.OURS,
            "TWILIO_API_URL": phone.url,
            "REGISTRATION_RATE": "off",
        }
        server = OwnServer(folder / "server", f"sqlite:///{database}", settings)
        await server.start()
        told = Story(server, model, phone, database)
        try:
            yield told
        finally:
            await told.close()
            await server.stop()
