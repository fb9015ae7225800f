"""What is true: the committed history of every channel, and whether what a server says agrees with it.

It hears of a commit in the moment it is made. What a server writes is judged when it writes it, so that
anything shown before its commit is caught, however slow the network is.
"""

from typing import Any

from msgspec import UNSET, Struct, structs

from protocol.events import (
    Ack,
    AnyEvent,
    ChannelAdded,
    HistoryPage,
    MessageDelete,
    MessageUpdate,
    NewMessage,
    ReactionUpdate,
    Ready,
    Sequenced,
    SyncPage,
)
from protocol.facts import (
    ChannelChanged,
    ChannelClosed,
    DeliveryChanged,
    JobQueued,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Numbered,
    PrivacyChanged,
    ReactionChanged,
    RoleChanged,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import ChannelInfo, Message
from tests.simulation.ancestry import Ancestry
from tests.simulation.memory_rows import ChannelRow, Tables
from tests.simulation.memory_store import MemoryStore, WrittenPart
from tests.simulation.replica import plain


class BrokenPromiseError(AssertionError):
    """A promise was broken."""


class Version(Struct, frozen=True):
    """A message as it was from `seq` on."""

    seq: Seq
    message: Message


class ChannelTruth:
    """One channel's past. `members[n]` are those who were in it after change `n`."""

    def __init__(self, row: ChannelRow) -> None:
        self.facts: dict[Seq, Numbered] = {}
        self.members: dict[Seq, frozenset[UserId]] = {row.last_seq: frozenset(row.members)}
        self.last_seq = row.last_seq
        self.info: ChannelInfo = row.info
        self.is_closed = False

    def was_member_since(self, user_id: UserId, seq: Seq) -> bool:
        """Whether the user was in it at some moment at which it stood at `seq` or later."""
        start = max(seq, min(self.members))
        return any(user_id in self.members[Seq(n)] for n in range(start, self.last_seq + 1))

    def was_outside_since(self, user_id: UserId, seq: Seq) -> bool:
        """Whether at some moment since it stood at `seq` the user was not in it, or it was closed."""
        start = max(seq, min(self.members))
        outside = any(user_id not in self.members[Seq(n)] for n in range(start, self.last_seq + 1))
        return self.is_closed or outside

    def hears(self, user_id: UserId, seq: Seq) -> bool:
        """Whether the change `seq` is for this user: before it or after it they were in."""
        return user_id in self.members.get(seq, ()) or user_id in self.members.get(Seq(seq - 1), ())


class Oracle:
    """Fed by the store; asked by every wire."""

    def __init__(self, store: MemoryStore, ancestry: Ancestry) -> None:
        self._tables: Tables = store.tables
        self._ancestry = ancestry
        self.channels: dict[ChannelId, ChannelTruth] = {}
        self.versions: dict[MessageId, list[Version]] = {}
        self.posts: dict[tuple[UserId, str], MessageId] = {}
        store.on_made = self._made
        store.on_written = self._written

    # Commits.

    def _made(self, row: ChannelRow) -> None:
        self.channels[row.id] = ChannelTruth(row)

    def _written(self, written: WrittenPart) -> None:
        truth = self.channels[written.part.channel_id]
        self._check_jobs(truth, written)
        ids = iter(written.message_ids)
        for fact in written.facts:
            if isinstance(fact, Numbered):
                self._note(truth, fact, next(ids) if isinstance(fact, MessagePosted) else None)
        if truth.last_seq != written.part.last_seq:
            raise BrokenPromiseError(f"a part ends at {written.part.last_seq}, its facts at {truth.last_seq}")

    def _check_jobs(self, truth: ChannelTruth, written: WrittenPart) -> None:
        """Every message has the jobs of those agents that it speaks to, and there are no others."""
        agents = {user_id for user_id, row in self._tables.users.items() if row.profile.is_bot}
        expected: list[tuple[Any, ...]] = []
        for fact in written.facts:
            if isinstance(fact, MessagePosted) and fact.sender_id not in agents:
                spoken_to = fact.mentions if fact.recipient_id is None else (fact.recipient_id,)
                expected += [(user_id, truth.info.id, fact.seq) for user_id in spoken_to if user_id in agents]
        queued = [fact.payload for fact in written.facts if isinstance(fact, JobQueued)]
        if [structs.astuple(payload) for payload in queued] != expected:
            raise BrokenPromiseError(f"the jobs {queued} were committed, but should be {expected}")

    def _note(self, truth: ChannelTruth, fact: Numbered, message_id: MessageId | None) -> None:
        self._check_history(truth, fact)
        members = set(truth.members[truth.last_seq])
        self._check(truth, members, fact)
        truth.last_seq = fact.seq
        truth.facts[fact.seq] = fact
        match fact:
            case MemberJoined():
                members.add(fact.user.id)
            case MemberLeft():
                members.discard(fact.user.id)
            case ChannelClosed():
                truth.is_closed = True
            case ChannelChanged() | PrivacyChanged():
                truth.info = fact.channel
            case MessagePosted() if message_id is not None:
                self._posted(fact, message_id)
            case MessageEdited() | MessageDeleted() | DeliveryChanged() | ReactionChanged():
                self.versions[fact.message.id].append(Version(fact.seq, fact.message))
        if isinstance(fact, RoleChanged) and fact.role == "owner":
            truth.info = structs.replace(truth.info, owner_id=fact.user.id)
        truth.members[fact.seq] = frozenset(members)

    def _check_history(self, truth: ChannelTruth, fact: Numbered) -> None:
        """A fact follows on the one that it was decided behind, and on no other."""
        if fact.seq != truth.last_seq + 1:
            raise BrokenPromiseError(f"{fact} committed after {truth.last_seq}")
        if truth.is_closed:
            raise BrokenPromiseError(f"{fact} committed in a closed channel")
        earlier = self._ancestry.before(fact)
        if earlier is not None and truth.facts.get(earlier.seq) is not earlier:
            raise BrokenPromiseError(f"{fact} was decided behind {earlier}, which was not committed")

    def _check(self, truth: ChannelTruth, members: set[UserId], fact: Numbered) -> None:
        """A fact rests on what was true when it was committed, not on what its owner believed."""
        wrong = False
        match fact:
            case MessagePosted():
                wrong = fact.sender_id not in members or truth.info.is_archived
            case MessageEdited():
                now = self.versions[fact.message.id][-1].message
                wrong = fact.previous != now.content or fact.message.reactions != now.reactions
                wrong = wrong or now.deleted_at is not None
            case DeliveryChanged():
                now = self.versions[fact.message.id][-1].message
                wrong = fact.message.content != now.content or fact.message.reactions != now.reactions
            case MessageDeleted():
                wrong = self.versions[fact.message.id][-1].message.deleted_at is not None
            case ReactionChanged():
                now = self.versions[fact.message.id][-1].message
                reacting = {user_id for r in now.reactions if r.code == fact.code for user_id in r.user_ids}
                wrong = fact.added == (fact.user_id in reacting) or fact.message.content != now.content
                wrong = wrong or fact.user_id not in members
            case MemberJoined():
                wrong = fact.user.id in members
            case MemberLeft() | RoleChanged():
                wrong = fact.user.id not in members
            case ChannelChanged() | PrivacyChanged():
                wrong = fact.channel.member_count != len(members)
                wrong = wrong or fact.channel.owner_id != truth.info.owner_id
        if wrong:
            raise BrokenPromiseError(f"{fact} rests on something that is no longer so")

    def _posted(self, fact: MessagePosted, message_id: MessageId) -> None:
        message = self._tables.messages[message_id].message
        self.versions[message_id] = [Version(fact.seq, message)]
        if fact.nonce is None:
            return
        if (fact.sender_id, fact.nonce) in self.posts:
            raise BrokenPromiseError(f"the nonce {fact.nonce} of {fact.sender_id} made a second message")
        self.posts[fact.sender_id, fact.nonce] = message_id

    # What servers say.

    def judge(self, user_id: UserId, event: AnyEvent) -> None:
        """Raises `BrokenPromiseError` when `user_id` is shown what is not committed, or not theirs."""
        match event:
            case Sequenced():
                self._judge_change(user_id, event)
            case SyncPage():
                self._judge_page(user_id, event)
            case HistoryPage():
                self._judge_history(user_id, event)
            case Ack():
                self._judge_ack(user_id, event)
            case Ready():
                for line in event.channels:
                    self._judge_position(user_id, line.id, line.last_seq)
            case ChannelAdded():
                self._judge_position(user_id, event.channel.id, event.channel.last_seq)

    def _judge_change(self, user_id: UserId, event: Sequenced) -> None:
        truth = self.channels[event.channel_id]
        fact = truth.facts.get(event.seq)
        if fact is None:
            raise BrokenPromiseError(f"{event} is shown, but the channel stands at {truth.last_seq}")
        if not truth.hears(user_id, event.seq):
            raise BrokenPromiseError(f"{user_id} is shown {event} and is not in the channel")
        match event, fact:
            case NewMessage(), MessagePosted():
                self._judge_message(event.message, event.seq - 1, event.seq)
            case MessageUpdate(), MessageEdited() | DeliveryChanged():
                self._judge_message(event.message, event.seq - 1, event.seq)
            case MessageDelete(), MessageDeleted():
                if event.message_id != fact.message.id:
                    raise BrokenPromiseError(f"{event} is not {fact}")
            case ReactionUpdate(), ReactionChanged():
                shown = (event.message_id, event.user_id, event.code, event.added, event.count)
                if shown != (fact.message.id, fact.user_id, fact.code, fact.added, fact.count):
                    raise BrokenPromiseError(f"{event} is not {fact}")
            case _:
                if EVENT_OF.get(type(fact).__name__, type(event).__name__) != type(event).__name__:
                    raise BrokenPromiseError(f"{event} is not {fact}")

    def _judge_message(self, message: Message, after: int = 0, to: Seq | None = None) -> Seq:
        """That a message became so between `after` and `to`, and when first."""
        for version in self.versions.get(message.id, ()):
            is_within = after < version.seq and (to is None or version.seq <= to)
            if is_within and plain(version.message) == plain(message):
                return version.seq
        raise BrokenPromiseError(f"{message} did not become so between {after} and {to}")

    def _judge_page(self, user_id: UserId, page: SyncPage) -> None:
        truth = self.channels[page.channel_id]
        if page.to > truth.last_seq:
            raise BrokenPromiseError(f"a page to {page.to}, but the channel stands at {truth.last_seq}")
        if not truth.was_member_since(user_id, page.to):
            raise BrokenPromiseError(f"{user_id} is shown changes to {page.to} and is not in the channel")
        for message in page.messages:
            self._judge_message(message, page.from_, page.to)

    def _judge_history(self, user_id: UserId, page: HistoryPage) -> None:
        latest = max((self._judge_message(message) for message in page.messages), default=Seq(0))
        if not self.channels[page.channel_id].was_member_since(user_id, latest):
            raise BrokenPromiseError(f"{user_id} is shown history of {latest} and is not in the channel")

    def _judge_position(self, user_id: UserId, channel_id: ChannelId, seq: Seq) -> None:
        truth = self.channels[channel_id]
        if seq > truth.last_seq or not truth.was_member_since(user_id, seq):
            raise BrokenPromiseError(f"{user_id} is told that {channel_id} stands at {seq} for them")

    def _judge_ack(self, user_id: UserId, ack: Ack) -> None:
        if ack.channel_id is UNSET or ack.seq is UNSET or ack.channel_id == 0:
            return
        if ack.seq > self.channels[ack.channel_id].last_seq:
            raise BrokenPromiseError(f"{ack} comes before its commit")
        if ack.message_id is not UNSET and ack.message_id not in self.versions:
            raise BrokenPromiseError(f"{ack} is of a message that is not there")


EVENT_OF = {
    "MessagePosted": "NewMessage",
    "MessageEdited": "MessageUpdate",
    "MessageDeleted": "MessageDelete",
    "DeliveryChanged": "MessageUpdate",
    "ReactionChanged": "ReactionUpdate",
    "MemberJoined": "MemberJoined",
    "MemberLeft": "MemberLeft",
    "RoleChanged": "RoleUpdated",
    "ChannelChanged": "ChannelUpdate",
    "PrivacyChanged": "PrivacyUpdated",
}
