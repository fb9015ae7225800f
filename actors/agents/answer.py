"""One attempt at answering one message: from the question to the message that is posted, or why not now.

The answer's nonce is made of the question: however often this is done, one answer is posted.
"""

import asyncio
import logging
from typing import Final

from msgspec import Struct

from actors.agents.conversation import Conversation
from actors.agents.history import answer_nonce, apology_nonce, remembered
from actors.agents.ports import AgentSurroundings, ModelFailed, Speaker
from actors.agents.writing import Writing
from actors.channel_commands import Identity
from actors.jobs import Again, Finished, GivenUp, Job, Outcome
from actors.streams import Stream
from protocol.errors import Refused, Unavailable
from protocol.jobs import AgentJob
from protocol.message_text import text_of
from protocol.resources import Message

log = logging.getLogger("orchestrator")

APOLOGISE_AT: Final = 5
"""After this many attempts the asker is told that there will be no answer."""
APOLOGY: Final = "Sorry, I cannot answer now. Please try again later."
TOO_SLOW: Final = "Sorry, this took too long. Please try again, or ask for less at once."
STOPPED: Final = "(stopped)"


class Words(Struct, frozen=True):
    """What is to be posted, once for each nonce, and what has then become of the job.

    After an apology the operator sees why, and may have the job retried: then an answer follows.
    """

    text: str
    nonce: str
    outcome: Outcome


class Answer:
    """The attempt. `stop` has what was written so far posted; `interrupt` ends it, for it is not ours now."""

    def __init__(self, around: AgentSurroundings, speaker: Speaker, job: Job, task: AgentJob) -> None:
        self.job = job
        self._around = around
        self._speaker = speaker
        self._task = task
        self._conversation = Conversation(around.system, Identity(speaker.profile), task.channel_id)
        self._deadline: asyncio.Timeout | None = None
        self._is_stopped = False
        self._is_interrupted = False

    def stop(self) -> None:
        self._is_stopped = True
        self._expire()

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._expire()

    def _expire(self) -> None:
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> Outcome:
        """What has become of the job."""
        try:
            return await self._run()
        except Unavailable as error:
            return Again(None, f"unavailable: {error}", in_doubt=False)
        except Refused as refused:
            refusal = refused.refusal
            if refusal.meaning.retryable:
                after_s = None if refusal.retry_after_ms is None else refusal.retry_after_ms / 1000
                return Again(after_s, f"refused: {refusal.code}", in_doubt=False)
            # The channel is gone or archived, or the agent was removed: nobody is there to hear an answer.
            self._log("cannot answer there any more: %s", refusal.code)
            return Finished()

    async def _run(self) -> Outcome:
        question = await self._conversation.message_at(self._task.seq)
        asker = None if question is None else await self._entitled(question)
        if question is None or asker is None:
            return Finished()
        stream = self._around.fanout.streams.begin(
            f"answer-{question.id}-{self._speaker.profile.id}",
            self._task.channel_id,
            self._speaker.profile.id,
            question.id,
            self.stop,
        )
        try:
            words = await self._attempt(question, asker, stream)
        finally:
            self._around.fanout.streams.end(stream)
        if not isinstance(words, Words):
            return words
        await self._conversation.post(question, words.text, words.nonce, stream.stream_id)
        return words.outcome

    async def _entitled(self, question: Message) -> Identity | None:
        """Who asks; None where nobody is to be answered: agents, and people or agents who were disabled."""
        people = self._around.people
        asker = await people.identity(question.sender_id)
        if asker is None or asker.profile.is_bot:
            return None
        return None if await people.identity(self._speaker.profile.id) is None else asker

    async def _attempt(self, question: Message, asker: Identity, stream: Stream) -> Words | Outcome:
        try:
            text = await self._write(question, asker, stream)
        except TimeoutError:
            return self._too_late(question)
        except ModelFailed as failure:
            return self._failed(question, failure)
        return Words(text, answer_nonce(question.id), Finished())

    async def _write(self, question: Message, asker: Identity, stream: Stream) -> str:
        """The answer, whole or as far as people wanted it. Raises TimeoutError."""
        writing = Writing(self._around, self._speaker, self.job, asker, stream)
        try:
            async with asyncio.timeout(self._around.limits.timeout_s) as self._deadline:
                return await self._written(question, writing)
        except TimeoutError:
            if self._is_stopped and not self._is_interrupted:
                return stream.text.strip() or STOPPED
            raise
        finally:
            self._deadline = None
            await writing.pay()

    async def _written(self, question: Message, writing: Writing) -> str:
        around, text = self._around, text_of(question)
        if self._is_interrupted:
            raise TimeoutError
        if around.model is None:
            return await writing.without_model(text)
        pairs = await self._conversation.pairs(question, around.limits.history_max)
        return await writing.with_model(around.model, remembered(pairs, around.limits.history_max), text)

    def _too_late(self, question: Message) -> Words | Outcome:
        if self._is_interrupted:
            return Again(0, "interrupted", in_doubt=False)
        reason = f"no answer within {self._around.limits.timeout_s:g} s"
        self._log("%s", reason)
        return Words(TOO_SLOW, apology_nonce(question.id), GivenUp(reason))

    def _failed(self, question: Message, failure: ModelFailed) -> Words | Outcome:
        self._log("the model failed, attempt %d: %s", self.job.attempt, failure)
        if failure.is_retryable and self.job.attempt < APOLOGISE_AT:
            return Again(failure.after_s, str(failure), in_doubt=False)
        return Words(APOLOGY, apology_nonce(question.id), GivenUp(str(failure)))

    def _log(self, what: str, *details: object) -> None:
        extra = {"agent": self._speaker.agent.name, "channel_id": self._task.channel_id}
        log.warning(what, *details, extra=extra)
