"""The caller's own account: profile, password and sessions."""

from msgspec import UNSET, UnsetType, structs

from protocol.errors import Code, Refusal, Refused
from protocol.resources import Session, User
from server.auth import REVOKED
from server.calls import Call
from server.fields import ASessionId, Bio, Email, FullName, In, Password, Phone, Picture, Username
from server.paging import Page, PageQuery, page_of, read_cursor
from server.passwords import password_refusal
from server.phone_numbers import normal_phone
from server.profiles import public_profile
from server.rest.accounts import untaken
from server.routing import Routes

me = Routes("Your account")


class ProfileUpdate(In, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    full_name: FullName | UnsetType | None = UNSET
    bio: Bio | UnsetType | None = UNSET
    picture: Picture | UnsetType | None = UNSET
    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET


class PhoneChange(In, frozen=True, kw_only=True):
    """null takes the number away."""

    phone_number: Phone | None


class PasswordChange(In, frozen=True, kw_only=True):
    current_password: Password
    new_password: Password


@me.get("/auth/me")
async def read_me(call: Call) -> User:
    """Read your account."""
    return await own_account(call)


@me.put("/auth/me", refuses=(Code.TAKEN,))
async def update_me(call: Call, body: ProfileUpdate) -> User:
    """Change your profile; `errors` names the field that is taken."""
    context = call.context
    changes = {name: value for name, value in structs.asdict(body).items() if value is not UNSET}
    if not changes:
        return await own_account(call)
    saved = await context.accounts.update(call.user_id, context.clock.now(), **changes)
    if saved is None:
        raise Refused(REVOKED)
    user = untaken(saved)
    context.chat.profile_changed(public_profile(user))
    return user


@me.put("/auth/me/phone", refuses=(Code.TAKEN,))
async def change_phone(call: Call, body: PhoneChange) -> User:
    """Change your telephone number, which is kept as E.164, or take it away."""
    phone_number = None if body.phone_number is None else normal_phone(body.phone_number)
    context = call.context
    saved = await context.accounts.update(call.user_id, context.clock.now(), phone_number=phone_number)
    if saved is None:
        raise Refused(REVOKED)
    return untaken(saved)


@me.put("/auth/me/password", refuses=(Code.WRONG_PASSWORD, Code.RATE_LIMITED, Code.OVERLOADED))
async def change_password(call: Call, body: PasswordChange) -> User:
    """Change your password; every other session ends."""
    user = await own_account(call)
    try:
        await call.context.logins.prove(call.identity, body.current_password, call.origin)
    finally:
        call.show_login_budget(call.identity.profile.username)
    if refusal := password_refusal(body.new_password, user.username, user.email, field="new_password"):
        raise Refused(refusal)
    hashed = await call.context.hasher.hash(body.new_password)
    await call.context.logins.change_password(call.user_id, hashed, keep=call.caller.session_id)
    return await own_account(call)


@me.get("/auth/sessions")
async def list_sessions(call: Call, query: PageQuery) -> Page[Session]:
    """List your live sessions, newest first."""
    found = await call.context.sessions.list_sessions(
        call.user_id,
        call.context.clock.now(),
        current=call.caller.session_id,
        before=read_cursor(query.cursor, ASessionId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda session: session.id)


@me.delete("/auth/sessions/{session_id}", refuses=(Code.NOT_FOUND,))
async def end_session(call: Call, session_id: ASessionId) -> None:
    """End one of your sessions: its tokens and live sockets stop working at once."""
    if not await call.context.logins.log_out(call.user_id, session_id, "revoked"):
        raise Refused(Refusal(Code.NOT_FOUND, "You have no such session."))


async def own_account(call: Call) -> User:
    """The caller's account. Raises Refused when it was deleted meanwhile."""
    user = await call.context.accounts.find(call.user_id)
    if user is None:
        raise Refused(REVOKED)
    return user
