"""Users that a tenant (Auth0) vouches for: made at their first log-in, with a name that nobody has."""

from contextlib import suppress
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from protocol.errors import Unavailable
from protocol.ids import UserId
from protocol.resources import User
from storage.accounts import TakenField
from storage.engine import Database
from storage.tables import users
from storage.user_rows import EXISTS, load_user, load_users

TRIES: Final = 3
"""Of several who make the same user or want the same name at once, one is first."""


class NewTenantUser(Struct, frozen=True, kw_only=True):
    """`usernames` are what the user may be called, best first."""

    subject: str
    usernames: tuple[str, ...]
    email: str
    full_name: str | None
    picture: str | None


class TenantUsers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewTenantUser, now: datetime) -> User | TakenField:
        """The new user, or the one whom somebody else has made meanwhile. Raises Unavailable.

        An account that has the e-mail address already stays what it is: an address proves nothing here.
        """
        for _ in range(TRIES):
            with suppress(IntegrityError):
                return await self._database.write(lambda connection: _create(connection, new, now))
        raise Unavailable("too many users of these names are made at once")


def _find(connection: Connection, subject: str) -> User | None:
    found = load_users(connection, select(users).where(users.c.auth0_id == subject, EXISTS))
    return found[0] if found else None


def _create(connection: Connection, new: NewTenantUser, now: datetime) -> User | TakenField:
    existing = _find(connection, new.subject)
    if existing is not None:
        return existing
    has_address = select(users.c.id).where(func.lower(users.c.email) == func.lower(new.email))
    if connection.execute(has_address).first() is not None:
        # Taken a moment ago, perhaps, by this very user.
        return _find(connection, new.subject) or TakenField("email")
    username = _free_name(connection, new.usernames)
    if username is None:
        return TakenField("username")
    row = insert(users).values(
        username=username,
        email=new.email,
        auth0_id=new.subject,
        full_name=new.full_name,
        picture=new.picture,
        created_at=now,
        updated_at=now,
    )
    user_id = connection.execute(row.returning(users.c.id)).scalar_one()
    made = load_user(connection, UserId(user_id))
    return made or TakenField("username")


def _free_name(connection: Connection, names: tuple[str, ...]) -> str | None:
    name = func.lower(users.c.username)
    query = select(name).where(name.in_([each.lower() for each in names]))
    taken = set(connection.execute(query).scalars())
    return next((each for each in names if each.lower() not in taken), None)
