"""Who is who on Telegram: one chat for each user, linked by a code that works once and for a while."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from protocol.ids import UserId
from protocol.resources import PublicProfile
from storage.engine import Database
from storage.tables import telegram_links, users
from storage.user_rows import EXISTS, PROFILE_COLUMNS, profile_of

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
IS_ACTIVE: ColumnElement[bool] = and_(EXISTS, users.c.is_active)


class TelegramLinks:
    """Codes are kept as hashes only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def offer(self, user_id: UserId, code: str, expires_at: datetime, now: datetime) -> None:
        """Whoever sends this code is that user; earlier codes are not. An earlier link stays so far."""
        await self._database.write(lambda c: _offer(c, user_id, code, expires_at, now))

    async def link(self, chat_id: int, code: str, now: datetime) -> PublicProfile | None:
        """The user whose code this is, who has this chat from now on; None for nobody's, or too old a one."""
        return await self._database.write(lambda connection: _link(connection, chat_id, code, now))

    async def owner(self, chat_id: int) -> PublicProfile | None:
        """The active user whose chat this is."""
        query = select(*PROFILE_COLUMNS).join(telegram_links, telegram_links.c.user_id == users.c.id)
        query = query.where(telegram_links.c.chat_id == chat_id, IS_ACTIVE)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else profile_of(row)

    async def chat_of(self, user_id: UserId) -> int | None:
        """None for users who have linked none, or are not active any more."""
        query = select(telegram_links.c.chat_id).join(users, users.c.id == telegram_links.c.user_id)
        query = query.where(telegram_links.c.user_id == user_id, IS_ACTIVE)
        return await self._database.read(lambda connection: connection.execute(query).scalar())


def _offer(connection: Connection, user_id: UserId, code: str, expires_at: datetime, now: datetime) -> None:
    values = {"code": _hash(code), "expires_at": expires_at, "updated_at": now}
    row = _INSERT[connection.dialect.name](telegram_links).values(user_id=user_id, created_at=now, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))


def _link(connection: Connection, chat_id: int, code: str, now: datetime) -> PublicProfile | None:
    links = telegram_links.c
    query = select(*PROFILE_COLUMNS).join(telegram_links, links.user_id == users.c.id)
    query = query.where(links.code == _hash(code), links.expires_at > now, IS_ACTIVE)
    row = connection.execute(query.with_for_update(of=telegram_links)).one_or_none()
    if row is None:
        return None
    others = update(telegram_links).where(links.chat_id == chat_id, links.user_id != row.user_id)
    connection.execute(others.values(chat_id=None, updated_at=now))
    own = update(telegram_links).where(links.user_id == row.user_id)
    connection.execute(own.values(chat_id=chat_id, code=None, expires_at=None, updated_at=now))
    return profile_of(row)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
