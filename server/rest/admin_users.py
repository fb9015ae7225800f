"""Users as superusers manage them."""

from typing import Annotated, Final

from msgspec import Meta

from protocol.errors import Code, Refusal, Refused
from protocol.resources import User
from server.calls import Call
from server.departures import see_off
from server.fields import AUserId, Email, FullName, In, Password, Phone, Username
from server.logins import LOG
from server.paging import Page, PageQuery, page_of, read_cursor
from server.passwords import password_refusal
from server.phone_numbers import normal_phone
from server.rest.accounts import untaken
from server.rest.users import NO_SUCH_USER
from server.routing import Routes
from storage.accounts import NewUser
from storage.administration import BotSuperuser, LastSuperuser

admin_users = Routes("Administration")

LAST_SUPERUSER: Final = Refusal(
    Code.LAST_SUPERUSER, "This is the last superuser who can log in. Make somebody else one first."
)
BOT_SUPERUSER: Final = Refusal(Code.CONFLICT, "A bot cannot log in: make a person superuser instead.")


class UserQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`q` is a part of the user name, the full name, the e-mail address or the telephone number."""

    q: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    is_active: bool | None = None


class UserCreate(In, frozen=True, kw_only=True):
    username: Username
    email: Email
    password: Password
    full_name: FullName | None = None
    phone_number: Phone | None = None
    is_superuser: bool = False


class SuperuserChange(In, frozen=True, kw_only=True):
    is_superuser: bool


@admin_users.get("/auth/users", access="superuser")
async def list_accounts(call: Call, query: UserQuery) -> Page[User]:
    """List the accounts, newest first."""
    found = await call.context.accounts.list_users(
        q=query.q,
        is_active=query.is_active,
        before=read_cursor(query.cursor, AUserId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda user: user.id)


@admin_users.post("/auth/users", access="superuser", status=201, refuses=(Code.TAKEN, Code.OVERLOADED))
async def create_account(call: Call, body: UserCreate) -> User:
    """Make an account for somebody; `errors` names the field that is taken."""
    if refusal := password_refusal(body.password, body.username, body.email):
        raise Refused(refusal)
    new = NewUser(
        username=body.username,
        email=body.email,
        hashed_password=await call.context.hasher.hash(body.password),
        full_name=body.full_name,
        phone_number=normal_phone(body.phone_number) if body.phone_number else None,
        is_superuser=body.is_superuser,
    )
    user = untaken(await call.context.accounts.create(new, call.context.clock.now(), call.doer))
    LOG.info("made an account", extra={"user_id": user.id, "by": call.user_id})
    return user


@admin_users.get("/auth/users/{user_id}", access="superuser", refuses=(Code.NOT_FOUND,))
async def read_account(call: Call, user_id: AUserId) -> User:
    """Read an account."""
    return spared(await call.context.accounts.find(user_id))


@admin_users.delete(
    "/auth/users/{user_id}", access="superuser", refuses=(Code.NOT_FOUND, Code.LAST_SUPERUSER)
)
async def delete_account(call: Call, user_id: AUserId) -> None:
    """Delete a user for good: nothing personal is left, the names are free, and their channels pass on.

    What they wrote stays, by a deleted user. An owned channel goes to its oldest admin, or else its oldest
    member, or else it closes; a conversation with them is archived.
    """
    context = call.context
    deleted = await context.accounts.delete(user_id, context.clock.now(), call.doer)
    if deleted is None:
        raise Refused(NO_SUCH_USER)
    if isinstance(deleted, LastSuperuser):
        raise Refused(LAST_SUPERUSER)
    LOG.info("deleted a user", extra={"user_id": user_id, "by": call.user_id})
    context.chat.end_sessions(user_id, "deleted")
    context.chat.profile_changed(deleted)
    await see_off(context.chat, context.departures, deleted)


@admin_users.put(
    "/auth/users/{user_id}/disable", access="superuser", refuses=(Code.NOT_FOUND, Code.LAST_SUPERUSER)
)
async def disable_account(call: Call, user_id: AUserId) -> User:
    """Let a user in no more; their sessions and live sockets end at once."""
    context = call.context
    user = spared(await context.accounts.disable(user_id, context.clock.now(), call.doer))
    context.chat.end_sessions(user_id, "disabled")
    LOG.info("disabled a user", extra={"user_id": user_id, "by": call.user_id})
    return user


@admin_users.put("/auth/users/{user_id}/enable", access="superuser", refuses=(Code.NOT_FOUND,))
async def enable_account(call: Call, user_id: AUserId) -> User:
    """Let a user in again."""
    context = call.context
    user = spared(await context.accounts.enable(user_id, context.clock.now(), call.doer))
    LOG.info("enabled a user", extra={"user_id": user_id, "by": call.user_id})
    return user


@admin_users.put(
    "/auth/users/{user_id}/superuser",
    access="superuser",
    refuses=(Code.NOT_FOUND, Code.LAST_SUPERUSER, Code.CONFLICT),
)
async def set_superuser(call: Call, user_id: AUserId, body: SuperuserChange | None) -> User:
    """Make a user superuser, or no longer one; without a body, whichever they are not."""
    context = call.context
    wanted = None if body is None else body.is_superuser
    changed = await context.accounts.set_superuser(
        user_id, context.clock.now(), call.doer, is_superuser=wanted
    )
    if isinstance(changed, BotSuperuser):
        raise Refused(BOT_SUPERUSER)
    user = spared(changed)
    LOG.info("set superuser", extra={"user_id": user_id, "to": user.is_superuser, "by": call.user_id})
    return user


def spared(changed: User | LastSuperuser | None) -> User:
    """The user as they are now. Raises Refused when there is none, or nobody else could manage users."""
    if changed is None:
        raise Refused(NO_SUCH_USER)
    if isinstance(changed, LastSuperuser):
        raise Refused(LAST_SUPERUSER)
    return changed
