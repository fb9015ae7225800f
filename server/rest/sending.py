"""What the routes of channels and of direct conversations do alike: sending, editing, reading messages."""

from typing import Annotated, Final, NamedTuple

from msgspec import Meta, structs

from actors.channel_commands import EditMessage, LookAt, MoveMarker, PostMessage, ReadHistory
from protocol.errors import Refused
from protocol.ids import ChannelId, MessageId, Seq
from protocol.resources import Message
from server.calls import Call, told
from server.fields import AFileId, AMessageId, APosition, Content, In, Nonce
from server.paging import LIMIT_MAX, Page, PageQuery, read_cursor, write_cursor

SKIP_MAX: Final = 10_000
HistorySkip = Annotated[
    int,
    Meta(ge=0, le=SKIP_MAX, description="How many to leave out: past this, go on by cursor or by `seq`."),
]


class MessageCreate(In, frozen=True, kw_only=True):
    """`attachments` are files of yours that no message has yet."""

    content: Content
    parent_id: AMessageId | None = None
    nonce: Nonce | None = None
    attachments: Annotated[tuple[AFileId, ...], Meta(max_length=10)] = ()


class MessageUpdate(In, frozen=True, kw_only=True):
    content: Content


class HistoryQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`before` and `after` are a `seq`, exclusive; with `after` the page begins with the oldest."""

    skip: HistorySkip = 0
    before: APosition | None = None
    after: APosition | None = None


class Span(NamedTuple):
    """The part of a history that is still to be read; `after` makes it oldest first."""

    before: APosition | None
    after: APosition | None

    def beyond(self, last: Message) -> "Span":
        """What is left once `last` was read."""
        return Span(self.before, last.seq) if self.after is not None else Span(last.seq, None)


async def post(call: Call, channel_id: ChannelId, body: MessageCreate) -> Message:
    """Send a message; a repeat answers the first one, with 200. Raises Refused."""
    nonce = call.nonce(body.nonce)
    files = await call.context.chat.find_attachments(call.identity, body.attachments, nonce)
    command = PostMessage(content=body.content, nonce=nonce, parent_id=body.parent_id, attachments=files)
    done = await call.context.chat.ask(call.identity, channel_id, command)
    message = told(done.message)
    if not done.duplicate:
        return message
    call.status = 200
    return await _as_seen(call, message)


async def _as_seen(call: Call, first: Message) -> Message:
    """What was sent before, without what others have done to it if its sender has left the channel since."""
    try:
        await call.context.chat.ask(call.identity, first.channel_id, LookAt())
    except Refused:
        return structs.replace(first, reactions=())
    return first


async def edit(call: Call, channel_id: ChannelId, message_id: MessageId, body: MessageUpdate) -> Message:
    command = EditMessage(message_id=message_id, content=body.content)
    done = await call.context.chat.ask(call.identity, channel_id, command)
    return told(done.message)


async def history_page(call: Call, channel_id: ChannelId, query: HistoryQuery) -> Page[Message]:
    """A page of messages. Its cursor goes on in the same direction. Raises Refused."""
    span = read_cursor(query.cursor, Span) or Span(query.before, query.after)
    to_skip = query.skip
    while to_skip > 0:
        skipped = await _read(call, channel_id, span, min(to_skip, LIMIT_MAX))
        if skipped.next is None:
            return Page([], None)
        span, to_skip = span.beyond(skipped.items[-1]), to_skip - len(skipped.items)
    return await _read(call, channel_id, span, query.size)


async def _read(call: Call, channel_id: ChannelId, span: Span, limit: int) -> Page[Message]:
    command = ReadHistory(before=span.before, after=span.after, limit=limit)
    done = await call.context.chat.ask(call.identity, channel_id, command)
    page = told(done.history)
    messages = list(page.messages)
    return Page(messages, write_cursor(span.beyond(messages[-1])) if page.more else None)


async def mark_read(call: Call, channel_id: ChannelId, seq: Seq) -> Seq:
    """Move the caller's marker there, never back; where it then stands. Raises Refused."""
    done = await call.context.chat.ask(call.identity, channel_id, MoveMarker(seq=seq))
    return told(done.read_seq)
