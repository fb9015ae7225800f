"""Direct channels as conversations with one other person."""

from typing import Annotated

from msgspec import Meta, structs

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from protocol.ids import ChannelId, Seq
from protocol.resources import Conversation, Message
from server.calls import Call
from server.fields import AMessageId
from server.paging import Page, PageQuery, page_of, read_cursor
from server.profiles import with_presence
from server.rest.channel_messages import Marker
from server.rest.sending import HistoryQuery, MessageCreate, history_page, mark_read, post
from server.routing import Routes

conversations = Routes("Conversations")

ConversationId = Annotated[str, Meta(min_length=1, max_length=100, examples=["direct:3:7"])]
ALL = Seq(MAX_INT)


@conversations.get("/auth/conversations")
async def list_conversations(call: Call, query: PageQuery) -> Page[Conversation]:
    """List your conversations, the latest first."""
    found = await call.context.conversations.list_conversations(
        call.user_id,
        before=read_cursor(query.cursor, AMessageId),
        skip=query.skip,
        limit=query.size + 1,
    )
    page = page_of(found, query.size, _last_id)
    seen = [structs.replace(each, user=with_presence(call.context.chat, each.user)) for each in page.items]
    return structs.replace(page, items=seen)


@conversations.get("/auth/conversations/{conversation_id}/messages", refuses=(Code.NOT_FOUND,))
async def list_conversation_messages(
    call: Call, conversation_id: ConversationId, query: HistoryQuery
) -> Page[Message]:
    """Read messages, newest first; with `after`, oldest first."""
    return await history_page(call, await _channel(call, conversation_id), query)


@conversations.post(
    "/auth/conversations/{conversation_id}/messages",
    status=201,
    also=(200,),
    refuses=(Code.NOT_FOUND, Code.CHANNEL_ARCHIVED, Code.OVERLOADED),
    spends_budget=True,
)
async def send_conversation_message(
    call: Call, conversation_id: ConversationId, body: MessageCreate
) -> Message:
    """Send a message; with a nonce that was used before, 200 and the first message."""
    return await post(call, await _channel(call, conversation_id), body)


@conversations.put("/auth/conversations/{conversation_id}/read", refuses=(Code.NOT_FOUND, Code.OVERLOADED))
async def mark_conversation_read(call: Call, conversation_id: ConversationId) -> Marker:
    """Say that you have read everything in a conversation."""
    channel_id = await _channel(call, conversation_id)
    return Marker(channel_id, await mark_read(call, channel_id, ALL))


def _last_id(conversation: Conversation) -> int:
    return conversation.last_message.id if conversation.last_message else 0


async def _channel(call: Call, conversation_id: str) -> ChannelId:
    channel_id = await call.context.conversations.find(call.user_id, conversation_id)
    if channel_id is None:
        raise Refused(Refusal(Code.NOT_FOUND, "You have no such conversation."))
    return channel_id
