"""Roles: names that superusers give to users. What they mean is up to whoever reads them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from protocol.audit import Doer
from protocol.facts import Taken
from protocol.ids import UserId
from protocol.resources import UserRole
from storage.audit import record_act
from storage.engine import Database
from storage.tables import roles, user_roles, users
from storage.user_rows import EXISTS, role_names


class UnknownRole(Struct, frozen=True):
    """Refused: there is no role of this name."""

    name: str


class Roles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, description: str | None, by: Doer, now: datetime) -> UserRole | Taken:
        """Names are unique without case."""

        def transaction(connection: Connection) -> UserRole | Taken:
            same = func.lower(roles.c.name) == func.lower(name)
            if connection.execute(select(roles.c.id).where(same)).first() is not None:
                return Taken()
            row = insert(roles).values(name=name, description=description, created_at=now, updated_at=now)
            role_id = connection.execute(row.returning(roles.c.id)).scalar_one()
            record_act(connection, by.did("role.created", "role", role_id, {"name": name}), now)
            return UserRole(role_id, name, description)

        try:
            return await self._database.write(transaction)
        except IntegrityError:
            return Taken()

    async def list_roles(
        self, *, before: int | None = None, skip: int = 0, limit: int = 50
    ) -> list[UserRole]:
        """Newest first."""
        query = select(roles).order_by(roles.c.id.desc()).offset(skip).limit(limit)
        if before is not None:
            query = query.where(roles.c.id < before)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [UserRole(row.id, row.name, row.description) for row in rows]

    async def delete(self, role_id: int, by: Doer, now: datetime) -> bool:
        """Takes it from whoever has it. Whether there was such a role."""

        def transaction(connection: Connection) -> bool:
            gone = delete(roles).where(roles.c.id == role_id).returning(roles.c.name)
            name = connection.execute(gone).scalar()
            if name is not None:
                record_act(connection, by.did("role.deleted", "role", role_id, {"name": name}), now)
            return name is not None

        return await self._database.write(transaction)

    async def of_user(self, user_id: UserId) -> tuple[str, ...] | None:
        """By name. None: no such user."""
        return await self._database.read(lambda connection: _of_user(connection, user_id))

    async def replace(
        self, user_id: UserId, names: Sequence[str], by: Doer, now: datetime
    ) -> tuple[str, ...] | UnknownRole | None:
        """Give the user these roles and no others. None: no such user."""
        return await self._database.write(lambda c: _replace(c, user_id, set(names), by, now))


def _of_user(connection: Connection, user_id: UserId, *, lock: bool = False) -> tuple[str, ...] | None:
    query = select(users.c.id).where(users.c.id == user_id, EXISTS)
    if connection.execute(query.with_for_update() if lock else query).first() is None:
        return None
    return tuple(role_names(connection, [user_id]).get(user_id, ()))


def _replace(
    connection: Connection, user_id: UserId, names: set[str], by: Doer, now: datetime
) -> tuple[str, ...] | UnknownRole | None:
    # The user is locked against another who replaces, the roles against another who deletes them.
    had = _of_user(connection, user_id, lock=True)
    if had is None:
        return None
    wanted = select(roles.c.name, roles.c.id).where(roles.c.name.in_(names)).order_by(roles.c.id)
    found = {row.name: row.id for row in connection.execute(wanted.with_for_update(read=True))}
    if unknown := names - found.keys():
        return UnknownRole(min(unknown))
    if names != set(had):
        _write(connection, user_id, list(found.values()), now)
        detail = {"roles": sorted(names), "before": list(had)}
        record_act(connection, by.did("user.roles_changed", "user", user_id, detail), now)
    return tuple(sorted(names))


def _write(connection: Connection, user_id: UserId, role_ids: Sequence[int], now: datetime) -> None:
    connection.execute(delete(user_roles).where(user_roles.c.user_id == user_id))
    rows: list[dict[str, Any]] = [
        {"user_id": user_id, "role_id": role_id, "created_at": now, "updated_at": now} for role_id in role_ids
    ]
    if rows:
        connection.execute(insert(user_roles), rows)
