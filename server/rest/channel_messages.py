"""The messages of one channel: reading, sending, editing and deleting them, and how far they are read."""

from typing import Final

from msgspec import Struct

from actors.channel_commands import DeleteMessage, ReadChanges, ReadMessage
from protocol.errors import Code
from protocol.events import Reset, SyncPage
from protocol.ids import ChannelId, Seq
from protocol.resources import Edit, Message
from server.calls import Call
from server.fields import AChannelId, AMessageId, APosition, In
from server.paging import (
    LIMIT_MAX,
    Limit,
    Page,
    PageQuery,
    page_by_offset,
    page_of,
    read_cursor,
    read_offset,
)
from server.rest.channels import MEMBER_REFUSALS
from server.rest.sending import (
    HistoryQuery,
    MessageCreate,
    MessageUpdate,
    edit,
    history_page,
    mark_read,
    post,
)
from server.routing import Routes

WRITE_REFUSALS: Final = (*MEMBER_REFUSALS, Code.CHANNEL_ARCHIVED)

channel_messages = Routes("Messages of a channel")


class ReadUpTo(In, frozen=True, kw_only=True):
    """The `seq` of the last message that was read; past the end means all."""

    seq: APosition


class Marker(Struct, frozen=True):
    """How far the caller has read."""

    channel_id: ChannelId
    read_seq: Seq


class ChangesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` is the last `seq` that the client has applied; `epoch` is the one it comes from, if known."""

    after: APosition = Seq(0)
    limit: Limit = LIMIT_MAX
    epoch: str | None = None


@channel_messages.get("/channels/{channel_id}/messages", refuses=MEMBER_REFUSALS)
async def list_channel_messages(call: Call, channel_id: AChannelId, query: HistoryQuery) -> Page[Message]:
    """Read messages, newest first; with `after`, oldest first."""
    return await history_page(call, channel_id, query)


@channel_messages.post(
    "/channels/{channel_id}/messages", status=201, also=(200,), refuses=WRITE_REFUSALS, spends_budget=True
)
async def send_channel_message(call: Call, channel_id: AChannelId, body: MessageCreate) -> Message:
    """Send a message; with a nonce that was used before, 200 and the first message."""
    return await post(call, channel_id, body)


@channel_messages.put(
    "/channels/{channel_id}/messages/{message_id}", refuses=WRITE_REFUSALS, spends_budget=True
)
async def edit_channel_message(
    call: Call, channel_id: AChannelId, message_id: AMessageId, body: MessageUpdate
) -> Message:
    """Edit a message of your own; its earlier text is kept."""
    return await edit(call, channel_id, message_id, body)


@channel_messages.delete(
    "/channels/{channel_id}/messages/{message_id}", refuses=WRITE_REFUSALS, spends_budget=True
)
async def delete_channel_message(call: Call, channel_id: AChannelId, message_id: AMessageId) -> None:
    """Delete a message, as its author or an admin; its place stays, without text."""
    await call.context.chat.ask(call.identity, channel_id, DeleteMessage(message_id=message_id))


@channel_messages.get("/channels/{channel_id}/messages/{message_id}/replies", refuses=MEMBER_REFUSALS)
async def list_replies(
    call: Call, channel_id: AChannelId, message_id: AMessageId, query: PageQuery
) -> Page[Message]:
    """Read the thread under a message, newest first."""
    await call.context.chat.ask(call.identity, channel_id, ReadMessage(message_id=message_id))
    found = await call.context.messages.replies(
        message_id, before=read_cursor(query.cursor, APosition), skip=query.skip, limit=query.size + 1
    )
    return page_of(found, query.size, lambda reply: reply.seq)


@channel_messages.get("/channels/{channel_id}/messages/{message_id}/history", refuses=MEMBER_REFUSALS)
async def list_edits(
    call: Call, channel_id: AChannelId, message_id: AMessageId, query: PageQuery
) -> Page[Edit]:
    """Read the earlier texts of a message, newest first; a deleted message has none."""
    await call.context.chat.ask(call.identity, channel_id, ReadMessage(message_id=message_id))
    start = read_offset(query)
    found = await call.context.messages.edits(message_id, skip=start, limit=query.size + 1)
    return page_by_offset(found, query.size, start)


@channel_messages.put("/channels/{channel_id}/read", refuses=MEMBER_REFUSALS)
async def mark_channel_read(call: Call, channel_id: AChannelId, body: ReadUpTo) -> Marker:
    """Say how far you have read; the marker never goes back."""
    return Marker(channel_id, await mark_read(call, channel_id, body.seq))


@channel_messages.get("/channels/{channel_id}/changes", refuses=MEMBER_REFUSALS)
async def read_changes(call: Call, channel_id: AChannelId, query: ChangesQuery) -> SyncPage | Reset:
    """Read what changed after a `seq`, as it is now: the resume feed of the socket.

    `reset` says that the cursor is from another life of the database: forget the channel and start from 0.
    """
    command = ReadChanges(after=query.after, limit=min(query.limit, LIMIT_MAX))
    done = await call.context.chat.ask(call.identity, channel_id, command)
    is_foreign = query.epoch not in (None, call.context.chat.epoch)
    if done.reset or is_foreign or done.sync is None:
        return Reset(channel_id=channel_id)
    return done.sync
