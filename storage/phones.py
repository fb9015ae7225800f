"""Telephone numbers: whose one is, and which of our numbers may not write to it any more."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from protocol.ids import UserId
from protocol.resources import PublicProfile
from storage.engine import Database
from storage.tables import sms_opt_outs, users
from storage.user_rows import EXISTS, PROFILE_COLUMNS, profile_of

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Phones:
    """Numbers are E.164. `ours` is the number, or what stands for it, that people write to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, number: str) -> PublicProfile | None:
        """The active user with this number."""
        query = select(*PROFILE_COLUMNS).where(users.c.phone_number == number, EXISTS, users.c.is_active)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else profile_of(row)

    async def number_of(self, user_id: UserId) -> str | None:
        """None for users who have none, or are not active any more."""
        query = select(users.c.phone_number).where(users.c.id == user_id, EXISTS, users.c.is_active)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def opt_out(self, number: str, ours: str, now: datetime) -> None:
        await self._database.write(lambda connection: _opt_out(connection, number, ours, now))

    async def opt_in(self, number: str, ours: str) -> bool:
        """Whether that ended an opt-out."""
        gone = delete(sms_opt_outs).where(_is_pair(number, ours))
        return await self._database.write(lambda connection: connection.execute(gone).rowcount) > 0

    async def has_opted_out(self, number: str, ours: str) -> bool:
        query = select(sms_opt_outs.c.id).where(_is_pair(number, ours))
        return await self._database.read(lambda connection: connection.execute(query).scalar()) is not None


def _is_pair(number: str, ours: str) -> Any:
    return (sms_opt_outs.c.phone_number == number) & (sms_opt_outs.c.sender_number == ours)


def _opt_out(connection: Connection, number: str, ours: str, now: datetime) -> None:
    row = _INSERT[connection.dialect.name](sms_opt_outs).values(
        phone_number=number, sender_number=ours, created_at=now, updated_at=now
    )
    connection.execute(row.on_conflict_do_nothing(index_elements=["phone_number", "sender_number"]))
