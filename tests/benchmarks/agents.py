"""Conversations with an agent at once: `python -m tests.benchmarks.agents --people 200 --concurrency 8`.

A real server in a process of its own, on SQLite and with the real LiteLLM in another. A third, of a low
priority, is a crowd of people and a stand-in for the model that takes its time. First the crowd writes to
somebody, then as much to an agent, which answers. Here somebody writes to somebody all the while: how long
until that is acknowledged is shown for both, which take equally long. With `--trouble` every other call of
the model is refused, fails, is answered with garbage or stalls.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import uvloop

from loadtest.own_server import OwnServer
from tests.server.rest.client import Api
from tests.stand_ins.openai import Fails, Garbage, OpenAI, Reply, Says, Stalls, openai

PIECES: Final = 20
SETTINGS: Final = {
    "BCRYPT_ROUNDS": "4",
    "COMMAND_RATE": "off",
    "LOGIN_FAILURE_RATE": "off",
    "REGISTRATION_RATE": "off",
    "MAX_TOTAL_WEBSOCKET_CONNECTIONS": "10000",
}
PAUSE_S: Final = 0.01
"""Between two messages of whoever is measured."""
CROWD_NICE: Final = 10
TROUBLES: Final[tuple[Reply, ...]] = (Fails(429), Fails(500), Garbage(), Stalls(["re: "]))
TROUBLED: Final = {"AGENT_TIMEOUT_S": "5"}


class Asked(msgspec.Struct):
    """What the crowd is to write, and to whom."""

    to: int
    is_answered: bool


class Told(msgspec.Struct):
    """What the crowd saw: how many were answered in order, and the most calls of the model at once."""

    in_order: int = 0
    most_at_once: int = 0


class Crowd(msgspec.Struct):
    """Where the server is, and the people's tokens by their names."""

    url: str
    tokens: dict[str, str]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="who ask at once")
    parser.add_argument("--questions", type=int, default=2, help="of each, one right after the other")
    parser.add_argument("--concurrency", type=int, default=8, help="AGENT_CONCURRENCY")
    parser.add_argument("--takes", type=float, default=2.0, help="seconds until the model begins")
    parser.add_argument("--trouble", action="store_true", help="every other call of the model fails")
    parser.add_argument("--crowd", action="store_true", help="be the process of the crowd")
    return parser.parse_args()


# The crowd.


async def be_crowd(given: argparse.Namespace) -> None:
    os.nice(CROWD_NICE)
    async with openai() as model:
        model.otherwise = troubled(given.takes) if given.trouble else answering(given.takes)
        _say(model.url)
        crowd = msgspec.json.decode(await _line(), type=Crowd)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(crowd.url, connector=connector) as session:
            people = [Api(session, token, {"username": name}) for name, token in crowd.tokens.items()]
            await be_people(people, model, given.questions)


def answering(takes_s: float) -> Callable[[Any], Reply]:
    return lambda asked: Says([f"re: {asked['messages'][-1]['content']}", *["."] * PIECES], after_s=takes_s)


def troubled(takes_s: float) -> Callable[[Any], Reply]:
    answer, calls, troubles = answering(takes_s), itertools.count(), itertools.cycle(TROUBLES)
    return lambda asked: answer(asked) if next(calls) % 2 else next(troubles)


async def be_people(people: list[Api], model: OpenAI, questions: int) -> None:
    async with asyncio.TaskGroup() as group:
        talks = [Talking(person) for person in people]
        hearing = [group.create_task(talk.hear()) for talk in talks]
        await asyncio.gather(*(talk.ready.wait() for talk in talks))
        _say(Told())
        while line := await _line():
            asked, model.most_at_once = msgspec.json.decode(line, type=Asked), 0
            in_order = await asyncio.gather(*(talk.write(asked, questions) for talk in talks))
            _say(Told(sum(in_order), model.most_at_once))
        for each in hearing:
            each.cancel()


class Talking:
    """One of the crowd, with an open socket."""

    def __init__(self, person: Api) -> None:
        self.ready = asyncio.Event()
        self._person = person
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    async def hear(self) -> None:
        async with events_of(self._person) as events:
            async for event in events:
                if event["type"] == "ready":
                    self.ready.set()
                if event["type"] == "new_message" and event["message"]["via"] == "agent":
                    self._answers.put_nowait(event["message"]["content"])

    async def write(self, asked: Asked, questions: int) -> bool:
        """Whether all were answered, in their order."""
        texts = [f"{self._person.name} {number}" for number in range(questions)]
        for text in texts:
            await self._person.post("/messages", {"recipient_id": asked.to, "content": text})
        if not asked.is_answered:
            return True
        heard = [await self._answers.get() for _ in texts]
        return heard == [f"re: {text}" + "." * PIECES for text in texts]


@asynccontextmanager
async def events_of(person: Api) -> AsyncIterator[AsyncIterator[Any]]:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.session.ws_connect("/ws", protocols=["parley.v1.json"], headers=headers) as socket:

        async def events() -> AsyncIterator[Any]:
            async for frame in socket:
                yield msgspec.json.decode(frame.data)

        yield events()


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _say(what: object) -> None:
    print(msgspec.json.encode(what).decode(), flush=True)


# Whoever is measured, beside the crowd.


class Crowded:
    """The crowd's process, as it is told what to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self, kind: Any) -> Any:
        assert self._process.stdout is not None
        return msgspec.json.decode(await self._process.stdout.readline(), type=kind)

    def say(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(what) + b"\n")

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


async def measured(server: OwnServer, crowd: Crowded, given: argparse.Namespace) -> None:
    async with aiohttp.ClientSession(server.url) as session:
        nobody = Api(session)
        people = [await nobody.newcomer(f"p{number}") for number in range(given.people)]
        writer, reader = await nobody.newcomer("writer"), await nobody.newcomer("reader")
        agents = {each["name"]: each["user"]["id"] for each in (await writer.get("/agents"))["items"]}
        assistant = agents["assistant"]
        crowd.say(Crowd(server.url, {person.name: str(person.token) for person in people}))
        await crowd.hear(Told)
        await first_answer(writer, assistant)
        show_memory("before", server)
        began_cpu_s = server.cpu_s()
        crowd.say(Asked(reader.id, is_answered=False))
        alone = asyncio.create_task(asyncio.sleep(expected_s(given)))
        alone_ms = await acks_ms(writer, reader, alone)
        await crowd.hear(Told)
        began, alone_cpu_s = time.perf_counter(), server.cpu_s() - began_cpu_s
        crowd.say(Asked(assistant, is_answered=True))
        answering = asyncio.create_task(crowd.hear(Told))
        beside_ms = await acks_ms(writer, reader, answering)
        took_s, cpu_s = time.perf_counter() - began, server.cpu_s() - began_cpu_s - alone_cpu_s
        told = await answering
    print(f"{told.in_order} of {given.people} conversations answered in order, in {took_s:.1f} s")
    print(f"model calls at once: {told.most_at_once} of {given.concurrency}")
    print(f"the server's processor time: alone {alone_cpu_s:.1f} s, beside the agents {cpu_s:.1f} s")
    print(f"others' messages, p50 / p99 ms: alone {shown(alone_ms)}, beside the agents {shown(beside_ms)}")
    show_memory("after", server)


async def first_answer(person: Api, agent_id: int) -> None:
    """The library is imported for it."""
    async with events_of(person) as events:
        async for event in events:
            if event["type"] == "ready":
                await person.post("/messages", {"recipient_id": agent_id, "content": "Hello!"})
            if event["type"] == "new_message" and event["message"]["via"] == "agent":
                return


async def acks_ms(writer: Api, reader: Api, until: "asyncio.Task[Any]") -> list[float]:
    """How long each message of the writer's took, in order of time taken."""
    took_ms: list[float] = []
    while not until.done():
        began = time.perf_counter()
        await writer.post("/messages", {"recipient_id": reader.id, "content": "Hello!"})
        took_ms.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE_S)
    return sorted(took_ms)


def expected_s(given: argparse.Namespace) -> float:
    """How long the agents will be at work, at least."""
    rounds = -(-given.people * given.questions // given.concurrency)
    return float(max(rounds, given.questions) * given.takes)


def shown(ordered_ms: list[float]) -> str:
    p50, p99 = (ordered_ms[len(ordered_ms) * share // 100] for share in (50, 99))
    return f"{p50:.1f} / {p99:.1f} of {len(ordered_ms)}"


def show_memory(when: str, server: OwnServer) -> None:
    both = server.rss_bytes(), sum(map(rss_bytes, children_of(server.pid)))
    print(
        "memory {}: the server {:.0f} MiB, the model's process {:.0f} MiB".format(
            when, *(each / 2**20 for each in both)
        )
    )


def children_of(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in told.split()]


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def main(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "tests.benchmarks.agents", *sys.argv[1:], "--crowd")
        crowd = Crowded(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
        there = {"LITELLM_BASEURL": await crowd.hear(str), "LITELLM_MODEL": "stand-in"}
        concurrency = {"AGENT_CONCURRENCY": str(given.concurrency)}
        settings = SETTINGS | there | concurrency | (TROUBLED if given.trouble else {})
        server = OwnServer(Path(folder), f"sqlite:///{folder}/bench.db", settings)
        try:
            await server.start()
            await measured(server, crowd, given)
        finally:
            await server.stop()
            await crowd.end()


if __name__ == "__main__":
    given = options()
    uvloop.run(be_crowd(given) if given.crowd else main(given))
