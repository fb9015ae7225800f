"""Invites: the codes that let people into a channel."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

from actors.channel_commands import CreateInvite, LookAt, RevokeInvite
from protocol.commands import MAX_INT
from protocol.errors import Code
from protocol.resources import Invite
from server.calls import Call, told
from server.fields import AChannelId, In, JoinCode
from server.join_codes import new_join_code
from server.paging import Page, PageQuery, page_in_memory
from server.rest.channels import MEMBER_REFUSALS
from server.routing import Routes

DAY_S: Final = 86_400
YEAR_S: Final = 365 * DAY_S

invites = Routes("Invites")


class InviteCreate(In, frozen=True, kw_only=True):
    """`expires_in_s` in seconds, null: never; without `max_uses` any number of people may join."""

    expires_in_s: Annotated[int, Meta(ge=1, le=YEAR_S)] | None = DAY_S
    max_uses: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None


@invites.post("/channels/{channel_id}/invite", status=201, refuses=(*MEMBER_REFUSALS, Code.CHANNEL_ARCHIVED))
async def create_invite(call: Call, channel_id: AChannelId, body: InviteCreate | None) -> Invite:
    """Make an invite, as an admin."""
    wish = body or InviteCreate()
    expires_at = None
    if wish.expires_in_s is not None:
        expires_at = call.context.clock.now() + timedelta(seconds=wish.expires_in_s)
    command = CreateInvite(join_code=new_join_code(), expires_at=expires_at, max_uses=wish.max_uses)
    done = await call.context.chat.ask(call.identity, channel_id, command)
    return told(done.invite)


@invites.get("/channels/{channel_id}/invites", refuses=MEMBER_REFUSALS)
async def list_invites(call: Call, channel_id: AChannelId, query: PageQuery) -> Page[Invite]:
    """List the invites that are not revoked, as an admin; newest first."""
    done = await call.context.chat.ask(call.identity, channel_id, LookAt(needs="admin"))
    return page_in_memory(done.invites[::-1], query)


@invites.delete("/channels/{channel_id}/invites/{code}", refuses=MEMBER_REFUSALS)
async def revoke_invite(call: Call, channel_id: AChannelId, code: JoinCode) -> None:
    """Revoke an invite, as an admin."""
    await call.context.chat.ask(call.identity, channel_id, RevokeInvite(join_code=code))
