"""Making accounts, coming in and going out."""

from typing import Final

from protocol.errors import Code, Refusal, Refused
from protocol.resources import User
from server.calls import Call
from server.fields import Email, FullName, In, Login, Password, Phone, Username
from server.logins import LOG, AuthResponse
from server.passwords import password_refusal
from server.phone_numbers import normal_phone
from server.routing import Routes
from storage.accounts import NewUser, TakenField

accounts = Routes("Accounts")

TAKEN: Final = {
    "username": "This user name is taken. Choose another.",
    "email": "There is an account with this e-mail address already.",
    "phone_number": "Another account has this phone number.",
}


class Registration(In, frozen=True, kw_only=True):
    username: Username
    email: Email
    password: Password
    full_name: FullName | None = None
    phone_number: Phone | None = None


class Credentials(In, frozen=True, kw_only=True):
    username: Login
    password: Password


class Refresh(In, frozen=True, kw_only=True):
    refresh_token: Password


@accounts.post(
    "/auth/register",
    status=201,
    access="anyone",
    refuses=(Code.FORBIDDEN, Code.TAKEN, Code.RATE_LIMITED, Code.OVERLOADED),
)
async def register(call: Call, body: Registration) -> User:
    """Make an account; `errors` names the field that is taken."""
    context = call.context
    if not context.settings.registration_open:
        raise Refused(Refusal(Code.FORBIDDEN, "Registration is closed. Ask an administrator for an account."))
    if refusal := password_refusal(body.password, body.username, body.email):
        raise Refused(refusal)
    phone_number = normal_phone(body.phone_number) if body.phone_number else None
    try:
        context.throttles.register(call.origin.address, context.clock.monotonic())
    finally:
        call.show_registration_budget()
    new = NewUser(
        username=body.username,
        email=body.email,
        hashed_password=await context.hasher.hash(body.password),
        full_name=body.full_name,
        phone_number=phone_number,
    )
    user = untaken(await context.accounts.create(new, context.clock.now()))
    LOG.info("registered", extra={"user_id": user.id, "address": call.origin.address})
    return user


@accounts.post(
    "/auth/login",
    access="anyone",
    refuses=(Code.WRONG_PASSWORD, Code.ACCOUNT_DISABLED, Code.RATE_LIMITED, Code.OVERLOADED),
)
async def log_in(call: Call, body: Credentials) -> AuthResponse:
    """Open a session; `username` may be the e-mail address."""
    try:
        return await call.context.logins.log_in(body.username, body.password, call.origin)
    finally:
        call.show_login_budget(body.username)


@accounts.post(
    "/auth/refresh",
    access="anyone",
    refuses=(
        Code.UNAUTHENTICATED,
        Code.TOKEN_EXPIRED,
        Code.TOKEN_REVOKED,
        Code.TOKEN_REUSED,
        Code.ACCOUNT_DISABLED,
        Code.RATE_LIMITED,
    ),
)
async def refresh(call: Call, body: Refresh) -> AuthResponse:
    """Take a refresh token for a new pair; using one twice ends its session."""
    try:
        return await call.context.logins.refresh(body.refresh_token, call.origin)
    finally:
        call.show_refresh_budget()


@accounts.post("/auth/logout", status=204)
async def log_out(call: Call) -> None:
    """End this session: its tokens and live sockets stop working at once."""
    await call.context.logins.log_out(call.user_id, call.caller.session_id, "logged_out")


@accounts.post("/auth/logout-all", status=204)
async def log_out_everywhere(call: Call) -> None:
    """End all your sessions."""
    await call.context.logins.log_out_everywhere(call.user_id)


def untaken(saved: User | TakenField) -> User:
    """The saved user. Raises Refused `taken`, naming the field."""
    if isinstance(saved, TakenField):
        raise Refused(Refusal(Code.TAKEN, TAKEN[saved.field], field=saved.field))
    return saved
