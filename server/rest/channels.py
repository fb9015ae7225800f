"""Channels: creating, finding, changing and closing them."""

from typing import Final

from msgspec import UNSET, UnsetType

from actors.channel_commands import ChangeChannel, CloseChannel, LookAt, SetPrivacy
from protocol.errors import Code, Refusal, Refused
from protocol.facts import Taken
from protocol.ids import ChannelId
from protocol.resources import Channel
from server.calls import Call
from server.fields import AChannelId, ChannelName, Description, In
from server.join_codes import new_join_code
from server.paging import Page, PageQuery, SearchQuery, page_of, read_cursor
from server.routing import Routes
from storage.channels import NewChannel

channels = Routes("Channels")

MEMBER_REFUSALS: Final = (Code.NOT_FOUND, Code.FORBIDDEN, Code.OVERLOADED)


class ChannelCreate(In, frozen=True, kw_only=True):
    name: ChannelName
    description: Description | None = None
    is_private: bool = False


class ChannelUpdate(In, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    name: ChannelName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET


class Privacy(In, frozen=True, kw_only=True):
    is_private: bool


async def viewed(call: Call, channel_id: ChannelId) -> Channel:
    """The channel as the caller sees it now. Raises Refused."""
    channel = await call.context.channels.view_channel(channel_id, call.user_id)
    if channel is None:
        raise Refused(Refusal(Code.NOT_FOUND, "There is no such channel, or you cannot see it."))
    return channel


@channels.post("/channels/", status=201, refuses=(Code.TAKEN,))
async def create_channel(call: Call, body: ChannelCreate) -> Channel:
    """Create a channel and own it; names are unique without case."""
    new = NewChannel(
        owner_id=call.user_id,
        name=body.name,
        description=body.description,
        join_code=new_join_code() if body.is_private else None,
    )
    channel = await call.context.channels.create(new)
    if isinstance(channel, Taken):
        raise Refused(Refusal(Code.TAKEN, "Another channel has this name. Choose another.", field="name"))
    call.context.chat.channel_opened(call.identity, channel)
    return channel


@channels.get("/channels/")
async def list_public_channels(call: Call, query: SearchQuery) -> Page[Channel]:
    """Discover public channels, newest first; `q` finds those whose name begins with it."""
    found = await call.context.channels.list_public(
        call.user_id,
        q=query.q,
        before=read_cursor(query.cursor, AChannelId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda channel: channel.id)


@channels.get("/channels/me")
async def list_my_channels(call: Call, query: PageQuery) -> Page[Channel]:
    """List your own channels with unread counts, newest first."""
    found = await call.context.channels.list_own(
        call.user_id,
        before=read_cursor(query.cursor, AChannelId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda channel: channel.id)


@channels.get("/channels/{channel_id}", refuses=(Code.NOT_FOUND,))
async def read_channel(call: Call, channel_id: AChannelId) -> Channel:
    """Read one channel: a public one, or one of your own."""
    await call.context.chat.ask(call.identity, channel_id, LookAt(needs=None))
    return await viewed(call, channel_id)


@channels.put("/channels/{channel_id}", refuses=(*MEMBER_REFUSALS, Code.TAKEN, Code.CHANNEL_ARCHIVED))
async def update_channel(call: Call, channel_id: AChannelId, body: ChannelUpdate) -> Channel:
    """Rename, describe or archive a channel, as one of its admins."""
    command = ChangeChannel(name=body.name, description=body.description, is_archived=body.is_archived)
    await call.context.chat.ask(call.identity, channel_id, command)
    return await viewed(call, channel_id)


@channels.delete("/channels/{channel_id}", refuses=MEMBER_REFUSALS)
async def close_channel(call: Call, channel_id: AChannelId) -> None:
    """Close a channel for everyone, as its owner or a superuser; its history is removed."""
    await call.context.chat.ask(call.identity, channel_id, CloseChannel())


@channels.put("/channels/{channel_id}/privacy", refuses=(*MEMBER_REFUSALS, Code.CHANNEL_ARCHIVED))
async def set_privacy(call: Call, channel_id: AChannelId, body: Privacy) -> Channel:
    """Make a channel private or public, as its owner; going private makes a new join code."""
    command = SetPrivacy(is_private=body.is_private, join_code=new_join_code())
    await call.context.chat.ask(call.identity, channel_id, command)
    return await viewed(call, channel_id)
