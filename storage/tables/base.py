"""What all tables share: one metadata, one naming convention, ids, timestamps and how times are kept."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, ForeignKey, Integer, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BIG_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
DOCUMENT = JSON().with_variant(JSONB(), "postgresql")

NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}
"""Table options: an id is never given twice, whatever was deleted."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, to the microsecond.

    PostgreSQL keeps it as `timestamptz`. SQLite keeps text of one width (`2026-01-31 12:00:00.000000`), so
    that it sorts and its own date functions read it.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must know its zone")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


def identity() -> Column[int]:
    return Column("id", BIG_INTEGER, primary_key=True, autoincrement=True)


def moment(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcDateTime(), nullable=nullable)


def timestamps() -> tuple[Column[datetime], Column[datetime]]:
    return moment("created_at"), moment("updated_at")


def reference(
    name: str, target: str, *, on_delete: str | None = None, nullable: bool = False, primary_key: bool = False
) -> Column[int]:
    """A foreign key. Without `on_delete` the row referred to cannot be deleted."""
    return Column(
        name,
        BIG_INTEGER,
        ForeignKey(target, ondelete=on_delete),
        nullable=nullable,
        primary_key=primary_key,
    )
