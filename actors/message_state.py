"""What may become of one message: pure, beside `channel_state.py`, which knows the channel that it is in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import UNSET, structs

from actors import permissions
from actors.channel_commands import (
    BeginDelivery,
    DeleteMessage,
    EditMessage,
    Identity,
    MoveDelivery,
    OnMessage,
    ReactTo,
)
from actors.channel_state import ChannelState, Decision, may_read, may_write, next_seq
from actors.deliveries import decide_begin, decide_move
from actors.mentions import find_mentions
from actors.permissions import NO_MESSAGE, NOT_THE_AUTHOR
from protocol.errors import Code, Refusal
from protocol.facts import MessageDeleted, MessageEdited, MessagePosted, ReactionChanged
from protocol.ids import ChannelId, MessageId, UserId
from protocol.resources import Message, Reaction

DELETED = Refusal(Code.CONFLICT, "The message was deleted.")


def decide_edit(
    state: ChannelState, by: Identity, command: EditMessage, message: Message, now: datetime
) -> Decision:
    if refusal := may_write(state, by):
        return refusal
    if message.sender_id != by.user_id:
        return NOT_THE_AUTHOR
    if message.deleted_at is not None:
        return DELETED
    if message.content == command.content:
        return []
    edited = structs.replace(
        message,
        content=command.content,
        mentions=find_mentions(command.content, state.names) if "@" in command.content else (),
        edited_at=now,
        updated_at=now,
    )
    return [MessageEdited(at=now, seq=next_seq(state), message=edited, previous=message.content)]


def decide_delete(
    state: ChannelState, by: Identity, _: DeleteMessage, message: Message, now: datetime
) -> Decision:
    if refusal := may_write(state, by):
        return refusal
    is_author = message.sender_id == by.user_id
    role = state.members[by.user_id].role
    if not permissions.may_delete(role, is_author=is_author, is_direct=state.is_direct):
        return NOT_THE_AUTHOR
    if message.deleted_at is not None:
        return []
    deleted = structs.replace(
        message,
        content=None,
        reactions=(),
        attachments=(),
        mentions=(),
        delivery=None,
        deleted_at=now,
        updated_at=now,
    )
    return [MessageDeleted(at=now, seq=next_seq(state), message=deleted)]


def decide_reaction(
    state: ChannelState, by: Identity, command: ReactTo, message: Message, now: datetime
) -> Decision:
    if refusal := may_write(state, by):
        return refusal
    if message.deleted_at is not None:
        return DELETED
    reaction = find_reaction(message, command)
    if (by.user_id in reaction.user_ids) == command.added:
        return []
    changed = toggled(reaction, by.user_id)
    message = structs.replace(message, reactions=with_reaction(message.reactions, changed))
    return [
        ReactionChanged(
            at=now,
            seq=next_seq(state),
            message=message,
            user_id=by.user_id,
            reaction_id=command.reaction_id,
            code=command.code,
            added=command.added,
            count=changed.count,
        )
    ]


DecideOn = Callable[[ChannelState, Identity, Any, Message, datetime], Decision]

MESSAGE_DECIDERS: dict[type[OnMessage], DecideOn] = {
    EditMessage: decide_edit,
    DeleteMessage: decide_delete,
    ReactTo: decide_reaction,
    BeginDelivery: decide_begin,
    MoveDelivery: decide_move,
}


def may_see(state: ChannelState, by: Identity, message: Message | None) -> Refusal | None:
    """Whether somebody may see this message; an absent one is refused like a channel that hides."""
    return may_read(state, by) or (NO_MESSAGE if message is None else None)


def posted(channel_id: ChannelId, fact: MessagePosted, message_id: MessageId) -> Message:
    """The message that a fact became when the commit gave it an id."""
    at, sender_id = fact.at, fact.sender_id
    message = Message(
        id=message_id,
        channel_id=channel_id,
        conversation_id=fact.conversation_id,
        seq=fact.seq,
        sender_id=sender_id,
        user_id=sender_id,
        content=fact.content,
        parent_id=fact.parent_id,
        mentions=fact.mentions,
        attachments=fact.attachments,
        via=fact.via,
        nonce=UNSET if fact.nonce is None else fact.nonce,
        created_at=at,
        updated_at=at,
    )
    if fact.recipient_id is not None:
        message = structs.replace(message, recipient_id=fact.recipient_id, is_read=False)
    if fact.stream_id is not None:
        message = structs.replace(message, stream_id=fact.stream_id)
    return message


def find_reaction(message: Message, command: ReactTo) -> Reaction:
    empty = Reaction(command.reaction_id, command.code, command.image_url, 0, ())
    return next((reaction for reaction in message.reactions if reaction.code == command.code), empty)


def toggled(reaction: Reaction, user_id: UserId) -> Reaction:
    if user_id in reaction.user_ids:
        user_ids = tuple(other for other in reaction.user_ids if other != user_id)
    else:
        user_ids = (*reaction.user_ids, user_id)
    return structs.replace(reaction, count=len(user_ids), user_ids=user_ids)


def with_reaction(reactions: tuple[Reaction, ...], changed: Reaction) -> tuple[Reaction, ...]:
    """The reactions with one of them as it is now: in its place, at the end if new, gone if nobody's."""
    if all(reaction.code != changed.code for reaction in reactions):
        return (*reactions, changed)
    replaced = (changed if reaction.code == changed.code else reaction for reaction in reactions)
    return tuple(reaction for reaction in replaced if reaction.count)
