"""People, as others see them."""

from protocol.errors import Code, Refusal, Refused
from protocol.resources import PublicProfile, User
from server.calls import Call
from server.fields import AUserId
from server.paging import Page, SearchQuery, page_of, read_cursor
from server.profiles import with_presence
from server.rest.me import own_account
from server.routing import Routes

users = Routes("Users")

NO_SUCH_USER = Refusal(Code.NOT_FOUND, "There is no such user.")


@users.get("/users/me")
async def read_own_user(call: Call) -> User:
    """Read your account."""
    return await own_account(call)


@users.get("/users/")
async def list_users(call: Call, query: SearchQuery) -> Page[PublicProfile]:
    """List people, newest first; `q` finds those whose name begins with it."""
    found = await call.context.accounts.list_profiles(
        q=query.q, before=read_cursor(query.cursor, AUserId), skip=query.skip, limit=query.size + 1
    )
    profiles = [with_presence(call.context.chat, profile) for profile in found]
    return page_of(profiles, query.size, lambda profile: profile.id)


@users.get("/users/{user_id}", refuses=(Code.NOT_FOUND,))
async def read_user(call: Call, user_id: AUserId) -> PublicProfile:
    """Read one profile."""
    profile = await call.context.accounts.load_profile(user_id)
    if profile is None:
        raise Refused(NO_SUCH_USER)
    return with_presence(call.context.chat, profile)
