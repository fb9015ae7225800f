"""What agents need from outside: a model, people's rights, and where they write down how far they got."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct, field

from actors.agents.agent import Agent
from actors.agents.tally import Tally
from actors.agents.tools import Tool
from actors.channel_commands import Identity
from actors.fanout import Fanout
from actors.ports import Clock
from actors.system import System
from protocol.agents import Completion, Progress, Spender, ToolRequest, Used
from protocol.ids import UserId
from protocol.jobs import Job
from protocol.resources import PublicProfile

Decode = Callable[[msgspec.json.Decoder[Any], bytes], Any]
"""Bytes from outside as a struct, with every check that a request has. Raises `Refused`."""


class Said(Struct, frozen=True):
    """One message of a conversation as a model reads it. `requests` are the model's own, `answers` one of
    them by its id."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    requests: tuple[ToolRequest, ...] = ()
    answers: str | None = None


class ModelFailed(Exception):
    """The model gave no answer. The text is for the log, never for people."""

    def __init__(self, reason: str, *, is_retryable: bool, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.is_retryable = is_retryable
        self.after_s = after_s


class Model(Protocol):
    def stream(self, said: Sequence[Said], tools: Sequence[Tool]) -> AsyncGenerator[str | Used | Completion]:
        """Text as it is written, now and then what it has cost so far, and at last the whole completion.

        Tokens that were read are 0 where the model does not tell. Raises ModelFailed.
        """
        ...


class AgentJobs(Protocol):
    """Raises `Unavailable`, also where the job is in other hands by now."""

    async def progress(self, job: Job) -> Progress:
        """What earlier attempts got done."""
        ...

    async def add_completion(self, job: Job, completion: Completion, spender: Spender, now: datetime) -> None:
        """Write down the model's next completion, before anything is done about it, and what it cost."""
        ...

    async def charge(self, spender: Spender, used: Used, now: datetime) -> None:
        """Write down what a completion has cost that came to no end."""
        ...

    async def spent(self, user_id: UserId, now: datetime) -> int:
        """How many tokens a user has spent today, in UTC, with all agents."""
        ...


class People(Protocol):
    async def identity(self, user_id: UserId) -> Identity | None:
        """A user with the rights that they have now; None when they may do nothing any more."""
        ...


class AgentLimits(Struct, frozen=True, kw_only=True):
    """`timeout_s` for one answer, `concurrency` answers at once, `history_max` messages remembered."""

    timeout_s: float
    concurrency: int
    tokens_per_user_day: int
    history_max: int


class Speaker(Struct, frozen=True):
    """An agent and the user that it speaks as."""

    agent: Agent
    profile: PublicProfile


class AgentSurroundings(Struct, frozen=True, kw_only=True):
    """What all agents of the process work with. Without `model` they answer as best they can."""

    system: System
    fanout: Fanout
    clock: Clock
    jobs: AgentJobs
    people: People
    decode: Decode
    limits: AgentLimits
    model: Model | None
    speakers: Mapping[UserId, Speaker]
    tally: Tally = field(default_factory=Tally)
