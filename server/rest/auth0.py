"""Logins by Auth0: making the local account, and what any access token is good for."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from protocol.errors import Code
from protocol.resources import User
from server.auth0 import Profile
from server.calls import Call, told
from server.fields import Email, FullName, In, Picture
from server.rest.me import own_account
from server.routing import Routes

auth0 = Routes("Auth0")


class Sync(In, frozen=True, kw_only=True):
    """What the token does not say of its person."""

    email: Email | None = None
    name: FullName | None = None
    picture: Picture | None = None


class Verified(Struct, frozen=True):
    """A valid access token: who issued it, until when it is good, and whose it is."""

    valid: Literal[True]
    issuer: str
    expires_at: datetime
    user: User


@auth0.post(
    "/auth/sync",
    status=200,
    also=(201,),
    access="auth0",
    refuses=(Code.TAKEN, Code.RATE_LIMITED),
)
async def sync_account(call: Call, body: Sync | None) -> User:
    """Make or update your local account from your Auth0 token.

    What the token says counts for more than the body. The account is found by the token's subject, never by
    an e-mail address.
    """
    given = body or Sync()
    profile = Profile(email=given.email, name=given.name, picture=given.picture)
    accounts = told(call.context.tenant_accounts)
    try:
        synced = await accounts.sync(call.token(), profile, call.origin)
    finally:
        call.show_registration_budget()
    call.status = 201 if synced.is_new else 200
    return synced.user


@auth0.get("/auth/verify")
async def verify_token(call: Call) -> Verified:
    """Whether an access token is valid, of whichever issuer, and whose it is."""
    caller = call.caller
    return Verified(True, caller.issuer, caller.expires_at, await own_account(call))
