"""Committed facts as events: what each one looks like to members, and who hears it.

A batch is split where somebody joins or leaves, so that nobody's write holds what they may not see. Next on a
message's path: `fanout.py`.
"""

from collections.abc import Sequence
from typing import Literal, assert_never

from msgspec import Struct, structs

from actors.channel_state import ChannelState
from actors.connection import Connection
from actors.fanout import Fanout
from protocol import events
from protocol.events import AnyEvent, ChannelAdded, ChannelRemoved, SequencedEvent
from protocol.facts import (
    ChannelChanged,
    ChannelClosed,
    DeliveryChanged,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    NumberedFact,
    PrivacyChanged,
    ReactionChanged,
    RoleChanged,
)
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Channel, ChannelInfo, Message, Role

SPLITTING = (MemberJoined, MemberLeft, ChannelClosed)
"""After these not the same people listen as before."""

Reason = Literal["left", "removed", "deleted"]


class Shown(Struct, frozen=True, gc=False):
    """A committed fact with the message that it is about, as that is now."""

    fact: NumberedFact
    message: Message | None


class Announcement:
    """One committed batch of one channel on its way to the audience."""

    def __init__(self, fanout: Fanout, before: ChannelState, after: ChannelState) -> None:
        self._fanout = fanout
        self._after = after
        self._channel_id: ChannelId = after.base.id
        self._members = dict.fromkeys(before.members)
        self._run: list[AnyEvent] = []

    def make(self, shown: Sequence[Shown]) -> None:
        for item in shown:
            if not isinstance(item.fact, MessagePosted) and isinstance(item.fact, SPLITTING):
                self._split(item.fact, item.message)
            else:
                self._run.append(event_of(self._channel_id, item.fact, item.message))
        self._flush(self._after.last_seq)

    def _split(self, fact: NumberedFact, message: Message | None) -> None:
        match fact:
            case MemberJoined():
                self._flush(Seq(fact.seq - 1))
                self._admit(fact.user.id, fact.role, Seq(fact.seq - 1))
                self._members[fact.user.id] = None
                self._run.append(event_of(self._channel_id, fact, message))
            case MemberLeft():
                self._run.append(event_of(self._channel_id, fact, message))
                self._flush(fact.seq)
                self._members.pop(fact.user.id, None)
                self._expel(fact.user.id, "removed" if fact.removed_by else "left")
            case ChannelClosed():
                self._flush(fact.seq)
                self._dissolve()

    def admit_both(self, position: Seq) -> None:
        """The first message of a direct channel makes it appear to both of its members."""
        for member in self._after.members.values():
            self._admit(member.user_id, member.role, position)

    def _admit(self, user_id: UserId, role: Role, position: Seq) -> None:
        info = structs.replace(self._after.base, last_seq=position, member_count=len(self._members))
        added = ChannelAdded(
            channel=view(info, role, read_seq=position if info.kind == "channel" else Seq(0))
        )
        for connection in self._fanout.connections_of(user_id):
            if not connection.is_live:
                connection.is_stale = True
            elif not self._fanout.is_subscribed(self._channel_id, connection):
                connection.write(connection.codec.frame(added))
                self._fanout.subscribe(self._channel_id, connection, position)

    def _expel(self, user_id: UserId, reason: Reason) -> None:
        for connection in self._fanout.connections_of(user_id):
            self._remove(connection, reason)

    def _dissolve(self) -> None:
        audience = self._fanout.audience(self._channel_id)
        members = [c for user_id in self._members for c in self._fanout.connections_of(user_id)]
        for connection in dict.fromkeys([*audience, *members]):
            self._remove(connection, "deleted")

    def _remove(self, connection: Connection, reason: Reason) -> None:
        if not connection.is_live:
            # Its cursor stays: whoever is let in again meanwhile goes on from there.
            connection.is_stale = True
            return
        self._fanout.unsubscribe(self._channel_id, connection)
        event = ChannelRemoved(channel_id=self._channel_id, reason=reason)
        connection.write(connection.codec.frame(event))

    def _flush(self, last_seq: Seq) -> None:
        run, self._run = self._run, []
        self._fanout.deliver(self._channel_id, run, last_seq)


def view(info: ChannelInfo, role: Role | None, *, read_seq: Seq) -> Channel:
    """The channel as a member sees it who has nothing unread."""
    return Channel(**structs.asdict(info), my_role=role, read_seq=read_seq, unread_count=0)


def event_of(  # noqa: C901 - one case for each kind of fact, nothing else
    channel_id: ChannelId, fact: NumberedFact, message: Message | None
) -> SequencedEvent:
    """What members see of a fact. `message` is the one that it posted, with the id that the commit gave."""
    seq = fact.seq
    match fact:
        case MessagePosted():
            assert message is not None  # noqa: S101 - the commit gave it its id
            return events.NewMessage(channel_id=channel_id, seq=seq, message=message)
        case MessageEdited() | DeliveryChanged():
            return events.MessageUpdate(channel_id=channel_id, seq=seq, message=fact.message)
        case MessageDeleted():
            return events.MessageDelete(
                channel_id=channel_id, seq=seq, message_id=fact.message.id, deleted_at=fact.at
            )
        case ReactionChanged():
            return events.ReactionUpdate(
                channel_id=channel_id,
                seq=seq,
                message_id=fact.message.id,
                code=fact.code,
                user_id=fact.user_id,
                added=fact.added,
                count=fact.count,
            )
        case MemberJoined():
            return events.MemberJoined(channel_id=channel_id, seq=seq, user=fact.user, role=fact.role)
        case MemberLeft():
            return events.MemberLeft(
                channel_id=channel_id, seq=seq, user_id=fact.user.id, removed_by=fact.removed_by
            )
        case RoleChanged():
            return events.RoleUpdated(channel_id=channel_id, seq=seq, user_id=fact.user.id, role=fact.role)
        case ChannelChanged():
            return events.ChannelUpdate(channel_id=channel_id, seq=seq, channel=fact.channel)
        case PrivacyChanged():
            return events.PrivacyUpdated(channel_id=channel_id, seq=seq, channel=fact.channel)
        case ChannelClosed():
            raise ValueError("a closed channel has no audience left to see it")
        case _:
            assert_never(fact)
