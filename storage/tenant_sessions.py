"""Sessions of people whom a tenant (Auth0) logs in: one for each user and application.

A token of ours names its session. A tenant's token cannot, so the session is found by whose token it is and
for which application. Ending it refuses every token issued until then, used here or not; one issued later
opens the next session.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from protocol.errors import Unavailable
from protocol.ids import SessionId, UserId
from protocol.resources import PublicProfile
from storage.engine import Database
from storage.tables import sessions, users
from storage.user_rows import PROFILE_COLUMNS, profile_of

ENDED: Final = ".ended"
"""Marks the latest ended session of a line: its end is where the next one's tokens begin."""
TRIES: Final = 3
"""Of several first requests at once, one opens the session and the others find it."""

Owners = Mapping[str, Any]
NotAdmitted = Literal["unknown", "disabled", "ended"]


class TenantToken(Struct, frozen=True, kw_only=True):
    """What a verified token says. `line` is the application, and the session at the tenant if it tells."""

    subject: str
    line: str
    device: str
    issued_at: datetime
    expires_at: datetime

    @property
    def key(self) -> str:
        """What the session is found by; it does not show whose it is."""
        return "tenant:" + _digest(f"{self.subject}\0{self.line}")


class Admitted(Struct, frozen=True):
    """The token belongs to this live session."""

    profile: PublicProfile
    is_superuser: bool
    session_id: SessionId


class _Row(Struct, frozen=True):
    id: SessionId
    user_id: UserId
    is_active: bool
    expires_at: datetime
    last_used_at: datetime
    updated_at: datetime

    def is_open_for(self, user_id: UserId) -> bool:
        """Whether it is a live session of this user, not of one who had the subject before."""
        return self.is_active and self.user_id == user_id

    @property
    def end(self) -> datetime:
        """Tokens issued until then are refused: also those from a tenant whose clock is ahead of ours."""
        return max(self.updated_at, self.last_used_at)


class TenantSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, token: TenantToken, now: datetime) -> Admitted | NotAdmitted:
        """The session of a token, opened or prolonged by the first use of a newer one. Raises Unavailable."""
        for _ in range(TRIES):
            found = await self._database.read(lambda connection: _look_up(connection, token))
            if found is None:
                with suppress(IntegrityError):
                    found = await self._database.write(lambda connection: _open(connection, token, now))
            if found is not None:
                return found
        raise Unavailable("the session is opened by too many at once")


def buried(subject: str) -> str:
    """What a deleted user keeps of their subject: enough to know their old tokens by."""
    return "deleted:" + _digest(subject)


def bury(connection: Connection, user_id: UserId) -> str | None:
    """What a user who is being deleted is to have as `auth0_id`; None for one who has none."""
    subject = connection.execute(select(users.c.auth0_id).where(users.c.id == user_id)).scalar()
    if subject is None:
        return None
    kept = buried(subject)
    # Deleted before, and come back since: the later deletion is the one that counts.
    connection.execute(update(users).where(users.c.auth0_id == kept).values(auth0_id=None))
    return kept


def _look_up(connection: Connection, token: TenantToken) -> Admitted | NotAdmitted | None:
    """What the token is worth; None when a session has to be opened or prolonged for it."""
    owners = _owners(connection, token.subject)
    user = owners.get(token.subject)
    if user is not None and not user.is_active:
        return "disabled"
    current, last = _line(connection, token)
    if _is_over(token, owners, current, last):
        return "ended"
    if user is None:
        return "unknown"
    if current is None or not current.is_open_for(user.user_id):
        return None
    if token.expires_at > current.expires_at or token.issued_at > current.last_used_at:
        return None
    return Admitted(profile_of(user), user.is_superuser, current.id)


def _open(connection: Connection, token: TenantToken, now: datetime) -> Admitted | NotAdmitted | None:
    """Open or prolong the session, unless the token turns out not to be worth it."""
    found = _look_up(connection, token)
    if found is not None:
        return found
    current, _ = _line(connection, token)
    user_id = _owners(connection, token.subject)[token.subject].user_id
    if current is not None and current.is_open_for(user_id):
        _prolong(connection, current, token, now)
    else:
        _succeed(connection, current, token)
        _insert(connection, user_id, token, now)
    return _look_up(connection, token)


def _prolong(connection: Connection, current: _Row, token: TenantToken, now: datetime) -> None:
    prolonged = update(sessions).where(sessions.c.id == current.id, sessions.c.is_active)
    values = {
        "expires_at": max(current.expires_at, token.expires_at),
        "last_used_at": max(current.last_used_at, token.issued_at, now),
    }
    connection.execute(prolonged.values(**values))


def _succeed(connection: Connection, current: _Row | None, token: TenantToken) -> None:
    """The session that has ended makes room, and is kept as the one that the next begins after."""
    if current is None:
        return
    connection.execute(delete(sessions).where(sessions.c.session_token == token.key + ENDED))
    ended = update(sessions).where(sessions.c.id == current.id)
    connection.execute(ended.values(session_token=token.key + ENDED))


def _insert(connection: Connection, user_id: UserId, token: TenantToken, now: datetime) -> None:
    row = insert(sessions).values(
        user_id=user_id,
        session_token=token.key,
        device_info=token.device,
        expires_at=token.expires_at,
        last_used_at=max(now, token.issued_at),
        created_at=now,
        updated_at=now,
    )
    connection.execute(row)


def _is_over(token: TenantToken, owners: Owners, current: _Row | None, last: _Row | None) -> bool:
    """Whether the token was issued before the latest end of its line, or the deletion of its user."""
    ends = [row.end for row in (current, last) if row is not None and not row.is_active]
    deleted = owners.get(buried(token.subject))
    if deleted is not None and deleted.deleted_at is not None:
        ends.append(deleted.deleted_at)
    return any(token.issued_at <= end for end in ends)


def _owners(connection: Connection, subject: str) -> Owners:
    """The user of this subject, and the deleted one who had it before, by their `auth0_id`."""
    query = select(
        *PROFILE_COLUMNS, users.c.auth0_id, users.c.is_active, users.c.is_superuser, users.c.deleted_at
    ).where(users.c.auth0_id.in_((subject, buried(subject))))
    return {row.auth0_id: row for row in connection.execute(query)}


def _line(connection: Connection, token: TenantToken) -> tuple[_Row | None, _Row | None]:
    """The session that the token's key names, and the one before it."""
    names = (token.key, token.key + ENDED)
    query = select(
        sessions.c.session_token,
        sessions.c.id,
        sessions.c.user_id,
        sessions.c.is_active,
        sessions.c.expires_at,
        sessions.c.last_used_at,
        sessions.c.updated_at,
    ).where(sessions.c.session_token.in_(names))
    rows = {row.session_token: _Row(*row[1:]) for row in connection.execute(query)}
    return rows.get(names[0]), rows.get(names[1])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
