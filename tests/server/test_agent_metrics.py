"""What is told of agents: every attempt at an answer by how it ended, and every token."""

from actors.agents.tally import Tally
from actors.jobs import Again, Doubtful, Finished, GivenUp
from protocol.agents import Used
from server.agent_metrics import of_agents
from server.settings import Settings
from tests.server.agents.asking import agents_at


def told(tally: Tally) -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in of_agents(tally)
        for sample in family.samples
    }


def test_attempts_are_counted_by_agent_and_outcome_and_tokens_by_agent() -> None:
    tally = Tally()
    for outcome in (Finished(), Finished(), Again(None, "x"), GivenUp("x"), Doubtful("x"), ValueError()):
        tally.ran("dice", outcome)
    tally.spent("dice", Used(10, 2))
    tally.spent("dice", Used(5, 1))
    assert told(tally) == {
        "parley_agent_runs_total dice done": 2,
        "parley_agent_runs_total dice again": 1,
        "parley_agent_runs_total dice failed": 1,
        "parley_agent_runs_total dice unknown": 1,
        "parley_agent_runs_total dice bug": 1,
        "parley_agent_tokens_in_total dice": 15,
        "parley_agent_tokens_out_total dice": 3,
    }


async def test_a_server_tells_of_its_agents(quick_settings: Settings) -> None:
    async with agents_at(quick_settings, None) as agents:
        alice = await agents.home.person("alice")
        await agents.ask(alice, "help", "report_agent")
        await agents.settled()
        text = await agents.home.nobody.get("/metrics")
    assert 'parley_agent_runs_total{agent="report_agent",outcome="done"} 1.0' in text
