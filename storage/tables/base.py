"""What all tables share: one metadata, one naming convention, ids, timestamps and how times are kept."""

from collections.abc import Callable
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
    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        return _to_text if dialect.name == "sqlite" else _to_utc

    @override
    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        return _from_text if dialect.name == "sqlite" else None


def _to_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a stored time must know its zone")
    return value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    in_utc = _to_utc(value)
    return None if in_utc is None else in_utc.replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


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
