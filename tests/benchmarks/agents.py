"""Conversations with an agent at once: `python -m tests.benchmarks.agents --people 200 --concurrency 8`.

A real server in a process of its own, on SQLite and with the real LiteLLM; here a stand-in for the model that
takes its time, and those who ask. Meanwhile somebody else writes to somebody, from a third process: how long
their messages take is shown with and without the agents at work.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from loadtest.own_server import OwnServer
from tests.server.rest.client import Api
from tests.stand_ins.openai import OpenAI, Says, openai

PIECES = 20
BASELINE_S = 10.0
SETTINGS = {
    "BCRYPT_ROUNDS": "4",
    "COMMAND_RATE": "off",
    "LOGIN_FAILURE_RATE": "off",
    "REGISTRATION_RATE": "off",
    "MAX_TOTAL_WEBSOCKET_CONNECTIONS": "10000",
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="who ask at once")
    parser.add_argument("--questions", type=int, default=2, help="of each, one right after the other")
    parser.add_argument("--concurrency", type=int, default=8, help="AGENT_CONCURRENCY")
    parser.add_argument("--takes", type=float, default=2.0, help="seconds until the model begins")
    parser.add_argument(
        "--write", nargs=3, metavar=("URL", "TOKEN", "TO"), help="what the third process does"
    )
    return parser.parse_args()


class Meter:
    """The third process: it writes to somebody until its input ends, and tells how long each took, in ms."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def finish(self) -> list[float]:
        told, _ = await self._process.communicate(b"")
        return sorted(msgspec.json.decode(told, type=list[float]))


async def meter(url: str, writer: Api, reader: Api) -> Meter:
    pipe = asyncio.subprocess.PIPE
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.agents",
        "--write",
        url,
        str(writer.token),
        str(reader.id),
    ]
    return Meter(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))


async def write(url: str, token: str, to: str) -> None:
    """What a `Meter` does."""
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    acks_ms: list[float] = []
    async with aiohttp.ClientSession(url) as session:
        writer = Api(session, token)
        while not ended.done():
            began = time.perf_counter()
            await writer.post("/messages", {"recipient_id": int(to), "content": "Hello!"})
            acks_ms.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
    sys.stdout.write(msgspec.json.encode(acks_ms).decode())


@asynccontextmanager
async def events_of(person: Api) -> AsyncIterator[AsyncIterator[Any]]:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.session.ws_connect("/ws", protocols=["parley.v1.json"], headers=headers) as socket:

        async def events() -> AsyncIterator[Any]:
            async for frame in socket:
                yield msgspec.json.decode(frame.data)

        yield events()


async def ask(person: Api, agent_id: int, questions: int) -> bool:
    """Whether all were answered, in their order."""
    async with events_of(person) as events:
        async for event in events:
            if event["type"] == "ready":
                break
        asked = [f"{person.name} {number}" for number in range(questions)]
        for text in asked:
            await person.post("/messages", {"recipient_id": agent_id, "content": text})
        heard: list[str] = []
        async for event in events:
            if event["type"] == "new_message" and event["message"]["via"] == "agent":
                heard.append(event["message"]["content"])
            if len(heard) == questions:
                break
    return heard == [f"re: {text}" + "." * PIECES for text in asked]


async def measured(server: OwnServer, model: OpenAI, given: argparse.Namespace) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.url, connector=connector) as session:
        nobody = Api(session)
        people = [await nobody.newcomer(f"p{number}") for number in range(given.people)]
        writer, reader = await nobody.newcomer("writer"), await nobody.newcomer("reader")
        agents = {each["name"]: each["user"]["id"] for each in (await writer.get("/agents"))["items"]}
        assistant = agents["assistant"]
        # The library is imported for the first question.
        await ask(writer, assistant, 1)
        model.most_at_once = 0
        alone = await meter(server.url, writer, reader)
        await asyncio.sleep(BASELINE_S)
        alone_ms = await alone.finish()
        beside = await meter(server.url, writer, reader)
        began, cpu_s = time.perf_counter(), server.cpu_s()
        in_order = await asyncio.gather(*(ask(person, assistant, given.questions) for person in people))
        took_s, cpu_s = time.perf_counter() - began, server.cpu_s() - cpu_s
        beside_ms = await beside.finish()
    print(f"{sum(in_order)} of {len(in_order)} conversations answered in order, in {took_s:.1f} s")
    print(f"model calls at once: {model.most_at_once} of {given.concurrency}")
    print(f"the server's processor time: {cpu_s:.1f} s")
    print(f"others' messages, p50 / p99 ms: alone {shown(alone_ms)}, beside the agents {shown(beside_ms)}")
    print(f"the server's memory: {server.rss_bytes() / 2**20:.0f} MiB")


def shown(ordered_ms: list[float]) -> str:
    return f"{ordered_ms[len(ordered_ms) // 2]:.1f} / {ordered_ms[len(ordered_ms) * 99 // 100]:.1f}"


async def main(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with openai() as model:
            model.otherwise = lambda asked: Says(
                [f"re: {asked['messages'][-1]['content']}", *["."] * PIECES], after_s=given.takes
            )
            there = {"LITELLM_BASEURL": model.url, "LITELLM_MODEL": "stand-in"}
            concurrency = {"AGENT_CONCURRENCY": str(given.concurrency)}
            server = OwnServer(Path(folder), f"sqlite:///{folder}/bench.db", SETTINGS | there | concurrency)
            await server.start()
            try:
                await measured(server, model, given)
            finally:
                await server.stop()


if __name__ == "__main__":
    given = options()
    uvloop.run(write(*given.write) if given.write else main(given))
