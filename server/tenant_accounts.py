"""What `/auth/sync` does: the local account of somebody whom the tenant has logged in."""

import logging
import re
import secrets
from datetime import datetime
from typing import Final

from msgspec import Struct

from actors.chat import Chat
from actors.ports import Clock
from protocol.errors import Code, Refusal, Refused
from protocol.ids import UserId
from protocol.resources import User
from server.auth import NOT_ADMITTED, REVOKED
from server.auth0 import Profile, TenantAccess, TenantGrant
from server.logins import Origin
from server.profiles import public_profile
from server.throttles import Throttles
from storage.accounts import Accounts, TakenField
from storage.tenant_sessions import Admitted
from storage.tenant_users import NewTenantUser, TenantUsers

LOG: Final = logging.getLogger("auth")
NAME_MAX_CHARS: Final = 80
"""Of a name made from what the tenant says: a number still fits behind it."""
NUMBERED: Final = range(2, 10)
UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Synced(Struct, frozen=True):
    """The account, and whether it was made just now."""

    user: User
    is_new: bool


class TenantAccounts:
    """Local accounts of the tenant's people. A subject has one, for as long as it is not deleted."""

    def __init__(
        self,
        access: TenantAccess,
        users: TenantUsers,
        accounts: Accounts,
        throttles: Throttles,
        chat: Chat,
        clock: Clock,
    ) -> None:
        self._access = access
        self._users = users
        self._accounts = accounts
        self._throttles = throttles
        self._chat = chat
        self._clock = clock

    async def sync(self, token: str, told: Profile, origin: Origin) -> Synced:
        """Make or update the account of this token. What the token says counts for more than what is `told`.

        Raises Refused.
        """
        now = self._clock.now()
        grant = await self._access.tenant.verify(token, now)
        if isinstance(grant, Refusal):
            raise Refused(grant)
        said = merged(grant.profile, told)
        match await self._access.sessions.admit(grant.token, now):
            case Admitted(profile=profile):
                return Synced(await self._update(profile.id, said, now), is_new=False)
            case "unknown":
                return await self._create(grant, said, origin, now)
            case reason:
                raise Refused(NOT_ADMITTED[reason])

    async def _create(self, grant: TenantGrant, said: Profile, origin: Origin, now: datetime) -> Synced:
        if said.email is None:
            raise Refused(NO_EMAIL)
        self._throttles.register(origin.address, self._clock.monotonic())
        new = NewTenantUser(
            subject=grant.token.subject,
            usernames=possible_names(said),
            email=said.email,
            full_name=said.name,
            picture=said.picture,
        )
        made = untaken(await self._users.create(new, now))
        LOG.info("registered by Auth0", extra={"user_id": made.id, "address": origin.address})
        # A session from the start, for whatever is revoked to find it.
        admitted = await self._access.sessions.admit(grant.token, now)
        if not isinstance(admitted, Admitted):
            raise Refused(NOT_ADMITTED[admitted])
        return Synced(made, is_new=True)

    async def _update(self, user_id: UserId, said: Profile, now: datetime) -> User:
        user = await self._accounts.find(user_id)
        if user is None:
            raise Refused(REVOKED)
        told = {"email": said.email, "full_name": said.name, "picture": said.picture}
        changes = {name: text for name, text in told.items() if text is not None}
        if all(getattr(user, name) == text for name, text in changes.items()):
            return user
        saved = await self._accounts.update(user_id, now, **changes)
        if saved is None:
            raise Refused(REVOKED)
        changed = untaken(saved)
        self._chat.profile_changed(public_profile(changed))
        return changed


def merged(claimed: Profile, told: Profile) -> Profile:
    return Profile(
        email=claimed.email or told.email,
        name=claimed.name or told.name,
        nickname=claimed.nickname,
        picture=claimed.picture or told.picture,
    )


def possible_names(said: Profile) -> tuple[str, ...]:
    """User names for somebody new, best first: the last is one that nobody has."""
    wanted = said.nickname or (said.email or "").partition("@")[0]
    name = UNFIT.sub("-", wanted).strip("-.")[:NAME_MAX_CHARS] or "user"
    return (name, *(f"{name}-{number}" for number in NUMBERED), f"{name}-{secrets.token_hex(4)}")


def untaken(saved: User | TakenField) -> User:
    """The saved user. Raises Refused `taken`, naming the field."""
    if isinstance(saved, TakenField):
        raise Refused(Refusal(Code.TAKEN, TAKEN, field=saved.field))
    return saved


NO_EMAIL: Final = Refusal(
    Code.INVALID, "Neither the token nor the body has an e-mail address.", field="email"
)
TAKEN: Final = "Another account has this. Log in to that one, or have it changed there."
