"""The messages of a channel that are in memory: the recent ones, and older ones that somebody acts on."""

from msgspec import UNSET, structs

from actors.channel_state import ChannelState
from actors.recent import Recent
from protocol.facts import (
    ChannelChanged,
    MemberJoined,
    MemberLeft,
    NumberedFact,
    PrivacyChanged,
    RoleChanged,
)
from protocol.ids import MessageId, Seq, UserId
from protocol.resources import MemberChange, Message

OLDER_MAX_MESSAGES = 64


class KnownMessages:
    """Committed messages by id. In direct channels `is_read` is derived from the reader's marker."""

    __slots__ = ("_markers", "_older", "_recent")

    def __init__(self, recent: Recent, state: ChannelState) -> None:
        self._recent = recent
        self._older: dict[MessageId, Message] = {}
        self._markers = {
            row.user_id: row.read_seq for row in state.members.values() if row.read_seq is not UNSET
        }

    def get(self, message_id: MessageId) -> Message | None:
        message = self._recent.message(message_id) or self._older.get(message_id)
        return None if message is None else self.view(message)

    def view(self, message: Message) -> Message:
        """The message with `is_read` as it is now."""
        if message.recipient_id is UNSET:
            return message
        is_read = self._markers.get(message.recipient_id, 0) >= message.seq
        return message if message.is_read == is_read else structs.replace(message, is_read=is_read)

    def keep(self, message: Message) -> None:
        """Remember an older message that was fetched, for as long as there is room."""
        self._older[message.id] = message
        while len(self._older) > OLDER_MAX_MESSAGES:
            del self._older[next(iter(self._older))]

    def learn(self, fact: NumberedFact, message: Message | None) -> None:
        """A fact is committed; `message` is the one that it is about, as it is now."""
        if message is not None:
            self._recent.put_message(fact.seq, message)
            if self._older:
                self._older.pop(message.id, None)
            if message.recipient_id is not UNSET and message.seq == fact.seq:
                # Posting moves the author's own marker, which matters to the other side.
                self.mark_read(message.sender_id, message.seq)
            return
        match fact:
            case MemberJoined():
                self._recent.put_member(fact.seq, MemberChange(fact.user, fact.role, fact.at))
            case MemberLeft():
                self._recent.put_member(fact.seq, MemberChange(fact.user, None, fact.joined_at, fact.at))
            case RoleChanged():
                self._recent.put_member(fact.seq, MemberChange(fact.user, fact.role, fact.joined_at))
            case ChannelChanged() | PrivacyChanged():
                self._recent.put_channel(fact.seq)

    def mark_read(self, user_id: UserId, read_seq: Seq) -> bool:
        """Whether this is news of a reader's marker; markers never go back.

        Where it stands already may be news: to those who heard nothing when its commit's outcome was unknown.
        """
        if read_seq < self._markers.get(user_id, 0):
            return False
        self._markers[user_id] = read_seq
        return True
