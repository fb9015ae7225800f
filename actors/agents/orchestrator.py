"""The orchestrator: one actor for each agent in each channel. It answers one message at a time, in order.

What it knows of the conversation it asks the channel's actor for, so that what was edited or deleted since is
so for the model as well.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from typing_extensions import override

from actors.actor import Actor
from actors.agents.answer import Answer
from actors.agents.ports import AgentSurroundings, Speaker
from actors.jobs import Again, Job, Outcome
from protocol.errors import Refusal
from protocol.ids import UserId
from protocol.jobs import AgentJob


class AnswerMessage(Struct, frozen=True):
    """A job for the agent; `done` hears what has become of it, or the bug that ended it."""

    job: Job
    task: AgentJob
    done: Callable[[Outcome | Exception], None]

    def answer(self, refusal: Refusal) -> None:
        """It was not even begun."""
        after_s = None if refusal.retry_after_ms is None else refusal.retry_after_ms / 1000
        self.done(Again(after_s, f"refused: {refusal.code}"))


class Withdraw(Struct, frozen=True):
    """This job is not for this process any more."""

    job: Job


class Ended(Struct, frozen=True):
    """The running answer has come to its end, or an exception has ended it."""

    mail: AnswerMessage
    outcome: Outcome | Exception


def orchestrator_kind(agent_id: UserId) -> str:
    """The kind of the actors that speak for an agent; their key is the channel."""
    return f"agent-{agent_id}"


class Orchestrator(Actor):
    """An agent in one channel."""

    __slots__ = ("_around", "_queue", "_running", "_speaker")

    def __init__(self, speaker: Speaker, around: AgentSurroundings) -> None:
        self._speaker = speaker
        self._around = around
        self._queue: deque[AnswerMessage] = deque()
        self._running: tuple[AnswerMessage, Answer] | None = None

    @property
    @override
    def is_idle(self) -> bool:
        return self._running is None and not self._queue

    @override
    def receive(self, mail: Any) -> None:
        match mail:
            case AnswerMessage():
                self._queue.append(mail)
            case Withdraw():
                self._withdraw(mail.job)
            case Ended():
                self._ended(mail)

    @override
    def end_turn(self) -> None:
        if self._running is None and self._queue:
            self._start(self._queue.popleft())

    @override
    def abandon(self, refusal: Refusal) -> None:
        queue, self._queue = self._queue, deque()
        running, self._running = self._running, None
        if running is not None:
            running[1].interrupt()
            running[0].answer(refusal)
        for mail in queue:
            mail.answer(refusal)

    def _start(self, mail: AnswerMessage) -> None:
        answer = Answer(self._around, self._speaker, mail.job, mail.task)
        self._running = (mail, answer)
        self.cell.run(answer.run(), lambda outcome: Ended(mail, outcome))

    def _ended(self, ended: Ended) -> None:
        if self._running is None or self._running[0] is not ended.mail:
            return
        self._running = None
        ended.mail.done(ended.outcome)

    def _withdraw(self, job: Job) -> None:
        self._queue = deque(mail for mail in self._queue if mail.job is not job)
        if self._running is not None and self._running[0].job is job:
            self._running[1].interrupt()
