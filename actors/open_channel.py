"""A loaded channel: decides what is asked, has it committed, answers, and tells everybody.

The order is authorise, decide, commit, acknowledge, fan out; nobody sees what is not committed. Next on a
message's path: `journal.py`, and after the commit `announce.py`.
"""

import logging
from collections import deque
from collections.abc import Iterator
from datetime import datetime

from msgspec import UNSET, Struct

from actors.actor import Cell
from actors.announce import Announcement, Shown
from actors.channel_commands import (
    Ask,
    ChangeChannel,
    Done,
    OnMessage,
    PostMessage,
    ReadChanges,
    Resume,
    ShowTyping,
)
from actors.channel_feed import Feed
from actors.channel_reads import READS, Reads
from actors.channel_state import ChannelState, may_read, may_write, restore
from actors.database_reads import DatabaseReads
from actors.fanout import Fanout
from actors.file_claims import FileClaims
from actors.journal import Journal, Submission
from actors.known_messages import KnownMessages
from actors.missed import make_good
from actors.outboxes import Outboxes
from actors.outcomes import done, repeated, shown_facts
from actors.permissions import NO_MESSAGE, NOT_FOUND
from actors.pipeline import ABOUT_MESSAGE, Batch, Decided, Pipeline, nonce_key
from actors.ports import Channels, Clock
from actors.recent import Recent
from actors.resolving import NO_ATTACHMENT
from actors.strangers import Strangers
from actors.streams import StopAnswer
from actors.system import OVERLOADED, System
from protocol.errors import Code, Refusal
from protocol.events import ReadMarker, TypingEvent
from protocol.facts import (
    ChannelSnapshot,
    JobQueued,
    MarkerMoved,
    MessagePosted,
    PartResult,
    Repeats,
    Spent,
    Taken,
    Written,
)
from protocol.ids import MessageId, UserId
from protocol.resources import Message

__all__ = ["Fetched", "OpenChannel", "PartDone", "Surroundings"]

log = logging.getLogger("actors")

IN_FLIGHT_MAX = 10_000
TYPING_EVERY_S = 3.0

LOST = Refusal(Code.UNAVAILABLE, "The change could not be stored now. Try again.", retry_after_ms=500)
NONE_SPENT = Spent(frozenset())
NAME_TAKEN = Refusal(Code.TAKEN, "Another channel has this name.", field="name")
NO_PARENT = Refusal(Code.INVALID, "There is no such message in this channel to reply to.", field="parent_id")


class Surroundings(Struct, frozen=True):
    """What every channel actor of the process works with."""

    system: System
    store: Channels
    journal: Journal
    fanout: Fanout
    clock: Clock
    outboxes: Outboxes


class PartDone(Struct, frozen=True):
    """What became of a batch."""

    batch: Batch
    result: PartResult


class Fetched(Struct, frozen=True):
    """The older message that a command is about; empty when there is none, or an exception."""

    message_id: MessageId
    result: list[Message] | Exception


class OpenChannel:
    """One channel in memory, from its loading to the end of its activation."""

    __slots__ = (
        "_again",
        "_around",
        "_cell",
        "_fetching",
        "_id",
        "_known",
        "_now",
        "_pipeline",
        "_recent",
        "_strangers",
        "_typed_at_s",
        "database",
        "feed",
        "reads",
    )

    def __init__(self, cell: Cell, around: Surroundings, snapshot: ChannelSnapshot) -> None:
        state = restore(snapshot)
        self._id = state.base.id
        self._cell = cell
        self._around = around
        self._pipeline = Pipeline(state)
        self._recent = Recent(state.last_seq)
        self._known = KnownMessages(self._recent, state)
        self._fetching: dict[MessageId, list[Ask]] = {}
        self._again: deque[Ask] = deque()
        self._now: datetime | None = None
        self._typed_at_s: dict[UserId, float] = {}
        self.database = DatabaseReads(cell)
        self._strangers = strangers = Strangers(around.store, self.database, self._pipeline, self.restart)
        self.reads = Reads(around.store, self.database, self._pipeline, self._recent, self._known, strangers)
        self.feed = Feed(
            around.store,
            self.database,
            around.fanout,
            self._pipeline,
            self._recent,
            self._known,
            strangers=strangers,
        )
        make_good(around.system, around.fanout, state)

    @property
    def is_idle(self) -> bool:
        return self._pipeline.is_empty and not self._fetching and self.database.is_idle and self.feed.is_idle

    # Commands.

    def handle(self, ask: Ask) -> None:
        command = ask.command
        if isinstance(command, PostMessage) and self._has_room:
            self._post(ask, command)
        elif isinstance(command, READS):
            self.reads.handle(ask)
        elif isinstance(command, ReadChanges):
            self.feed.serve(ask)
        elif isinstance(command, ShowTyping):
            self._show_typing(ask)
        elif isinstance(command, StopAnswer):
            self._stop_answer(ask, command)
        elif not self._has_room:
            ask.answer(OVERLOADED)
        elif isinstance(command, OnMessage):
            self._on_message(ask, command.message_id)
        else:
            self._decide(ask, None)

    @property
    def _has_room(self) -> bool:
        return self._pipeline.depth < IN_FLIGHT_MAX and not self._around.journal.is_full

    def _post(self, ask: Ask, command: PostMessage) -> None:
        key = nonce_key(ask)
        if key is not None:
            earlier = self._recent.by_nonce(key)
            if earlier is not None:
                ask.answer(repeated(self._known.view(earlier)))
                return
            if self._pipeline.join_repeat(ask, key):
                return
        if command.parent_id is not None and self._known.get(command.parent_id) is None:
            self._fetch(ask, command.parent_id)
            return
        self._decide(ask, None)

    def _on_message(self, ask: Ask, message_id: MessageId) -> None:
        message = self._pipeline.drafts.get(message_id) or self._known.get(message_id)
        if message is None:
            self._fetch(ask, message_id)
        else:
            self._decide(ask, message)

    def _decide(self, ask: Ask, message: Message | None) -> None:
        if self._now is None:
            self._now = self._around.clock.now()
        refusal = self._pipeline.decide(ask, self._now, message)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)

    def _refuse(self, ask: Ask, refusal: Refusal) -> None:
        if (final := self._pipeline.refuse(ask, refusal)) is not None:
            self._strangers.refuse(ask, final)

    def _show_typing(self, ask: Ask) -> None:
        refusal = may_read(self._pipeline.committed, ask.by)
        user_id, now_s = ask.by.user_id, self._around.clock.monotonic()
        if refusal is None and now_s - self._typed_at_s.get(user_id, -TYPING_EVERY_S) >= TYPING_EVERY_S:
            self._typed_at_s[user_id] = now_s
            event = TypingEvent(channel_id=self._id, user_id=user_id)
            self._around.fanout.tell_channels((self._id,), event, except_user=user_id)
        ask.answer(refusal or Done(channel_id=self._id, seq=self._pipeline.committed.last_seq))

    def _stop_answer(self, ask: Ask, command: StopAnswer) -> None:
        refusal = may_write(self._pipeline.committed, ask.by)
        refusal = refusal or self._around.fanout.streams.stop(self._id, command.stream_id)
        ask.answer(refusal or Done(channel_id=self._id, seq=self._pipeline.committed.last_seq))

    # Older messages.

    def _fetch(self, ask: Ask, message_id: MessageId) -> None:
        """Wait for a message that is not in memory; nobody changes it meanwhile, for they wait as well."""
        if (refusal := may_read(self._pipeline.decided, ask.by)) is not None:
            self._refuse(ask, refusal)
        elif message_id in self._fetching:
            self._fetching[message_id].append(ask)
        else:
            self._fetching[message_id] = [ask]
            work = self._around.store.load_messages(self._id, [message_id])
            self._cell.run(work, lambda result: Fetched(message_id, result))

    def fetched(self, mail: Fetched) -> None:
        asks = self._fetching.pop(mail.message_id, [])
        if isinstance(mail.result, Exception):
            refuse_all(asks, LOST)
        elif mail.result:
            self._known.keep(mail.result[0])
            self._again.extend(asks)
            for ask in self._next_again():
                self.handle(ask)
        else:
            for ask in asks:
                ask.answer(NO_PARENT if isinstance(ask.command, PostMessage) else NO_MESSAGE)

    # Commits.

    def end_turn(self) -> None:
        self._now = None
        batch = self._pipeline.close_batch()
        if batch is None:
            if self._pipeline.nothing_in_flight:
                self._pipeline.settle_open()
                for decided in self._pipeline.unanswered():
                    self._answer(decided, self._pipeline.committed, None)
            return
        submission = Submission(
            batch.part, self._pipeline.line, lambda result: self._hear(PartDone(batch, result))
        )
        self._around.journal.cell.put(submission)

    def _hear(self, mail: PartDone) -> None:
        """A commit that outlives the activation that asked for it is news to the next one."""
        if self._cell.is_alive:
            self._cell.put(mail)
        elif isinstance(mail.result, Written):
            self._around.system.put(self._cell.address, mail)

    def part_done(self, mail: PartDone) -> None:
        """The answer of the database: on disk, or why not."""
        if not self._pipeline.is_next(mail.batch):
            self._given_up(mail)
            return
        match mail.result:
            case Written():
                self._committed(mail.batch, mail.result)
            case Repeats():
                self._decide_again(mail.result)
            case Taken():
                self._decide_again(Repeats({}), taken=NAME_TAKEN)
            case Spent():
                self._decide_again(Repeats({}), spent=mail.result)
            case failure:
                log.warning("channel %d restarts: its part of a commit is %r", self._id, failure)
                self.restart()

    def _given_up(self, mail: PartDone) -> None:
        """A part of an earlier activation; if it was written after all, this one has loaded too early."""
        if isinstance(mail.result, Written) and mail.batch.after.last_seq > self._pipeline.committed.last_seq:
            self.restart()

    def _committed(self, batch: Batch, written: Written) -> None:
        shown = shown_facts(self._id, batch.part.facts, written.message_ids)
        self._pipeline.commit(batch)
        for item in shown:
            self._known.learn(item.fact, item.message)
        posted = iter([item.message for item in shown if item.fact.__class__ is MessagePosted])
        for decided in self._pipeline.unanswered():
            is_post = decided.ask.command.__class__ is PostMessage
            self._answer(decided, batch.after, next(posted) if is_post and decided.facts else None)
        self._announce(batch, shown)
        if len(shown) < len(batch.part.facts):
            self._poke_outboxes(batch)
        if batch.after.is_closed:
            self.abandon(NOT_FOUND)
            self._around.fanout.close(self._id)
            self._cell.end()
        else:
            self.feed.retry_waiting()

    def _poke_outboxes(self, batch: Batch) -> None:
        for kind in {fact.kind for fact in batch.part.facts if isinstance(fact, JobQueued)}:
            self._around.outboxes.poke(kind)

    def _answer(self, decided: Decided, state: ChannelState, posted: Message | None) -> None:
        if posted is None:
            decided.ask.answer(decided.refusal or done(state, decided, self._about(decided)))
            return
        decided.ask.answer(Done(channel_id=self._id, seq=posted.seq, message=posted))
        if decided.nonce_key is not None:
            for ask in self._pipeline.arrived(decided.nonce_key):
                ask.answer(repeated(posted))

    def _about(self, decided: Decided) -> Message | None:
        """The message that a command changed, or found as it should be."""
        for fact in decided.facts:
            if isinstance(fact, ABOUT_MESSAGE):
                return fact.message
        command = decided.ask.command
        return self._known.get(command.message_id) if isinstance(command, OnMessage) else None

    def _announce(self, batch: Batch, shown: list[Shown]) -> None:
        announcement = Announcement(self._around.fanout, batch.before, batch.after)
        if batch.before.is_unspoken:
            announcement.admit_both(batch.before.last_seq)
        announcement.make(shown)
        for fact in batch.part.facts:
            if isinstance(fact, MarkerMoved):
                self._show_marker(batch.after, fact)

    def _show_marker(self, state: ChannelState, fact: MarkerMoved) -> None:
        """To the reader's own devices, and in direct channels to the other side."""
        if fact.user_id not in state.members or not self._known.mark_read(fact.user_id, fact.read_seq):
            return
        event = ReadMarker(channel_id=self._id, user_id=fact.user_id, read_seq=fact.read_seq)
        self._around.fanout.tell_user(fact.user_id, event)
        peer_id = state.peer_of(fact.user_id)
        if peer_id is not None:
            self._around.fanout.tell_user(peer_id, event)

    def _decide_again(
        self, repeats: Repeats, taken: Refusal | None = None, spent: Spent = NONE_SPENT
    ) -> None:
        """Answer what cannot be written as it was decided; decide the rest again, in order."""
        files = FileClaims(spent.file_ids)
        self._again.extend(self._pipeline.rewind())
        for ask in self._next_again():
            command = ask.command
            nonce = command.nonce if isinstance(command, PostMessage) else None
            first = repeats.messages.get((ask.by.user_id, nonce)) if nonce is not None else None
            if first is not None:
                ask.answer(repeated(first))
            elif taken is not None and isinstance(command, ChangeChannel) and command.name is not UNSET:
                ask.answer(taken)
            elif not files.allow(ask):
                self._refuse(ask, NO_ATTACHMENT)
            else:
                self.handle(ask)
        self.feed.retry_waiting()

    def _next_again(self) -> Iterator[Ask]:
        """Those who are to be handled again, each kept until it is, in case that fails."""
        while self._again:
            yield self._again[0]
            self._again.popleft()

    def restart(self) -> None:
        """End this activation: its askers try again, and what was committed is read from storage."""
        self.abandon(LOST)
        self._cell.end()
        self._around.system.wake(self._cell.address)

    def abandon(self, refusal: Refusal) -> None:
        fetching, self._fetching = self._fetching, {}
        refuse_all([*self._again], refusal)
        self._again.clear()
        refuse_all(self._pipeline.rewind(), refusal)
        refuse_all([ask for asks in fetching.values() for ask in asks], refusal)
        refuse_all(self.feed.give_up(), refusal)
        refuse_all(self.database.give_up(), refusal)


def refuse_all(asks: list[Ask] | list[Ask | Resume], refusal: Refusal) -> None:
    for ask in asks:
        ask.answer(refusal)
