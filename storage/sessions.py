"""Sessions and their refresh tokens, which work once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from protocol.ids import SessionId, UserId
from protocol.resources import Session, User
from storage.engine import Database
from storage.row_statements import Kind, RowsStatement, stored_time
from storage.server_state import count_revocation
from storage.session_rows import Holder, end_sessions, load_holder
from storage.tables import refresh_tokens, sessions, users
from storage.user_rows import load_user


class NewSession(Struct, frozen=True, kw_only=True):
    """Tokens are given as hashes. A session lives as long as its newest refresh token."""

    user_id: UserId
    session_token: str
    refresh_token: str
    expires_at: datetime
    device_info: str | None = None
    ip_address: str | None = None


class Rotated(Struct, frozen=True):
    """The refresh token was good and is used up now."""

    session_id: SessionId
    user: User


class Reused(Struct, frozen=True):
    """The refresh token had been used before: its session is ended."""

    session_id: SessionId
    user_id: UserId


class Refused(Struct, frozen=True):
    """The refresh token is unknown, expired, or its session or user is no longer active."""

    reason: Literal["unknown", "expired", "ended", "disabled"]


FLUSH_USES = RowsStatement(
    """
    UPDATE sessions SET last_used_at = used.at
    FROM {rows} AS used
    WHERE sessions.id = used.id AND sessions.last_used_at < used.at
    """,
    id=Kind.INTEGER,
    at=Kind.TIME,
)

FIND_LIVE = RowsStatement(
    """
    SELECT sessions.id
    FROM {rows} AS asked
    JOIN sessions ON sessions.id = asked.id
    JOIN users ON users.id = sessions.user_id
    WHERE sessions.is_active AND sessions.expires_at > asked.now
        AND users.is_active AND users.deleted_at IS NULL
    """,
    id=Kind.INTEGER,
    now=Kind.TIME,
)


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._uses: dict[SessionId, datetime] = {}

    async def create(self, new: NewSession, now: datetime) -> SessionId:
        return await self._database.write(lambda connection: _create(connection, new, now))

    async def find_holder(self, session_id: SessionId) -> Holder | None:
        return await self._database.read(lambda connection: load_holder(connection, session_id))

    async def rotate_refresh_token(
        self, used: str, new: str, expires_at: datetime, now: datetime
    ) -> Rotated | Reused | Refused:
        """Take one refresh token for another, both given as hashes. Of two who try at once, one reuses."""
        return await self._database.write(lambda c: _rotate(c, used, new, expires_at, now))

    async def list_sessions(
        self,
        user_id: UserId,
        now: datetime,
        *,
        current: SessionId | None = None,
        before: SessionId | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Session]:
        """The user's live sessions, newest first."""
        live = sessions.c.is_active & (sessions.c.expires_at > now)
        query = select(sessions).where(sessions.c.user_id == user_id, live)
        if before is not None:
            query = query.where(sessions.c.id < before)
        query = query.order_by(sessions.c.id.desc()).offset(skip).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Session(
                id=row.id,
                device_info=row.device_info,
                ip_address=row.ip_address,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=row.expires_at,
                current=row.id == current,
            )
            for row in rows
        ]

    async def end(self, user_id: UserId, session_id: SessionId, now: datetime) -> bool:
        """Whether the user had such a live session."""
        return bool(await self._end(user_id, now, only=session_id))

    async def end_all(
        self, user_id: UserId, now: datetime, *, keep: SessionId | None = None
    ) -> list[SessionId]:
        """The ids of those that ended: all, or all but `keep`."""
        return await self._end(user_id, now, keep=keep)

    async def find_ended(self, session_ids: Sequence[SessionId], now: datetime) -> set[SessionId]:
        """Those that no longer let anybody in: ended, expired, or of a disabled or deleted user."""
        asked = [(session_id, stored_time(now)) for session_id in session_ids]
        live = await self._database.read(lambda connection: FIND_LIVE.fetch(connection, asked))
        return set(session_ids) - {row.id for row in live}

    def note_use(self, session_id: SessionId, at: datetime) -> None:
        """Remember a use, for `flush_uses` to write it with the others."""
        self._uses[session_id] = at

    async def flush_uses(self) -> None:
        uses, self._uses = self._uses, {}
        rows = [(session_id, stored_time(at)) for session_id, at in uses.items()]
        if rows:
            await self._database.write(lambda connection: FLUSH_USES.run(connection, rows))

    async def _end(
        self,
        user_id: UserId,
        now: datetime,
        *,
        only: SessionId | None = None,
        keep: SessionId | None = None,
    ) -> list[SessionId]:
        def transaction(connection: Connection) -> list[SessionId]:
            ended = end_sessions(connection, user_id, now, only=only, keep=keep)
            if ended:
                count_revocation(connection, now)
            return ended

        return await self._database.write(transaction)


def _create(connection: Connection, new: NewSession, now: datetime) -> SessionId:
    row = insert(sessions).values(
        user_id=new.user_id,
        session_token=new.session_token,
        device_info=new.device_info,
        ip_address=new.ip_address,
        expires_at=new.expires_at,
        last_used_at=now,
        created_at=now,
        updated_at=now,
    )
    session_id = SessionId(connection.execute(row.returning(sessions.c.id)).scalar_one())
    _add_refresh_token(connection, new.user_id, session_id, new.refresh_token, new.expires_at, now)
    return session_id


def _add_refresh_token(
    connection: Connection,
    user_id: UserId,
    session_id: SessionId,
    token: str,
    expires_at: datetime,
    now: datetime,
) -> None:
    row = insert(refresh_tokens).values(
        user_id=user_id,
        session_id=session_id,
        token=token,
        expires_at=expires_at,
        created_at=now,
        updated_at=now,
    )
    connection.execute(row)


def _rotate(
    connection: Connection, used: str, new: str, expires_at: datetime, now: datetime
) -> Rotated | Reused | Refused:
    # Writing is the test: of two transactions only one finds the token unused.
    is_it = refresh_tokens.c.token == used
    take = update(refresh_tokens).where(is_it, ~refresh_tokens.c.is_used).values(is_used=True, updated_at=now)
    was_unused = connection.execute(take.returning(refresh_tokens.c.id)).first() is not None
    query = (
        select(
            refresh_tokens.c.user_id,
            refresh_tokens.c.session_id,
            refresh_tokens.c.expires_at,
            sessions.c.is_active,
            users.c.is_active.label("user_is_active"),
        )
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .join(users, users.c.id == refresh_tokens.c.user_id)
        .where(is_it)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return Refused("unknown")
    if not was_unused:
        if end_sessions(connection, row.user_id, now, only=row.session_id):
            count_revocation(connection, now)
        return Reused(row.session_id, row.user_id)
    if not row.user_is_active:
        return Refused("disabled")
    if not row.is_active:
        return Refused("ended")
    if row.expires_at <= now:
        return Refused("expired")
    return _renew(connection, row.user_id, row.session_id, new, expires_at, now)


def _renew(
    connection: Connection,
    user_id: UserId,
    session_id: SessionId,
    token: str,
    expires_at: datetime,
    now: datetime,
) -> Rotated | Refused:
    _add_refresh_token(connection, user_id, session_id, token, expires_at, now)
    renewed = update(sessions).where(sessions.c.id == session_id)
    connection.execute(renewed.values(expires_at=expires_at, last_used_at=now, updated_at=now))
    user = load_user(connection, user_id)
    return Refused("disabled") if user is None else Rotated(session_id, user)
