"""What agents write down while they answer, so that a crash makes them go on and not begin anew."""

from msgspec import Struct

from protocol.ids import UserId
from protocol.jobs import JobId
from protocol.resources import PublicProfile


class AgentInfo(Struct, frozen=True):
    """An agent as people see it: `user` is whom to write to, or to mention."""

    name: str
    description: str
    user: PublicProfile


class ToolRequest(Struct, frozen=True):
    """A tool that the model wants used. `arguments` is JSON as the model wrote it: checked by nobody yet."""

    id: str
    name: str
    arguments: str


class Used(Struct, frozen=True):
    """What a completion has cost, in tokens that the model has read and written."""

    tokens_in: int = 0
    tokens_out: int = 0


class Completion(Struct, frozen=True):
    """One answer of the model: text, tools to use before it goes on, and what it cost in tokens."""

    text: str
    requests: tuple[ToolRequest, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def used(self) -> Used:
        return Used(self.tokens_in, self.tokens_out)


class CallKey(Struct, frozen=True):
    """One tool call of one job, counted from 1: what it changes, it changes once.

    `attempt` is the attempt at the job that makes the call: an earlier one that lost the job may no longer.
    """

    job_id: JobId
    attempt: int
    number: int


class Spender(Struct, frozen=True):
    """Whose budget the tokens of a completion are of."""

    user_id: UserId
    agent_id: UserId


class Progress(Struct, frozen=True):
    """How far a job got. What its tool calls changed is kept as well, and found by their numbers."""

    completions: tuple[Completion, ...] = ()


def estimated_tokens(chars: int) -> int:
    """What so much text costs, roughly, where the model does not say: a token for 4 characters."""
    return (chars + 3) // 4
