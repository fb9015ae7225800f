"""What the agents of this process have done since it started."""

from collections import Counter
from typing import Final

from msgspec import Struct, field

from actors.jobs import Again, Doubtful, Finished, GivenUp, Outcome
from protocol.agents import Used

BUG: Final = "bug"
OUTCOMES: Final[dict[type[Outcome], str]] = {
    Finished: "done",
    Again: "again",
    GivenUp: "failed",
    Doubtful: "unknown",
}


class Tally(Struct):
    """By the agent's name: attempts at answers, with their outcome, and tokens."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    tokens_in: Counter[str] = field(default_factory=Counter)
    tokens_out: Counter[str] = field(default_factory=Counter)

    def ran(self, agent: str, outcome: Outcome | Exception) -> None:
        """An attempt has come to its end, or a bug has ended it."""
        self.runs[agent, BUG if isinstance(outcome, Exception) else OUTCOMES[type(outcome)]] += 1

    def spent(self, agent: str, used: Used) -> None:
        self.tokens_in[agent] += used.tokens_in
        self.tokens_out[agent] += used.tokens_out
