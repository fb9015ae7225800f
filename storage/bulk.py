"""Many users at once, each with one open session: for loads and for moving in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, insert

from protocol.ids import SessionId, UserId
from storage.engine import Database
from storage.tables import sessions, users


class BulkUser(Struct, frozen=True, kw_only=True):
    """Of `session_token` the hash is given."""

    username: str
    email: str
    hashed_password: str | None
    session_token: str


class Made(Struct, frozen=True):
    username: str
    user_id: UserId
    session_id: SessionId


async def create_users(
    database: Database, new: Sequence[BulkUser], expires_at: datetime, now: datetime
) -> list[Made]:
    """All of them or none, in one transaction. Raises IntegrityError when a name or address is taken."""
    stamps = {"created_at": now, "updated_at": now}
    user_rows = [
        {
            "username": user.username,
            "email": user.email,
            "hashed_password": user.hashed_password,
            **stamps,
        }
        for user in new
    ]

    def transaction(connection: Connection) -> list[Made]:
        user_ids = _insert(connection, users, user_rows)
        session_rows = [
            {
                "user_id": user_id,
                "session_token": user.session_token,
                "device_info": "made by the operator",
                "expires_at": expires_at,
                "last_used_at": now,
                **stamps,
            }
            for user, user_id in zip(new, user_ids, strict=True)
        ]
        session_ids = _insert(connection, sessions, session_rows)
        return [
            Made(user.username, UserId(user_id), SessionId(session_id))
            for user, user_id, session_id in zip(new, user_ids, session_ids, strict=True)
        ]

    return await database.write(transaction)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> list[int]:
    """The new ids, in the order of the rows."""
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.execute(statement, rows).scalars())
