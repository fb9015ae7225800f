"""Users as rows: how a row becomes a profile or a user, and how names are found without case."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from protocol.ids import UserId
from protocol.resources import PublicProfile, User
from storage.tables import roles, user_roles, users

PROFILE_COLUMNS = (
    users.c.id.label("user_id"),
    users.c.username,
    users.c.full_name,
    users.c.bio,
    users.c.picture,
    users.c.is_bot,
)

EXISTS = users.c.deleted_at.is_(None)


def profile_of(row: Any) -> PublicProfile:
    """Of a row with `PROFILE_COLUMNS`."""
    return PublicProfile(
        id=row.user_id,
        username=row.username,
        full_name=row.full_name,
        bio=row.bio,
        picture=row.picture,
        is_bot=row.is_bot,
    )


def load_profile(connection: Connection, user_id: UserId) -> PublicProfile | None:
    query = select(*PROFILE_COLUMNS).where(users.c.id == user_id, EXISTS)
    row = connection.execute(query).one_or_none()
    return None if row is None else profile_of(row)


def load_users(connection: Connection, query: Select[Any]) -> list[User]:
    """The users that a query of whole rows finds, with the names of their roles."""
    rows = connection.execute(query).all()
    names = role_names(connection, [row.id for row in rows])
    return [_user(row, tuple(names.get(row.id, ()))) for row in rows]


def load_user(connection: Connection, user_id: UserId) -> User | None:
    found = load_users(connection, select(users).where(users.c.id == user_id, EXISTS))
    return found[0] if found else None


def role_names(connection: Connection, user_ids: Sequence[UserId]) -> dict[UserId, list[str]]:
    query = (
        select(user_roles.c.user_id, roles.c.name)
        .join(roles, roles.c.id == user_roles.c.role_id)
        .where(user_roles.c.user_id.in_(user_ids))
        .order_by(roles.c.name)
    )
    names: dict[UserId, list[str]] = {}
    for row in connection.execute(query) if user_ids else ():
        names.setdefault(row.user_id, []).append(row.name)
    return names


def is_login(login: str) -> ColumnElement[bool]:
    """Whether a user is meant by a user name or an e-mail address; neither can be taken for the other."""
    key = func.lower(login)
    return or_(func.lower(users.c.username) == key, func.lower(users.c.email) == key) & EXISTS


def begins_with(prefix: str) -> ColumnElement[bool]:
    """Whether a user's name, of either kind, begins with this."""
    wanted = prefix.lower()
    names: Iterable[ColumnElement[Any]] = (users.c.username, users.c.full_name)
    return or_(*(func.lower(name).startswith(wanted, autoescape=True) for name in names))


def holds(part: str) -> ColumnElement[bool]:
    """Whether this is part of a user's name, of either kind, e-mail address or telephone number."""
    wanted = part.lower()
    texts: Iterable[ColumnElement[Any]] = (
        users.c.username,
        users.c.full_name,
        users.c.email,
        users.c.phone_number,
    )
    return or_(*(func.lower(text).contains(wanted, autoescape=True) for text in texts))


def _user(row: Any, names: tuple[str, ...]) -> User:
    return User(
        id=row.id,
        username=row.username,
        email=row.email,
        full_name=row.full_name,
        bio=row.bio,
        phone_number=row.phone_number,
        picture=row.picture,
        is_active=row.is_active,
        is_superuser=row.is_superuser,
        is_bot=row.is_bot,
        roles=names,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
