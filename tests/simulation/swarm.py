"""What one seed is like: how many people and channels, what they do, and what goes wrong.

Each seed draws its own mix, with some things absent altogether: faults that are always there together hide
each other.
"""

from random import Random

from msgspec import Struct

ACTIONS = (
    "send",
    "send_direct",
    "send_again",
    "reply",
    "edit",
    "delete",
    "react",
    "read",
    "typing",
    "history",
    "sync",
    "ping",
    "presence",
    "join",
    "leave",
    "remove",
    "role",
    "change",
    "privacy",
    "invite",
    "revoke",
    "create",
    "close",
    "withdraw",
    "deliver",
    "look",
    "wait",
)
COMMON = {
    "send": 14.0,
    "edit": 3.0,
    "delete": 1.5,
    "react": 3.0,
    "wait": 2.0,
    "join": 4.0,
    "close": 0.15,
    "withdraw": 0.3,
}


class Odds(Struct, frozen=True):
    """Chances of faults, per call or per action, and what the limits are."""

    read_fails: float
    commit_fails: float
    commit_is_unclear: float
    commit_lands_late: float
    stall: float
    disconnect: float
    slow_reader: float
    crash: float
    deploy: float
    takeover: float
    bug: float
    first_come: float
    latency_s: float
    grid_s: float
    slow_answer: float

    @property
    def is_fair(self) -> bool:
        """Whether nothing fails: then nobody is ever to try again."""
        faults = (self.read_fails, self.commit_fails, self.commit_is_unclear, self.bug)
        return not any(faults) and self.lets_nothing_slip

    @property
    def lets_nothing_slip(self) -> bool:
        """Whether all that is committed comes to the attention of the one process that serves."""
        return not self.commit_lands_late and not self.takeover and not self.crash and not self.deploy


class Swarm(Struct, frozen=True):
    """With an agent, the last of the people is one."""

    people: int
    devices: int
    channels: int
    actions: int
    weights: dict[str, float]
    odds: Odds
    idle_after_s: float
    unsent_bytes: int
    recent_rows: int
    page_rows: int
    burst_of: int

    @property
    def has_agent(self) -> bool:
        return self.actions % 3 == 0


def draw(random: Random) -> Swarm:
    def chance(most: float, of: float = 0.5) -> float:
        return random.uniform(0, most) if random.random() < of else 0.0

    is_fair = random.random() < 0.15

    def fault(most: float, of: float = 0.5) -> float:
        drawn = chance(most, of)
        return 0.0 if is_fair else drawn

    odds = Odds(
        read_fails=fault(0.1),
        commit_fails=fault(0.15),
        commit_is_unclear=fault(0.15),
        commit_lands_late=fault(0.08, 0.3),
        stall=chance(0.05),
        disconnect=chance(0.08, 0.7),
        slow_reader=chance(0.6),
        crash=fault(0.01),
        deploy=fault(0.008, 0.3),
        takeover=fault(0.015, 0.3),
        bug=fault(0.004, 0.3),
        first_come=random.choice((0.0, 0.0, 0.5, 0.9)),
        latency_s=random.choice((0.001, 0.004, 0.03)),
        grid_s=random.choice((0.0, 0.002, 0.01, 0.05)),
        slow_answer=chance(0.6),
    )
    weights = {
        action: COMMON.get(action, 1.0) * random.choice((0.2, 0.5, 1.0, 2.0, 6.0))
        for action in ACTIONS
        if action == "send" or random.random() < 0.75
    }
    return Swarm(
        people=random.randint(2, 4),
        devices=random.randint(3, 6),
        channels=random.randint(1, 3),
        actions=random.randint(60, 150),
        weights=weights,
        odds=odds,
        idle_after_s=random.choice((2.0, 6.0, 30.0)),
        unsent_bytes=random.choice((4_000, 12_000, 200_000)),
        recent_rows=random.choice((4, 12, 256)),
        page_rows=random.choice((2, 5, 200)),
        burst_of=random.choice((1, 3, 8)),
    )
