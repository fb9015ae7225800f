"""Who is in a channel: joining, leaving, removing and roles."""

from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, structs

from actors.channel_commands import JoinChannel, LeaveChannel, LookAt, RemoveMember, SetRole
from protocol.errors import Code, Refused
from protocol.ids import UserId
from protocol.resources import Channel, Member, PublicProfile, Role
from server.calls import Call, told
from server.fields import AChannelId, AUserId, In, JoinCode
from server.paging import Page, PageQuery, page_of, read_cursor
from server.profiles import with_presence
from server.rest.channels import MEMBER_REFUSALS, viewed
from server.rest.users import NO_SUCH_USER
from server.routing import Routes

membership = Routes("Members")


class MemberKey(NamedTuple):
    """Where a page of members ends."""

    joined_at: Annotated[datetime, Meta(tz=True)]
    user_id: AUserId


class Join(In, frozen=True, kw_only=True):
    join_code: JoinCode


class RoleChange(In, frozen=True, kw_only=True):
    role: Role


class OwnRole(Struct, frozen=True):
    role: Role


class MemberRole(Struct, frozen=True):
    user_id: UserId
    role: Role


@membership.get("/channels/{channel_id}/members", refuses=MEMBER_REFUSALS)
async def list_members(call: Call, channel_id: AChannelId, query: PageQuery) -> Page[Member]:
    """List the members, those who joined last first."""
    await call.context.chat.ask(call.identity, channel_id, LookAt())
    found = await call.context.channels.list_members(
        channel_id,
        before=read_cursor(query.cursor, MemberKey),
        skip=query.skip,
        limit=query.size + 1,
    )
    page = page_of(found, query.size, lambda member: MemberKey(member.joined_at, member.user.id))
    seen = [structs.replace(each, user=with_presence(call.context.chat, each.user)) for each in page.items]
    return structs.replace(page, items=seen)


@membership.post("/channels/{channel_id}/join", refuses=(Code.NOT_FOUND, Code.CHANNEL_ARCHIVED))
async def join_channel(call: Call, channel_id: AChannelId) -> Channel:
    """Join a public channel."""
    await call.context.chat.ask(call.identity, channel_id, JoinChannel())
    return await viewed(call, channel_id)


@membership.post("/channels/join", refuses=(Code.NOT_FOUND, Code.GONE, Code.CHANNEL_ARCHIVED))
async def join_by_code(call: Call, body: Join) -> Channel:
    """Join the channel of an invite."""
    done = await call.context.chat.join_by_code(call.identity, body.join_code)
    return await viewed(call, done.channel_id)


@membership.post(
    "/channels/{channel_id}/leave", status=204, refuses=(*MEMBER_REFUSALS, Code.OWNER_MUST_HAND_OVER)
)
async def leave_channel(call: Call, channel_id: AChannelId) -> None:
    """Leave a channel; its owner hands it over first, unless alone: then it closes."""
    await call.context.chat.ask(call.identity, channel_id, LeaveChannel())


@membership.delete("/channels/{channel_id}/members/{user_id}", refuses=MEMBER_REFUSALS)
async def remove_member(call: Call, channel_id: AChannelId, user_id: AUserId) -> None:
    """Remove a member, as somebody above them."""
    command = RemoveMember(member=await _profile(call, user_id))
    await call.context.chat.ask(call.identity, channel_id, command)


@membership.get("/channels/{channel_id}/role", refuses=MEMBER_REFUSALS)
async def read_own_role(call: Call, channel_id: AChannelId) -> OwnRole:
    """Read your role."""
    done = await call.context.chat.ask(call.identity, channel_id, LookAt())
    return OwnRole(told(done.role))


@membership.put("/channels/{channel_id}/roles/{user_id}", refuses=MEMBER_REFUSALS)
async def set_role(call: Call, channel_id: AChannelId, user_id: AUserId, body: RoleChange) -> MemberRole:
    """Give a member another role, as the owner; `owner` hands the channel over."""
    command = SetRole(member=await _profile(call, user_id), role=body.role)
    await call.context.chat.ask(call.identity, channel_id, command)
    return MemberRole(user_id, body.role)


async def _profile(call: Call, user_id: UserId) -> PublicProfile:
    profile = await call.context.accounts.load_profile(user_id)
    if profile is None:
        raise Refused(NO_SUCH_USER)
    return profile
