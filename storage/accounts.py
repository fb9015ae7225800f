"""Users: making, finding and changing them. What superusers do to them is in `administration.py`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from protocol.audit import COMMAND_LINE, Doer
from protocol.ids import SessionId, UserId
from protocol.resources import PublicProfile, User
from storage.administration import (
    BotSuperuser,
    LastSuperuser,
    delete_user,
    disable_user,
    enable_user,
    set_superuser,
)
from storage.audit import record_act
from storage.engine import Database
from storage.server_state import count_revocation
from storage.session_rows import end_sessions
from storage.tables import users
from storage.user_rows import (
    EXISTS,
    PROFILE_COLUMNS,
    begins_with,
    holds,
    is_login,
    load_profile,
    load_user,
    load_users,
    profile_of,
)

T = TypeVar("T")


UniqueField = Literal["username", "email", "phone_number"]
UNIQUE_FIELDS: tuple[UniqueField, ...] = ("username", "email", "phone_number")


class TakenField(Struct, frozen=True):
    """Another user has this name, address or number."""

    field: UniqueField


class Credentials(Struct, frozen=True):
    """What a password is checked against. Without a hash no password fits."""

    user_id: UserId
    hashed_password: str | None
    is_active: bool


class NewUser(Struct, frozen=True, kw_only=True):
    username: str
    email: str
    hashed_password: str | None
    full_name: str | None = None
    phone_number: str | None = None
    is_superuser: bool = False
    is_bot: bool = False


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewUser, now: datetime, by: Doer | None = None) -> User | TakenField:
        """Made `by` somebody for somebody else, it is recorded."""
        values = {name: getattr(new, name) for name in new.__struct_fields__}

        def transaction(connection: Connection) -> User:
            row = insert(users).values(**values, created_at=now, updated_at=now).returning(users.c.id)
            user_id = connection.execute(row).scalar_one()
            if by is not None:
                record_act(connection, by.did("user.created", "user", user_id), now)
            return load_users(connection, select(users).where(users.c.id == user_id))[0]

        return await self._write_unique(values, None, transaction)

    async def update(self, user_id: UserId, now: datetime, **changes: str | None) -> User | TakenField | None:
        """Change some of username, email, full_name, bio, picture and phone_number. None: no such user."""

        def transaction(connection: Connection) -> User | None:
            changed = update(users).where(users.c.id == user_id, EXISTS)
            connection.execute(changed.values(**changes, updated_at=now))
            return load_user(connection, user_id)

        return await self._write_unique(changes, user_id, transaction)

    async def find(self, user_id: UserId) -> User | None:
        return await self._database.read(lambda connection: load_user(connection, user_id))

    async def find_by_login(self, login: str) -> User | None:
        """By user name or e-mail address, without case."""
        found = await self._database.read(lambda c: load_users(c, select(users).where(is_login(login))))
        return found[0] if found else None

    async def find_credentials(self, login: str) -> Credentials | None:
        """By user name or e-mail address, without case."""
        return await self._database.read(lambda connection: _credentials(connection, is_login(login)))

    async def credentials_of(self, user_id: UserId) -> Credentials | None:
        is_it = (users.c.id == user_id) & EXISTS
        return await self._database.read(lambda connection: _credentials(connection, is_it))

    async def load_profile(self, user_id: UserId) -> PublicProfile | None:
        return await self._database.read(lambda connection: load_profile(connection, user_id))

    async def list_users(
        self,
        *,
        q: str | None = None,
        is_active: bool | None = None,
        before: UserId | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[User]:
        """Newest first, those before the cursor `before`; `q` is part of a name, address or number."""
        query = select(users).where(EXISTS).order_by(users.c.id.desc()).offset(skip).limit(limit)
        if q is not None:
            query = query.where(holds(q))
        if is_active is not None:
            query = query.where(users.c.is_active == is_active)
        if before is not None:
            query = query.where(users.c.id < before)
        return await self._database.read(lambda connection: load_users(connection, query))

    async def list_profiles(
        self, *, q: str | None = None, before: UserId | None = None, skip: int = 0, limit: int = 50
    ) -> list[PublicProfile]:
        """Active users, newest first."""
        query = select(*PROFILE_COLUMNS).where(EXISTS, users.c.is_active)
        if q is not None:
            query = query.where(begins_with(q))
        if before is not None:
            query = query.where(users.c.id < before)
        query = query.order_by(users.c.id.desc()).offset(skip).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [profile_of(row) for row in rows]

    async def disable(
        self, user_id: UserId, now: datetime, by: Doer = COMMAND_LINE
    ) -> User | LastSuperuser | None:
        """Ends the user's sessions as well. None: no such user."""
        return await self._database.write(lambda connection: disable_user(connection, user_id, by, now))

    async def enable(self, user_id: UserId, now: datetime, by: Doer = COMMAND_LINE) -> User | None:
        return await self._database.write(lambda connection: enable_user(connection, user_id, by, now))

    async def set_superuser(
        self, user_id: UserId, now: datetime, by: Doer = COMMAND_LINE, *, is_superuser: bool | None
    ) -> User | LastSuperuser | BotSuperuser | None:
        """Promote or demote; with None, whichever of them changes something. None: no such user."""
        return await self._database.write(
            lambda c: set_superuser(c, user_id, by, now, is_superuser=is_superuser)
        )

    async def delete(
        self, user_id: UserId, now: datetime, by: Doer = COMMAND_LINE
    ) -> PublicProfile | LastSuperuser | None:
        """How others see the user from now on, who still has to leave their channels. None: no such user."""
        return await self._database.write(lambda connection: delete_user(connection, user_id, by, now))

    async def set_password(
        self,
        user_id: UserId,
        hashed_password: str,
        now: datetime,
        *,
        keep: SessionId | None = None,
        by: Doer | None = None,
    ) -> list[SessionId]:
        """Ends every session of the user but `keep`; the ids of those that ended.

        Set `by` somebody for somebody else, it is recorded.
        """

        def transaction(connection: Connection) -> list[SessionId]:
            _set(connection, user_id, now, hashed_password=hashed_password)
            ended = end_sessions(connection, user_id, now, keep=keep)
            count_revocation(connection, now)
            if by is not None:
                record_act(connection, by.did("user.password_set", "user", user_id), now)
            return ended

        return await self._database.write(transaction)

    async def _write_unique(
        self,
        values: dict[str, Any],
        user_id: UserId | None,
        transaction: Callable[[Connection], T],
    ) -> T | TakenField:
        try:
            return await self._database.write(transaction)
        except IntegrityError:
            taken = await self._database.read(lambda connection: _taken(connection, values, user_id))
            if taken is None:
                raise
            return taken


def _credentials(connection: Connection, condition: Any) -> Credentials | None:
    query = select(users.c.id, users.c.hashed_password, users.c.is_active).where(condition)
    row = connection.execute(query).first()
    return None if row is None else Credentials(row.id, row.hashed_password, row.is_active)


def _set(connection: Connection, user_id: UserId, now: datetime, **values: Any) -> None:
    connection.execute(update(users).where(users.c.id == user_id, EXISTS).values(**values, updated_at=now))


def _taken(connection: Connection, values: dict[str, Any], user_id: UserId | None) -> TakenField | None:
    for field in UNIQUE_FIELDS:
        wanted = values.get(field)
        query = select(users.c.id).where(func.lower(users.c[field]) == func.lower(wanted))
        holder = None if wanted is None else connection.execute(query).scalar()
        if holder is not None and holder != user_id:
            return TakenField(field)
    return None
