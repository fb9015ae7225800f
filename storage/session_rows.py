"""Sessions as rows: what ends them, and who holds one."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select, update

from protocol.ids import SessionId, UserId
from protocol.resources import PublicProfile
from storage.tables import sessions, users
from storage.user_rows import PROFILE_COLUMNS, profile_of


class Holder(Struct, frozen=True):
    """Who holds a session, opened from `address`. `ended` is about the session, `is_active` the user."""

    profile: PublicProfile
    is_active: bool
    is_superuser: bool
    ended: bool
    expires_at: datetime
    address: str | None


HOLDER = (
    select(
        *PROFILE_COLUMNS,
        users.c.is_active.label("user_is_active"),
        users.c.is_superuser,
        sessions.c.is_active.label("session_is_active"),
        sessions.c.expires_at,
        sessions.c.ip_address,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.id == bindparam("session_id"), users.c.deleted_at.is_(None))
)


def load_holder(connection: Connection, session_id: SessionId) -> Holder | None:
    """In one query: it is asked for every request. A deleted user holds nothing."""
    row = connection.execute(HOLDER, {"session_id": session_id}).one_or_none()
    if row is None:
        return None
    return Holder(
        profile_of(row),
        row.user_is_active,
        row.is_superuser,
        not row.session_is_active,
        row.expires_at,
        row.ip_address,
    )


def end_sessions(
    connection: Connection,
    user_id: UserId,
    now: datetime,
    *,
    only: SessionId | None = None,
    keep: SessionId | None = None,
) -> list[SessionId]:
    """End all live sessions of a user, `only` one, or all but `keep`; the ids of those that ended."""
    condition: Any = (sessions.c.user_id == user_id) & sessions.c.is_active
    if only is not None:
        condition &= sessions.c.id == only
    if keep is not None:
        condition &= sessions.c.id != keep
    ended = update(sessions).where(condition).values(is_active=False, updated_at=now)
    return sorted(connection.execute(ended.returning(sessions.c.id)).scalars())
