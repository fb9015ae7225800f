"""The audit log as rows: appended to, read, and never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, insert, select

from protocol.audit import AuditEntry, AuditRecord
from storage.engine import Database
from storage.tables import audit_log, users


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries are asked for; None is any. `actor` is a user name, without case."""

    actor_id: int | None = None
    actor: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, record: AuditRecord, now: datetime) -> None:
        """For an act that is done already; `record_act` is for those that are a transaction."""
        await self._database.write(lambda connection: record_act(connection, record, now))

    async def list_entries(
        self, wanted: AuditFilter, *, before: int | None = None, skip: int = 0, limit: int = 50
    ) -> list[AuditEntry]:
        """Newest first, those before the cursor `before`."""
        actor = users.c.username.label("actor")
        query = select(audit_log, actor).outerjoin(users, users.c.id == audit_log.c.actor_id)
        query = query.where(*_conditions(wanted))
        if before is not None:
            query = query.where(audit_log.c.id < before)
        query = query.order_by(audit_log.c.id.desc()).offset(skip).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_entry(row) for row in rows]


def record_act(connection: Connection, record: AuditRecord, now: datetime) -> None:
    """To be called in the transaction that does it: either both happen or neither."""
    record_acts(connection, [(record, now)])


def record_acts(connection: Connection, acts: Sequence[tuple[AuditRecord, datetime]]) -> None:
    """Several at once, in their order, each with its time."""
    rows = [
        {
            "actor_id": record.actor_id,
            "action": record.action,
            "target_type": record.target_type,
            "target_id": str(record.target_id),
            "ip_address": record.ip_address,
            "detail": record.detail,
            "created_at": at,
            "updated_at": at,
        }
        for record, at in acts
    ]
    if rows:
        connection.execute(insert(audit_log), rows)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    exact = {
        audit_log.c.actor_id: wanted.actor_id,
        audit_log.c.action: wanted.action,
        audit_log.c.target_type: wanted.target_type,
        audit_log.c.target_id: wanted.target_id,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in exact.items() if value is not None
    ]
    if wanted.actor is not None:
        conditions.append(func.lower(users.c.username) == func.lower(wanted.actor))
    return conditions


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        actor_id=row.actor_id,
        actor=row.actor,
        action=row.action,
        target_type=row.target_type,
        target_id=row.target_id,
        ip_address=row.ip_address,
        detail=row.detail or {},
        created_at=row.created_at,
    )
