"""The users that agents speak as: made when they are missing, and never taken from a person."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from protocol.ids import UserId
from protocol.resources import PublicProfile
from storage.engine import Database
from storage.tables import users
from storage.user_rows import EXISTS, PROFILE_COLUMNS, load_profile, profile_of

NO_ADDRESS = "bots.invalid"
"""RFC 2606, 2: no mail ever arrives there."""


class Bots:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, name: str, description: str, now: datetime) -> PublicProfile | None:
        """The bot of this name, made if need be; None when the name is a person's.

        Without a password nobody can log in as one. One that was disabled stays so.
        """
        return await self._database.write(lambda connection: ensure_bot(connection, name, description, now))

    async def is_active(self, user_id: UserId) -> bool:
        query = select(users.c.is_active).where(users.c.id == user_id, EXISTS)
        return bool(await self._database.read(lambda connection: connection.execute(query).scalar()))


def ensure_bot(connection: Connection, name: str, description: str, now: datetime) -> PublicProfile | None:
    query = select(*PROFILE_COLUMNS).where(func.lower(users.c.username) == name.lower(), EXISTS)
    row = connection.execute(query).one_or_none()
    if row is None:
        made = insert(users).values(
            username=name,
            email=f"{name}@{NO_ADDRESS}",
            bio=description,
            is_bot=True,
            created_at=now,
            updated_at=now,
        )
        user_id: UserId = connection.execute(made.returning(users.c.id)).scalar_one()
        return load_profile(connection, user_id)
    if not row.is_bot:
        return None
    if row.bio != description:
        changed = update(users).where(users.c.id == row.user_id)
        connection.execute(changed.values(bio=description, updated_at=now))
        return load_profile(connection, row.user_id)
    return profile_of(row)
