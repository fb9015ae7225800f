"""What a channel has decided and not yet committed.

The channel goes on deciding while a commit is under way: on the state-to-be, `decided`. What anybody reads is
`committed`. When a part cannot be written as it was decided, the same commands are decided again.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from actors.channel_commands import Ask, ChannelCommand, KnowWebhooks, OnMessage, PostMessage, Withdraw
from actors.channel_state import DECIDERS, ChannelState, Decide, Decision, apply
from actors.consequences import news_for
from actors.journal import Line
from actors.message_state import MESSAGE_DECIDERS
from actors.moderation import DESCRIPTIONS, audited
from actors.permissions import NOT_FOUND
from actors.webhooks import decide_webhooks
from actors.withdrawal import decide_withdraw
from protocol.errors import Refusal
from protocol.facts import (
    AnyFact,
    DeliveryChanged,
    MessageDeleted,
    MessageEdited,
    Part,
    ReactionChanged,
)
from protocol.ids import MessageId, UserId
from protocol.resources import Message

ABOUT_MESSAGE = (MessageEdited, MessageDeleted, DeliveryChanged, ReactionChanged)

CHANNEL_DECIDERS: dict[type[ChannelCommand], Decide] = {
    **DECIDERS,
    Withdraw: decide_withdraw,
    KnowWebhooks: decide_webhooks,
}

NonceKey = tuple[UserId, str]


class Decided(Struct, frozen=True):
    """A command that will be answered when its facts are on disk; some change nothing and have none.

    A `refusal` that rests on what is not on disk yet waits for that as well.
    """

    ask: Ask
    facts: list[AnyFact]
    nonce_key: NonceKey | None = None
    refusal: Refusal | None = None


class Batch:
    """One part on its way to the database, and the channel before and after it."""

    __slots__ = ("after", "before", "decided", "part")

    def __init__(self, part: Part, decided: list[Decided], before: ChannelState, after: ChannelState) -> None:
        self.part = part
        self.decided = decided
        self.before = before
        self.after = after


class Pipeline:
    """The facts between deciding and the commit, in order."""

    def __init__(self, state: ChannelState) -> None:
        self.committed = state
        self.decided = state
        self.drafts: dict[MessageId, Message] = {}
        self.line = Line()
        self._open: list[Decided] = []
        self._unanswered: deque[Decided] = deque()
        self._in_flight: deque[Batch] = deque()
        self._on_its_way: dict[NonceKey, list[Ask] | None] = {}
        self.depth = 0

    @property
    def nothing_in_flight(self) -> bool:
        return not self._in_flight

    @property
    def is_empty(self) -> bool:
        return not self._in_flight and not self._open

    @property
    def holds_nothing(self) -> bool:
        """Whether nothing is left of what was done."""
        return self.is_empty and not (self.depth or self.drafts or self._on_its_way or self._unanswered)

    def to_come(self) -> Iterator[ChannelState]:
        """Where the channel will stand after each commit that is not known to be made; it may be there."""
        yield from (batch.after for batch in self._in_flight)
        yield self.decided

    def decide(self, ask: Ask, now: datetime, message: Message | None = None) -> Refusal | None:
        """Decide a command; None when it will be answered by a commit."""
        decision = self._decision(ask, now, message)
        if isinstance(decision, Refusal):
            return self.refuse(ask, decision)
        if ask.command.__class__ in DESCRIPTIONS:
            decision += audited(self.decided, ask.by, ask.command, decision, message)
        for fact in decision:
            self.decided = apply(self.decided, fact)
            if isinstance(fact, ABOUT_MESSAGE):
                self.drafts[fact.message.id] = fact.message
        key = nonce_key(ask)
        if key is not None:
            self._on_its_way[key] = None
        self._open.append(Decided(ask, decision, key))
        self.depth += 1
        return None

    def refuse(self, ask: Ask, refusal: Refusal) -> Refusal | None:
        """The refusal, if it rests on what is committed; None when it has to wait for what is not."""
        if self.decided is self.committed:
            return refusal
        self._open.append(Decided(ask, [], refusal=refusal))
        self.depth += 1
        return None

    def _decision(self, ask: Ask, now: datetime, message: Message | None) -> Decision:
        command = ask.command
        if self.decided.is_closed:
            return NOT_FOUND
        if isinstance(command, OnMessage):
            assert message is not None  # noqa: S101 - whoever calls has found it
            return MESSAGE_DECIDERS[type(command)](self.decided, ask.by, command, message, now)
        return CHANNEL_DECIDERS[type(command)](self.decided, ask.by, command, now)

    def join_repeat(self, ask: Ask, key: NonceKey) -> bool:
        """Whether the same post is on its way already; then `ask` will be answered with it."""
        if key not in self._on_its_way:
            return False
        self._on_its_way[key] = [*(self._on_its_way[key] or ()), ask]
        self.depth += 1
        return True

    def close_batch(self) -> Batch | None:
        """What this turn decided, as one part; None when there is nothing to write.

        Commands that changed nothing wait for the commit that they were decided behind.
        """
        facts = tuple([fact for decided in self._open for fact in decided.facts])
        if not facts:
            if self._in_flight:
                self._in_flight[-1].decided.extend(self._open)
                self._open = []
            return None
        before = self._in_flight[-1].after if self._in_flight else self.committed
        if self.decided.outside is not None:
            facts += tuple(news_for(self.decided.outside, before.base.id, facts))
        part = Part(before.base.id, before.last_seq, self.decided.last_seq, facts)
        batch = Batch(part, self._open, before, self.decided)
        self._in_flight.append(batch)
        self._open = []
        return batch

    def settle_open(self) -> None:
        """Commands that changed nothing with nothing on its way can be answered: they are `unanswered`."""
        self._unanswered.extend(self._open)
        self.depth -= len(self._open)
        self._open = []

    def is_next(self, batch: Batch) -> bool:
        """Whether `batch` is the one whose result is due; any other was given up before."""
        return bool(self._in_flight) and self._in_flight[0] is batch

    def commit(self, batch: Batch) -> None:
        """`batch` is on disk; its commands are `unanswered`."""
        self._in_flight.popleft()
        self._unanswered.extend(batch.decided)
        self.committed = batch.after
        self.depth -= len(batch.decided)
        for fact in batch.part.facts if self.drafts else ():
            if isinstance(fact, ABOUT_MESSAGE) and self.drafts.get(fact.message.id) is fact.message:
                del self.drafts[fact.message.id]

    def unanswered(self) -> Iterator[Decided]:
        """Each committed command, answered before the next; `rewind` finds what a failing turn leaves."""
        while self._unanswered:
            yield self._unanswered[0]
            self._unanswered.popleft()

    def arrived(self, key: NonceKey) -> list[Ask]:
        """A post is on disk: those who sent it again while it was on its way."""
        repeats = self._on_its_way.pop(key, None) or []
        self.depth -= len(repeats)
        return repeats

    def rewind(self) -> list[Ask]:
        """Give up everything that is not answered: all commands in their order, to be decided again."""
        asks = [decided.ask for decided in self._unanswered]
        asks += [decided.ask for batch in self._in_flight for decided in batch.decided]
        asks += [decided.ask for decided in self._open]
        asks += [ask for repeats in self._on_its_way.values() for ask in repeats or ()]
        self.line = Line()
        self._unanswered.clear()
        self._in_flight.clear()
        self._open.clear()
        self._on_its_way.clear()
        self.drafts.clear()
        self.decided = self.committed
        self.depth = 0
        return asks


def nonce_key(ask: Ask) -> NonceKey | None:
    command = ask.command
    if isinstance(command, PostMessage) and command.nonce is not None:
        return ask.by.user_id, command.nonce
    return None
