"""Conversations with an agent at once: `python -m tests.benchmarks.agents --people 200 --concurrency 8`.

A real server on SQLite, the real LiteLLM and a stand-in for the model that takes its time. Meanwhile somebody
else writes to somebody else: how long their messages take is shown with and without the agents at work.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

import pytest
import uvloop

from server.commands.environment import bring_up_to_date
from server.model_library import import_litellm
from tests.server.agents.asking import Agents, agents_at
from tests.server.rest.client import Api, settings_for
from tests.stand_ins.openai import Says, openai

PIECES = 20
BASELINE_S = 5.0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="who ask at once")
    parser.add_argument("--questions", type=int, default=2, help="of each, one right after the other")
    parser.add_argument("--concurrency", type=int, default=8, help="AGENT_CONCURRENCY")
    parser.add_argument("--takes", type=float, default=2.0, help="seconds until the model begins")
    return parser.parse_args()


async def ask(agents: Agents, person: Api, questions: int) -> bool:
    """Whether all were answered, in their order."""
    async with agents.listening(person) as talk:
        sent = [await agents.tell(person, f"{person.name} {number}") for number in range(questions)]
        heard: list[str] = []
        while len(heard) < questions:
            event = await talk.hear("new_message")
            if event["message"]["via"] == "agent":
                heard.append(event["message"]["content"])
    return heard == [f"re: {message['content']}" + "." * PIECES for message in sent]


async def chat(writer: Api, reader: Api, acks_ms: list[float]) -> None:
    """Write again and again, until cancelled."""
    while True:
        began = time.perf_counter()
        await writer.post("/messages", {"recipient_id": reader.id, "content": "Hello!"})
        acks_ms.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)


async def measured(agents: Agents, given: argparse.Namespace) -> None:
    people = [await agents.home.person(f"p{number}") for number in range(given.people)]
    writer, reader = await agents.home.person("writer"), await agents.home.person("reader")
    alone: list[float] = []
    beside: list[float] = []
    chatting = asyncio.create_task(chat(writer, reader, alone))
    await asyncio.sleep(BASELINE_S)
    chatting.cancel()
    chatting = asyncio.create_task(chat(writer, reader, beside))
    began = time.perf_counter()
    in_order = await asyncio.gather(*(ask(agents, person, given.questions) for person in people))
    took_s = time.perf_counter() - began
    chatting.cancel()
    print(f"{sum(in_order)} of {len(in_order)} conversations answered in order, in {took_s:.1f} s")
    print(f"model calls at once: {agents.model.most_at_once} of {given.concurrency}")
    print(f"others' messages, p50 / p99 ms: alone {shown(alone)}, beside the agents {shown(beside)}")
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest memory: {memory_mib:.0f} MiB, clients included")


def shown(times_ms: list[float]) -> str:
    ordered = sorted(times_ms)
    return f"{ordered[len(ordered) // 2]:.1f} / {ordered[len(ordered) * 99 // 100]:.1f}"


async def main(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patient:
        patient.setattr("tests.server.talking.PATIENCE_S", 3600.0)
        settings = settings_for(f"sqlite:///{folder}/bench.db", Path(folder))
        await bring_up_to_date(settings, migrate=True)
        async with openai() as model:
            model.otherwise = lambda asked: Says(
                [f"re: {asked['messages'][-1]['content']}", *["."] * PIECES], after_s=given.takes
            )
            import_litellm()
            changes = {"agent_concurrency": given.concurrency, "max_total_websocket_connections": 10_000}
            async with agents_at(settings, model, **changes) as agents:
                await measured(agents, given)


if __name__ == "__main__":
    uvloop.run(main(options()))
