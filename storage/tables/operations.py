"""What keeps the server going: reports, audit log, outbox, agents' budgets and the server's own state."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.tables.base import (
    BIG_INTEGER,
    DOCUMENT,
    NEVER_REUSED,
    identity,
    metadata,
    moment,
    reference,
    timestamps,
)

reports = Table(
    "reports",
    metadata,
    identity(),
    reference("reporter_id", "users.id"),
    Column("title", String(255), nullable=False),
    Column("content", Text, nullable=False),
    Column("status", String(20), nullable=False, server_default="open"),
    Column("comment", Text),
    moment("resolved_at", nullable=True),
    reference("resolved_by", "users.id", nullable=True),
    *timestamps(),
    CheckConstraint("status IN ('open', 'in_progress', 'resolved')", name="status"),
    **NEVER_REUSED,
)
Index("ix_reports_reporter_id", reports.c.reporter_id)
Index("ix_reports_status", reports.c.status)

audit_log = Table(
    "audit_log",
    metadata,
    identity(),
    reference("actor_id", "users.id", nullable=True),
    Column("action", String(100), nullable=False),
    Column("target_type", String(50)),
    Column("target_id", String(100)),
    Column("ip_address", String(50)),
    Column("detail", DOCUMENT),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_audit_log_actor_id", audit_log.c.actor_id)
Index("ix_audit_log_action", audit_log.c.action)
Index("ix_audit_log_target_type_target_id", audit_log.c.target_type, audit_log.c.target_id)

outbox = Table(
    "outbox",
    metadata,
    identity(),
    Column("kind", String(20), nullable=False),
    Column("key", String(255), nullable=False, unique=True, index=True),
    Column("lane", String(255)),
    Column("payload", DOCUMENT, nullable=False),
    Column("state", String(20), nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    moment("next_attempt_at", nullable=True),
    Column("last_error", Text),
    *timestamps(),
    CheckConstraint("kind IN ('agent', 'sms', 'telegram', 'webhook')", name="kind"),
    **NEVER_REUSED,
)
Index("ix_outbox_kind_state_next_attempt_at", outbox.c.kind, outbox.c.state, outbox.c.next_attempt_at)
_is_queued_in_lane = outbox.c.lane.is_not(None) & outbox.c.state.in_(("pending", "sending"))
Index(
    "ix_outbox_lane_id",
    outbox.c.lane,
    outbox.c.id,
    sqlite_where=_is_queued_in_lane,
    postgresql_where=_is_queued_in_lane,
)

agent_usage = Table(
    "agent_usage",
    metadata,
    identity(),
    reference("user_id", "users.id"),
    reference("agent_id", "users.id"),
    Column("day", Date, nullable=False),
    Column("tokens_in", BIG_INTEGER, nullable=False, server_default=text("0")),
    Column("tokens_out", BIG_INTEGER, nullable=False, server_default=text("0")),
    *timestamps(),
    UniqueConstraint("user_id", "agent_id", "day"),
    **NEVER_REUSED,
)

server_state = Table(
    "server_state",
    metadata,
    identity(),
    Column("key", String(100), nullable=False, unique=True, index=True),
    Column("value", Text, nullable=False),
    *timestamps(),
    **NEVER_REUSED,
)
