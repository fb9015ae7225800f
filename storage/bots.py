"""The users that agents speak as: made when they are missing, and never taken from a person."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

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

        Without a password nobody can log in as one. One that was disabled or renamed stays so.
        """
        return await self._database.write(lambda connection: ensure_bot(connection, name, description, now))


def ensure_bot(connection: Connection, name: str, description: str, now: datetime) -> PublicProfile | None:
    address = f"{name}@{NO_ADDRESS}"
    is_it = (func.lower(users.c.username) == name.lower()) | (func.lower(users.c.email) == address.lower())
    found = connection.execute(select(*PROFILE_COLUMNS).where(is_it, EXISTS)).all()
    if not found:
        made = insert(users).values(
            username=name, email=address, bio=description, is_bot=True, created_at=now, updated_at=now
        )
        return load_profile(connection, connection.execute(made.returning(users.c.id)).scalar_one())
    row = next((row for row in found if row.is_bot), None)
    if row is not None and row.bio != description:
        changed = update(users).where(users.c.id == row.user_id)
        connection.execute(changed.values(bio=description, updated_at=now))
        return load_profile(connection, row.user_id)
    return None if row is None else profile_of(row)
