"""Operations: what keeps the server going."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The epoch tells clients whose cursors are from another life of the database that they must start over.
FIRST_STATE = {
    "sqlite": """
        INSERT INTO server_state (key, value, created_at, updated_at)
        SELECT column1, column2, datetime('now') || '.000000', datetime('now') || '.000000'
        FROM (VALUES ('epoch', lower(hex(randomblob(16)))), ('revocations', '0'))
    """,
    "postgresql": """
        INSERT INTO server_state (key, value, created_at, updated_at)
        SELECT v.key, v.value, now(), now()
        FROM (VALUES ('epoch', replace(CAST(gen_random_uuid() AS text), '-', '')), ('revocations', '0'))
            AS v (key, value)
    """,
}


def big_integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def document() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def identity() -> sa.Column[int]:
    return sa.Column("id", big_integer(), primary_key=True, autoincrement=True)


def moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def reference(
    name: str, target: str, *, on_delete: str | None = None, nullable: bool = False
) -> sa.Column[int]:
    key = sa.ForeignKey(target, ondelete=on_delete)
    return sa.Column(name, big_integer(), key, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "reports",
        identity(),
        reference("reporter_id", "users.id"),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="open"),
        sa.Column("comment", sa.Text()),
        moment("resolved_at", nullable=True),
        reference("resolved_by", "users.id", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sa.CheckConstraint("status IN ('open', 'in_progress', 'resolved')", name="status"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reports_reporter_id", "reports", ["reporter_id"])
    op.create_index("ix_reports_status", "reports", ["status"])
    op.create_table(
        "audit_log",
        identity(),
        reference("actor_id", "users.id", nullable=True),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("target_type", sa.String(50)),
        sa.Column("target_id", sa.String(100)),
        sa.Column("ip_address", sa.String(50)),
        sa.Column("detail", document()),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_action", "audit_log", ["action"])
    op.create_index("ix_audit_log_actor_id", "audit_log", ["actor_id"])
    op.create_index("ix_audit_log_target_type_target_id", "audit_log", ["target_type", "target_id"])
    op.create_table(
        "outbox",
        identity(),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("payload", document(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        moment("next_attempt_at", nullable=True),
        sa.Column("last_error", sa.Text()),
        moment("created_at"),
        moment("updated_at"),
        sa.CheckConstraint("kind IN ('agent', 'sms', 'telegram', 'webhook')", name="kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_key", "outbox", ["key"], unique=True)
    op.create_index("ix_outbox_kind_state_next_attempt_at", "outbox", ["kind", "state", "next_attempt_at"])
    op.create_table(
        "agent_usage",
        identity(),
        reference("user_id", "users.id"),
        reference("agent_id", "users.id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tokens_in", big_integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("tokens_out", big_integer(), nullable=False, server_default=sa.text("0")),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("user_id", "agent_id", "day"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "server_state",
        identity(),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_server_state_key", "server_state", ["key"], unique=True)
    op.execute(FIRST_STATE[op.get_context().dialect.name])


def downgrade() -> None:
    for table in ("server_state", "agent_usage", "outbox", "audit_log", "reports"):
        op.drop_table(table)
