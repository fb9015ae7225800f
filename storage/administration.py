"""What is done to users by those who manage them: transactions that record themselves.

Somebody who may manage users is always left: the last active superuser cannot be taken out.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, or_, select, update

from protocol.audit import Action, Doer
from protocol.ids import UserId
from protocol.resources import PublicProfile, User
from storage.audit import record_act
from storage.server_state import count_revocation
from storage.session_rows import end_sessions
from storage.tables import sessions, telegram_links, user_roles, users
from storage.tenant_sessions import bury
from storage.user_rows import EXISTS, load_user

BELONGINGS = (sessions, user_roles, telegram_links)
"""What goes with a user; refresh tokens go with their sessions."""


class LastSuperuser(Struct, frozen=True):
    """Refused: nobody would be left who may manage users."""


class BotSuperuser(Struct, frozen=True):
    """Refused: a bot cannot log in, so it would be a superuser in name only."""


def disable_user(
    connection: Connection, user_id: UserId, by: Doer, now: datetime
) -> User | LastSuperuser | None:
    """Ends the user's sessions as well. None: no such user."""
    if is_last_superuser(connection, user_id):
        return LastSuperuser()
    if _change(connection, user_id, now, is_active=False):
        record_act(connection, by.did("user.disabled", "user", user_id), now)
    end_sessions(connection, user_id, now)
    count_revocation(connection, now)
    return load_user(connection, user_id)


def enable_user(connection: Connection, user_id: UserId, by: Doer, now: datetime) -> User | None:
    """None: no such user."""
    if _change(connection, user_id, now, is_active=True):
        record_act(connection, by.did("user.enabled", "user", user_id), now)
    return load_user(connection, user_id)


def set_superuser(
    connection: Connection, user_id: UserId, by: Doer, now: datetime, *, is_superuser: bool | None
) -> User | LastSuperuser | BotSuperuser | None:
    """Promote or demote; with None, whichever of them changes something. None: no such user."""
    is_last = is_last_superuser(connection, user_id)
    is_it = (users.c.id == user_id) & EXISTS
    query = select(users.c.is_superuser, users.c.is_bot).where(is_it).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    becomes = not row.is_superuser if is_superuser is None else is_superuser
    if is_last and not becomes:
        return LastSuperuser()
    if row.is_bot and becomes:
        return BotSuperuser()
    if _change(connection, user_id, now, is_superuser=becomes):
        action: Action = "user.promoted" if becomes else "user.demoted"
        record_act(connection, by.did(action, "user", user_id), now)
        count_revocation(connection, now)
    return load_user(connection, user_id)


def delete_user(
    connection: Connection, user_id: UserId, by: Doer, now: datetime
) -> PublicProfile | LastSuperuser | None:
    """Take away all that makes the user a person, and free the names; what is left is how others see them.

    The row stays for their messages to refer to. They still have to leave their channels: `departures.py`.
    None: no such user.
    """
    if is_last_superuser(connection, user_id):
        return LastSuperuser()
    left = nobody(user_id)
    gone = update(users).where(users.c.id == user_id, EXISTS)
    names = {"username": left.username, "email": left.username, "auth0_id": bury(connection, user_id)}
    row = gone.values(**BLANK, **names, deleted_at=now, updated_at=now)
    if connection.execute(row.returning(users.c.id)).first() is None:
        return None
    for table in BELONGINGS:
        connection.execute(delete(table).where(table.c.user_id == user_id))
    count_revocation(connection, now)
    record_act(connection, by.did("user.deleted", "user", user_id), now)
    return left


BLANK: dict[str, Any] = {
    "hashed_password": None,
    "is_active": False,
    "is_superuser": False,
    "full_name": None,
    "bio": None,
    "phone_number": None,
    "picture": None,
}


def nobody(user_id: UserId) -> PublicProfile:
    """A deleted user as others see them. Nobody can choose such a name: it has spaces."""
    return PublicProfile(user_id, f"deleted user {user_id}")


def is_last_superuser(connection: Connection, user_id: UserId) -> bool:
    """Whether this one is the only superuser who can log in; it stays so until the transaction ends."""
    # Locked in order, so that two who demote each other do not both find the other still there.
    able = users.c.is_superuser & users.c.is_active & ~users.c.is_bot & EXISTS
    query = select(users.c.id).where(able).order_by(users.c.id).with_for_update()
    return list(connection.execute(query).scalars()) == [user_id]


def _change(connection: Connection, user_id: UserId, now: datetime, **values: bool) -> bool:
    """Whether that changed anything."""
    differs = or_(*(users.c[name] != value for name, value in values.items()))
    changed = update(users).where(users.c.id == user_id, EXISTS, differs).values(**values, updated_at=now)
    return connection.execute(changed.returning(users.c.id)).first() is not None
