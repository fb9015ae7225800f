"""What `/metrics` tells of agents: how their attempts at answers ended, and what they cost."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric

from actors.agents.tally import Tally
from server.metrics import counter


def of_agents(tally: Tally) -> Iterable[Metric]:
    runs = CounterMetricFamily(
        "parley_agent_runs", "Attempts at answers by how they ended.", labels=["agent", "outcome"]
    )
    for (agent, outcome), count in sorted(tally.runs.items()):
        runs.add_metric([agent, outcome], count)
    yield runs
    yield counter("parley_agent_tokens_in", "Tokens that models have read.", "agent", tally.tokens_in)
    yield counter("parley_agent_tokens_out", "Tokens that models have written.", "agent", tally.tokens_out)
