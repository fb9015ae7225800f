"""What the database says of itself: its epoch, and how often something was revoked."""

from datetime import datetime

from sqlalchemy import Connection, Integer, Text, cast, select, update

from storage.engine import Database
from storage.tables import server_state


class ServerState:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def epoch(self) -> str:
        """Which life of the database this is: cursors from another one mean nothing."""
        return await self._database.read(lambda connection: _value(connection, "epoch"))

    async def revocations(self) -> int:
        """Moves whenever sessions or users were revoked, by this process or any other."""
        return int(await self._database.read(lambda connection: _value(connection, "revocations")))


def count_revocation(connection: Connection, at: datetime) -> None:
    """To be called in the transaction that revokes, so that every process sees it."""
    counted = cast(cast(server_state.c.value, Integer) + 1, Text)
    counter = update(server_state).where(server_state.c.key == "revocations")
    connection.execute(counter.values(value=counted, updated_at=at))


def _value(connection: Connection, key: str) -> str:
    query = select(server_state.c.value).where(server_state.c.key == key)
    return str(connection.execute(query).scalar_one())
