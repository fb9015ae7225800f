"""Direct messages across conversations: those one sent and those one received."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from actors.channel_commands import DeleteMessage
from protocol.errors import Code, Refusal, Refused
from protocol.resources import Message
from server.calls import Call
from server.fields import AMessageId, AUserId
from server.paging import Page, PageQuery, page_of, read_cursor
from server.rest.sending import MessageCreate, MessageUpdate, edit, mark_read, post
from server.routing import Routes
from storage.conversations import Box

messages = Routes("Direct messages")

MARKED_AT_ONCE: Final = 100
NO_MESSAGE: Final = Refusal(Code.NOT_FOUND, "There is no such direct message of yours.")


class DirectCreate(MessageCreate, frozen=True, kw_only=True):
    recipient_id: AUserId


class BoxQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unread`: only what was received and is not read yet; `with`: only between you and this user."""

    unread: bool = False
    with_: AUserId | None = field(name="with", default=None)


class Unread(Struct, frozen=True):
    """How much is unread; `by_conversation` leaves out those where nothing is."""

    count: int
    by_conversation: dict[str, int]


@messages.get("/messages")
async def list_messages(call: Call, query: BoxQuery) -> Page[Message]:
    """Read your direct messages, newest first."""
    return await _box(call, query, "all")


@messages.get("/messages/sent")
async def list_sent_messages(call: Call, query: BoxQuery) -> Page[Message]:
    """Read the direct messages that you sent, newest first."""
    return await _box(call, query, "sent")


@messages.get("/messages/received")
async def list_received_messages(call: Call, query: BoxQuery) -> Page[Message]:
    """Read the direct messages that you received, newest first."""
    return await _box(call, query, "received")


@messages.post(
    "/messages",
    status=201,
    also=(200,),
    refuses=(Code.NOT_FOUND, Code.CHANNEL_ARCHIVED, Code.OVERLOADED),
    spends_budget=True,
)
async def send_message(call: Call, body: DirectCreate) -> Message:
    """Write to somebody; with a nonce that was used before, 200 and the first message."""
    channel_id = await call.context.chat.direct(call.identity, body.recipient_id)
    return await post(call, channel_id, body)


@messages.get("/messages/unread/count")
async def count_unread_messages(call: Call) -> Unread:
    """Count your unread direct messages."""
    counts = await call.context.conversations.count_unread(call.user_id)
    return Unread(sum(counts.values()), counts)


@messages.put("/messages/read-all", refuses=(Code.OVERLOADED,))
async def mark_all_messages_read(call: Call) -> Unread:
    """Say that you have read everything."""
    unread = await call.context.conversations.list_unread(call.user_id)
    for start in range(0, len(unread), MARKED_AT_ONCE):
        together = unread[start : start + MARKED_AT_ONCE]
        await asyncio.gather(*(mark_read(call, channel_id, last_seq) for channel_id, last_seq in together))
    return Unread(0, {})


@messages.get("/messages/{message_id}", refuses=(Code.NOT_FOUND,))
async def read_message(call: Call, message_id: AMessageId) -> Message:
    """Read one direct message, as its sender or recipient."""
    return await _own_message(call, message_id)


@messages.put(
    "/messages/{message_id}",
    refuses=(Code.NOT_FOUND, Code.FORBIDDEN, Code.CHANNEL_ARCHIVED, Code.OVERLOADED),
    spends_budget=True,
)
async def edit_message(call: Call, message_id: AMessageId, body: MessageUpdate) -> Message:
    """Edit a direct message of your own; its earlier text is kept."""
    message = await _own_message(call, message_id)
    return await edit(call, message.channel_id, message_id, body)


@messages.delete(
    "/messages/{message_id}",
    refuses=(Code.NOT_FOUND, Code.FORBIDDEN, Code.CHANNEL_ARCHIVED, Code.OVERLOADED),
    spends_budget=True,
)
async def delete_message(call: Call, message_id: AMessageId) -> None:
    """Delete a direct message of your own; its place stays, without text."""
    message = await _own_message(call, message_id)
    await call.context.chat.ask(call.identity, message.channel_id, DeleteMessage(message_id=message_id))


@messages.put("/messages/{message_id}/read", refuses=(Code.NOT_FOUND, Code.FORBIDDEN, Code.OVERLOADED))
async def mark_message_read(call: Call, message_id: AMessageId) -> Message:
    """Say that you have read a message that you received, and all before it."""
    message = await _own_message(call, message_id)
    if message.sender_id == call.user_id:
        raise Refused(Refusal(Code.FORBIDDEN, "Only its recipient marks a message as read."))
    await mark_read(call, message.channel_id, message.seq)
    return await _own_message(call, message_id)


async def _box(call: Call, query: BoxQuery, box: Box) -> Page[Message]:
    found: Sequence[Message] = await call.context.conversations.list_messages(
        call.user_id,
        box=box,
        unread=query.unread,
        peer_id=query.with_,
        before=read_cursor(query.cursor, AMessageId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda message: message.id)


async def _own_message(call: Call, message_id: AMessageId) -> Message:
    message = await call.context.conversations.find_message(call.user_id, message_id)
    if message is None:
        raise Refused(NO_MESSAGE)
    return message
