"""The journal: gathers the facts of all channels into one commit after another.

One commit at a time; whatever arrives meanwhile goes into the next. Alone, a part commits at once; under load
hundreds share one fsync. Next on a message's path: `storage/messages.py` writes the commit, then the channel
hears of it in `actors/channel.py`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from typing_extensions import override

from actors.actor import Actor
from actors.ports import Commits
from protocol.errors import Refusal
from protocol.facts import Failed, Fenced, Part, PartResult, Written
from protocol.ids import ChannelId

log = logging.getLogger("actors")

COMMIT_MAX_FACTS = 2_000
WAITING_MAX_FACTS = 100_000


class Line:
    """Parts of one channel, each decided on the one before: once one fails, none behind it may be written.

    The fence alone would not see to that: if another owner moved the channel just as far as the part that
    failed, the part behind it would fit.
    """

    __slots__ = ("is_broken",)

    def __init__(self) -> None:
        self.is_broken = False


class Submission(Struct, frozen=True):
    """One part of one line; `done` hears the result."""

    part: Part
    line: Line
    done: Callable[[PartResult], None]


class Committed(Struct, frozen=True):
    """What became of the commit that was under way: results by part, or the exception that ended it."""

    results: Any


class Journal(Actor):
    """Owns the facts that wait for the next commit."""

    def __init__(self, store: Commits) -> None:
        self._store = store
        self._waiting: list[Submission] = []
        self._waiting_facts = 0
        self._committing: list[list[Submission]] | None = None
        self._settled: list[asyncio.Future[None]] = []

    @property
    def is_full(self) -> bool:
        """Whether so much waits that new commands should be refused."""
        return self._waiting_facts >= WAITING_MAX_FACTS

    @property
    @override
    def is_idle(self) -> bool:
        return self._committing is None and not self._waiting

    @override
    def receive(self, mail: Any) -> None:
        if isinstance(mail, Committed):
            self._finish(mail.results)
        elif mail.line.is_broken:
            mail.done(Fenced())
        else:
            self._waiting.append(mail)
            self._waiting_facts += len(mail.part.facts)

    @override
    def end_turn(self) -> None:
        if self._committing is None and self._waiting:
            self._committing = self._next_commit()
            parts = [merge([submission.part for submission in chain]) for chain in self._committing]
            # The writer is idle from here to the next commit.
            self.cell.run(self._store.commit(parts), Committed, at_once=True)
        elif self.is_idle:
            self._tell_settled()

    @override
    def abandon(self, refusal: Refusal) -> None:
        """Whether a commit that was under way is written is unknown: its channels will see when they load."""
        chains, self._committing = self._committing or [], None
        waiting, self._waiting = self._waiting, []
        self._waiting_facts = 0
        for submission in (*(submission for chain in chains for submission in chain), *waiting):
            submission.line.is_broken = True
            submission.done(Failed(refusal.code))

    async def settle(self) -> None:
        """Wait until nothing waits for a commit."""
        while not self.is_idle:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settled.append(settled)
            await settled

    def _tell_settled(self) -> None:
        settled, self._settled = self._settled, []
        for future in settled:
            if not future.done():
                future.set_result(None)

    def _next_commit(self) -> list[list[Submission]]:
        """Chain each channel's waiting parts; what does not follow on its predecessor waits for its fate."""
        chains: dict[ChannelId, list[Submission]] = {}
        left: list[Submission] = []
        facts = 0
        for submission in self._waiting:
            chain = chains.get(submission.part.channel_id)
            if facts >= COMMIT_MAX_FACTS or (chain is not None and not follows(chain[-1], submission)):
                left.append(submission)
                continue
            facts += len(submission.part.facts)
            if chain is None:
                chains[submission.part.channel_id] = [submission]
            else:
                chain.append(submission)
        self._waiting = left
        self._waiting_facts -= facts
        return list(chains.values())

    def _finish(self, results: Sequence[PartResult] | Exception) -> None:
        chains, self._committing = self._committing or [], None
        if isinstance(results, Exception) or len(results) != len(chains):
            log.error("a commit failed: %r", results, exc_info=isinstance(results, Exception) and results)
            results = [Failed("the commit failed")] * len(chains)
        for chain, result in zip(chains, results, strict=True):
            if isinstance(result, Written):
                share_out(chain, result)
            else:
                self._fail(chain, result)

    def _fail(self, chain: list[Submission], result: PartResult) -> None:
        """Nothing that was decided behind a failed part may be written: drop what waits, bar what comes."""
        chain[0].line.is_broken = True
        dropped = [submission for submission in self._waiting if submission.line.is_broken]
        self._waiting = [submission for submission in self._waiting if not submission.line.is_broken]
        self._waiting_facts -= sum(len(submission.part.facts) for submission in dropped)
        for submission in chain:
            submission.done(result)
        for submission in dropped:
            submission.done(Fenced())


def follows(earlier: Submission, later: Submission) -> bool:
    return earlier.line is later.line and earlier.part.last_seq == later.part.expected


def merge(parts: list[Part]) -> Part:
    """Parts of one channel that follow on each other, as one."""
    if len(parts) == 1:
        return parts[0]
    facts = tuple(fact for part in parts for fact in part.facts)
    return Part(parts[0].channel_id, parts[0].expected, parts[-1].last_seq, facts)


def share_out(chain: list[Submission], written: Written) -> None:
    """Give each submission the ids of its own messages."""
    if len(chain) == 1:
        chain[0].done(written)
        return
    start = 0
    for submission in chain:
        end = start + submission.part.posts
        submission.done(Written(written.message_ids[start:end]))
        start = end
