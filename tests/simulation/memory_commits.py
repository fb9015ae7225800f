"""How the in-memory store writes a commit: the same rules as the databases, without their statements."""

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from msgspec import UNSET, structs

from protocol.facts import (
    AnyFact,
    Audited,
    ChannelChanged,
    ChannelClosed,
    DeliveryChanged,
    Failed,
    Fenced,
    InviteCreated,
    InviteRevoked,
    JobQueued,
    MarkerMoved,
    MemberJoined,
    MemberLeft,
    MemberRenamed,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Part,
    PartResult,
    PrivacyChanged,
    ReactionChanged,
    Repeats,
    RoleChanged,
    Spent,
    Taken,
    WebhooksKnown,
    Written,
)
from protocol.ids import MessageId, Seq, UserId
from protocol.resources import Invite, Message
from tests.simulation.memory_outbox import queue
from tests.simulation.memory_rows import ChannelRow, InviteRow, Membership, MessageRow, Tables

CHANGES_CHANNEL = (ChannelChanged, PrivacyChanged, MemberJoined, MemberLeft, RoleChanged)

OnWritten = Callable[[Part, Written], None]


def write_parts(tables: Tables, parts: Sequence[Part], on_written: OnWritten) -> list[PartResult]:
    """One result for each part, in order; a part that cannot be written does not hold the others back."""
    results = []
    for part in parts:
        result = _write(tables, part)
        if isinstance(result, Written):
            on_written(part, result)
        results.append(result)
    return results


def _write(tables: Tables, part: Part) -> PartResult:
    channel = tables.channels.get(part.channel_id)
    if channel is None or channel.is_deleted or channel.last_seq != part.expected:
        return Fenced()
    objection = (
        _repeats(tables, part) or _taken(tables, part) or _impossible(tables, part) or _spent(tables, part)
    )
    if objection is not None:
        return objection
    channel.last_seq = part.last_seq
    changed = [fact.seq for fact in part.facts if isinstance(fact, CHANGES_CHANNEL)]
    channel.changed_seq = changed[-1] if changed else channel.changed_seq
    ids = []
    for fact in part.facts:
        if isinstance(fact, MessagePosted):
            ids.append(_post(tables, channel, fact))
        else:
            _apply(tables, channel, fact)
    return Written(tuple(ids))


def _repeats(tables: Tables, part: Part) -> Repeats | None:
    first: dict[tuple[UserId, str], Message] = {}
    for fact in part.facts:
        if isinstance(fact, MessagePosted) and fact.nonce is not None:
            message_id = tables.nonces.get((fact.sender_id, fact.nonce))
            if message_id is not None:
                row = tables.messages[message_id]
                first[fact.sender_id, fact.nonce] = row.view(tables.channels[row.message.channel_id])
    return Repeats(first) if first else None


def _taken(tables: Tables, part: Part) -> Taken | None:
    for fact in part.facts:
        if isinstance(fact, ChannelChanged) and fact.channel.name is not None:
            key = fact.channel.name.casefold()
            others = (row for row in tables.channels.values() if row.id != part.channel_id)
            if any((row.info.name or "").casefold() == key for row in others if not row.is_deleted):
                return Taken()
    return None


def _impossible(tables: Tables, part: Part) -> Failed | None:
    posts = [fact for fact in part.facts if isinstance(fact, MessagePosted)]
    nonces = [(fact.sender_id, fact.nonce) for fact in posts if fact.nonce is not None]
    if len(set(nonces)) < len(nonces):
        return Failed("the part repeats itself")
    if any(fact.parent_id is not None and fact.parent_id not in tables.messages for fact in posts):
        return Failed("no such parent")
    return None


def _spent(tables: Tables, part: Part) -> Spent | None:
    posts = [fact for fact in part.facts if isinstance(fact, MessagePosted)]
    named = [file.id for fact in posts for file in fact.attachments]
    free = {file_id for file_id in named if tables.files[file_id].message_id is None}
    return Spent(frozenset(named) - free) if len(free) < len(named) else None


def _post(tables: Tables, channel: ChannelRow, fact: MessagePosted) -> MessageId:
    tables.last_message_id += 1
    message_id = MessageId(tables.last_message_id)
    message = Message(
        id=message_id,
        channel_id=channel.id,
        conversation_id=fact.conversation_id,
        seq=fact.seq,
        sender_id=fact.sender_id,
        user_id=fact.sender_id,
        recipient_id=UNSET if fact.recipient_id is None else fact.recipient_id,
        content=fact.content,
        parent_id=fact.parent_id,
        mentions=fact.mentions,
        attachments=fact.attachments,
        via=fact.via,
        nonce=UNSET if fact.nonce is None else fact.nonce,
        stream_id=UNSET if fact.stream_id is None else fact.stream_id,
        created_at=fact.at,
        updated_at=fact.at,
    )
    tables.messages[message_id] = MessageRow(message, fact.seq)
    if fact.nonce is not None:
        tables.nonces[fact.sender_id, fact.nonce] = message_id
    for file in fact.attachments:
        tables.files[file.id].message_id = message_id
    _mark(channel, fact.sender_id, fact.seq)
    return message_id


def _mark(channel: ChannelRow, user_id: UserId, read_seq: Seq) -> None:
    member = channel.members.get(user_id)
    if member is not None and member.read_seq < read_seq:
        member.read_seq = read_seq


def _apply(tables: Tables, channel: ChannelRow, fact: AnyFact) -> None:
    match fact:
        case MessageEdited() | MessageDeleted() | DeliveryChanged() | ReactionChanged():
            _change_message(tables, fact)
        case MemberJoined() | MemberLeft() | RoleChanged():
            _change_member(channel, fact)
        case MarkerMoved():
            _mark(channel, fact.user_id, fact.read_seq)
        case MemberRenamed() | WebhooksKnown():
            pass
        case MessagePosted():
            raise ValueError("posts are given ids elsewhere")
        case Audited():
            tables.audited.append(fact.record)
        case JobQueued():
            queue(tables, fact)
        case _:
            _change_channel(channel, fact)


def _change_channel(
    channel: ChannelRow,
    fact: ChannelChanged | PrivacyChanged | ChannelClosed | InviteCreated | InviteRevoked,
) -> None:
    match fact:
        case ChannelChanged():
            channel.info = fact.channel
        case PrivacyChanged():
            channel.info = fact.channel
            channel.join_code = fact.join_code
            _revoke_all(channel)
            if fact.join_code is not None:
                invite = Invite(join_code=fact.join_code, expires_at=None, max_uses=None, uses=0)
                channel.invites[fact.join_code] = InviteRow(invite)
        case ChannelClosed():
            channel.is_deleted = True
            channel.join_code = None
            _revoke_all(channel)
        case InviteCreated():
            channel.invites[fact.invite.join_code] = InviteRow(fact.invite)
        case InviteRevoked():
            channel.invites[fact.join_code].is_revoked = True
            if channel.join_code == fact.join_code:
                channel.join_code = None
        case _:
            assert_never(fact)


def _change_message(
    tables: Tables, fact: MessageEdited | MessageDeleted | DeliveryChanged | ReactionChanged
) -> None:
    """Only what the fact is about changes: reactions are rows of their own, so an edit cannot undo them."""
    row = tables.messages[fact.message.id]
    now = fact.message
    changes: dict[str, Any] = {
        "content": now.content,
        "edited_at": now.edited_at,
        "deleted_at": now.deleted_at,
        "updated_at": now.updated_at,
    }
    if isinstance(fact, MessageEdited):
        changes["mentions"] = now.mentions
    elif isinstance(fact, DeliveryChanged):
        changes["delivery"] = now.delivery
    else:
        changes |= {"reactions": now.reactions, "mentions": now.mentions, "attachments": now.attachments}
        changes["delivery"] = now.delivery
    row.message = structs.replace(row.message, **changes)
    row.changed_seq = fact.seq


def _change_member(channel: ChannelRow, fact: MemberJoined | MemberLeft | RoleChanged) -> None:
    user_id = fact.user.id
    match fact:
        case MemberJoined():
            marker = max(channel.read_by(user_id), Seq(fact.seq - 1))
            channel.members[user_id] = Membership(user_id, fact.role, marker, fact.seq, fact.seq, fact.at)
            if fact.invite_code is not None:
                row = channel.invites[fact.invite_code]
                row.invite = structs.replace(row.invite, uses=row.invite.uses + 1)
        case MemberLeft():
            member = channel.members[user_id]
            member.role, member.left_at, member.changed_seq = "member", fact.at, fact.seq
        case RoleChanged():
            member = channel.members[user_id]
            member.role, member.changed_seq = fact.role, fact.seq
            if fact.role == "owner":
                channel.info = structs.replace(channel.info, owner_id=user_id)


def _revoke_all(channel: ChannelRow) -> None:
    for row in channel.invites.values():
        row.is_revoked = True
