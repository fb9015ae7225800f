"""Facts as rows: what one commit changes, table by table. Pure.

Next on a message's path: `fact_statements.py` writes the rows.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from protocol.audit import AuditRecord
from protocol.facts import (
    AnyFact,
    Audited,
    ChannelChanged,
    ChannelClosed,
    DeliveryChanged,
    InviteCreated,
    InviteRevoked,
    JobQueued,
    MarkerMoved,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Part,
    PrivacyChanged,
    ReactionChanged,
    RoleChanged,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Message
from storage.job_rows import job_row
from storage.row_statements import stored_time

Row = tuple[Any, ...]
ChannelFact = ChannelChanged | PrivacyChanged | ChannelClosed | InviteCreated | InviteRevoked | RoleChanged
CHANGES_CHANNEL = (ChannelChanged, PrivacyChanged, MemberJoined, MemberLeft, RoleChanged)


class CommitRows(Struct):
    """The last word on each row: a row that changes twice in one commit is written once.

    `channel_facts` and `deliveries` are rare and are written one by one.
    """

    messages: list[Row] = field(default_factory=list)
    mentions: list[Row] = field(default_factory=list)
    attachments: list[Row] = field(default_factory=list)
    changed_messages: dict[MessageId, Row] = field(default_factory=dict)
    edits: list[Row] = field(default_factory=list)
    edited_mentions: dict[MessageId, list[Row]] = field(default_factory=dict)
    reactions_removed: dict[Row, None] = field(default_factory=dict)
    reactions_added: dict[Row, Row] = field(default_factory=dict)
    deleted_messages: list[Row] = field(default_factory=list)
    deliveries: list[DeliveryChanged] = field(default_factory=list)
    members: dict[Row, Row] = field(default_factory=dict)
    former_admins: dict[Row, Row] = field(default_factory=dict)
    markers: dict[Row, Seq] = field(default_factory=dict)
    invite_uses: dict[str, int] = field(default_factory=dict)
    channel_facts: list[tuple[ChannelId, ChannelFact]] = field(default_factory=list)
    audited: list[tuple[AuditRecord, datetime]] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)


def fence_row(part: Part) -> Row:
    """(channel, where it must stand, where it will, the `seq` of its own last change or None, posts)."""
    changed = [
        fact.seq
        for fact in part.facts
        if not isinstance(fact, MessagePosted) and isinstance(fact, CHANGES_CHANNEL)
    ]
    own_seq = changed[-1] if changed else None
    return part.channel_id, part.expected, part.last_seq, own_seq, part.posts


def gather(parts: Iterable[Part], ids: Iterator[MessageId]) -> tuple[CommitRows, list[tuple[MessageId, ...]]]:
    """The rows of these parts, and for each part the ids that its posts were given, in order."""
    rows = CommitRows()
    given = []
    for part in parts:
        posted = []
        for fact in part.facts:
            if isinstance(fact, MessagePosted):
                message_id = next(ids)
                posted.append(message_id)
                _post(rows, part.channel_id, fact, message_id)
            else:
                _other(rows, part.channel_id, fact)
        given.append(tuple(posted))
    return rows, given


def _post(rows: CommitRows, channel_id: ChannelId, fact: MessagePosted, message_id: MessageId) -> None:
    at = stored_time(fact.at)
    rows.messages.append(
        (
            message_id,
            channel_id,
            fact.seq,
            fact.stream_id,
            fact.sender_id,
            fact.recipient_id,
            fact.conversation_id,
            fact.content,
            fact.parent_id,
            fact.nonce,
            fact.via,
            at,
        )
    )
    _mark(rows, channel_id, fact.sender_id, fact.seq)
    if fact.mentions:
        rows.mentions += [(message_id, user_id, at) for user_id in fact.mentions]
    if fact.attachments:
        rows.attachments += [(attachment.id, message_id, at) for attachment in fact.attachments]


def _other(rows: CommitRows, channel_id: ChannelId, fact: AnyFact) -> None:
    match fact:
        case MarkerMoved():
            _mark(rows, channel_id, fact.user_id, fact.read_seq)
        case MessageEdited() | MessageDeleted() | DeliveryChanged() | ReactionChanged():
            _change_message(rows, fact)
        case MemberJoined() | MemberLeft():
            _change_member(rows, channel_id, fact)
        case RoleChanged():
            _change_member(rows, channel_id, fact)
            rows.channel_facts.append((channel_id, fact))
        case ChannelChanged() | PrivacyChanged() | ChannelClosed() | InviteCreated() | InviteRevoked():
            rows.channel_facts.append((channel_id, fact))
        case Audited():
            rows.audited.append((fact.record, fact.at))
        case JobQueued():
            rows.jobs.append(job_row(fact))


def _mark(rows: CommitRows, channel_id: ChannelId, user_id: UserId, read_seq: Seq) -> None:
    key = (channel_id, user_id)
    if read_seq > rows.markers.get(key, 0):
        rows.markers[key] = read_seq


def _change_message(
    rows: CommitRows, fact: MessageEdited | MessageDeleted | DeliveryChanged | ReactionChanged
) -> None:
    message = fact.message
    rows.changed_messages[message.id] = _message_row(message, fact.seq)
    match fact:
        case MessageEdited():
            rows.edits.append((message.id, fact.previous, stored_time(fact.at)))
            if message.mentions or "@" in (fact.previous or ""):
                rows.edited_mentions[message.id] = _mentions(message.id, fact)
        case MessageDeleted():
            rows.deleted_messages.append((message.id,))
        case DeliveryChanged():
            rows.deliveries.append(fact)
        case ReactionChanged():
            _react(rows, fact)


def _mentions(message_id: MessageId, fact: MessageEdited) -> list[Row]:
    at = stored_time(fact.at)
    return [(message_id, user_id, at) for user_id in fact.message.mentions]


def _message_row(message: Message, seq: Seq) -> Row:
    times = (stored_time(message.edited_at), stored_time(message.deleted_at), stored_time(message.updated_at))
    return message.id, seq, message.content, *times


def _react(rows: CommitRows, fact: ReactionChanged) -> None:
    """Who takes a reaction back and gives it again comes last: the order of reacting is shown."""
    key = (fact.message.id, fact.reaction_id, fact.user_id)
    rows.reactions_added.pop(key, None)
    if fact.added:
        rows.reactions_added[key] = (*key, stored_time(fact.at))
    else:
        rows.reactions_removed[key] = None


def _change_member(
    rows: CommitRows, channel_id: ChannelId, fact: MemberJoined | MemberLeft | RoleChanged
) -> None:
    """(channel, user, role, changed_seq, joined_seq or None, read_seq, joined_at, left_at or None, at)."""
    key = (channel_id, fact.user.id)
    at = stored_time(fact.at)
    match fact:
        case MemberJoined():
            rows.members[key] = (*key, fact.role, fact.seq, fact.seq, fact.seq - 1, at, None, at)
            if fact.invite_code is not None:
                rows.invite_uses[fact.invite_code] = rows.invite_uses.get(fact.invite_code, 0) + 1
        case MemberLeft():
            joined_at = stored_time(fact.joined_at)
            rows.members[key] = (*key, "member", fact.seq, None, 0, joined_at, at, at)
            rows.former_admins[key] = (*key, at)
        case RoleChanged():
            _change_role(rows, key, fact)
            if fact.role == "member":
                rows.former_admins[key] = (*key, at)


def _change_role(rows: CommitRows, key: Row, fact: RoleChanged) -> None:
    at = stored_time(fact.at)
    earlier = rows.members.get(key)
    joined_seq, read_seq = (earlier[4], earlier[5]) if earlier is not None else (None, 0)
    joined_at = stored_time(fact.joined_at)
    rows.members[key] = (*key, fact.role, fact.seq, joined_seq, read_seq, joined_at, None, at)
