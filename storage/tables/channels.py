"""Where people talk: channels, who is in them, and the ways in."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    false,
    text,
    true,
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

channels = Table(
    "channels",
    metadata,
    identity(),
    Column("kind", String(10), nullable=False),
    Column("name", String(80)),
    # The name as it is compared: SQLite folds ASCII only, and PostgreSQL as its locale says.
    Column("name_key", String(240)),
    Column("description", Text),
    reference("owner_id", "users.id", nullable=True),
    Column("is_private", Boolean, nullable=False, server_default=false()),
    Column("is_archived", Boolean, nullable=False, server_default=false()),
    Column("join_code", String(64), unique=True, index=True),
    Column("conversation_id", String(100), unique=True, index=True),
    Column("last_seq", BIG_INTEGER, nullable=False, server_default=text("0")),
    Column("changed_seq", BIG_INTEGER, nullable=False, server_default=text("0")),
    moment("deleted_at", nullable=True),
    *timestamps(),
    CheckConstraint("kind IN ('channel', 'direct')", name="kind"),
    **NEVER_REUSED,
)
_is_live_channel = and_(channels.c.kind == text("'channel'"), channels.c.deleted_at.is_(None))
Index(
    "ix_channels_name",
    channels.c.name_key,
    unique=True,
    sqlite_where=_is_live_channel,
    postgresql_where=_is_live_channel,
)
Index("ix_channels_owner_id", channels.c.owner_id)
_is_deleted = channels.c.deleted_at.is_not(None)
Index("ix_channels_deleted_at", channels.c.deleted_at, sqlite_where=_is_deleted, postgresql_where=_is_deleted)

channel_members = Table(
    "channel_members",
    metadata,
    reference("channel_id", "channels.id", on_delete="CASCADE", primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    Column("role", String(10), nullable=False),
    Column("read_seq", BIG_INTEGER, nullable=False, server_default=text("0")),
    Column("joined_seq", BIG_INTEGER, nullable=False),
    Column("changed_seq", BIG_INTEGER, nullable=False),
    moment("joined_at"),
    moment("left_at", nullable=True),
    *timestamps(),
    CheckConstraint("role IN ('owner', 'admin', 'member')", name="role"),
    sqlite_with_rowid=False,
)
_is_member = channel_members.c.left_at.is_(None)
Index(
    "ix_channel_members_user_id",
    channel_members.c.user_id,
    sqlite_where=_is_member,
    postgresql_where=_is_member,
)

invites = Table(
    "invites",
    metadata,
    identity(),
    reference("channel_id", "channels.id", on_delete="CASCADE"),
    Column("code", String(64), nullable=False, unique=True, index=True),
    reference("created_by", "users.id", nullable=True),
    moment("expires_at", nullable=True),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False, server_default=text("0")),
    moment("revoked_at", nullable=True),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_invites_channel_id", invites.c.channel_id)

webhooks = Table(
    "webhooks",
    metadata,
    identity(),
    reference("channel_id", "channels.id", on_delete="CASCADE"),
    reference("created_by", "users.id", nullable=True),
    # Without a foreign key, which SQLite cannot add later; rows of users are never deleted.
    Column("bot_id", BIG_INTEGER),
    Column("direction", String(10), nullable=False),
    Column("url", Text),
    Column("secret_hash", String(255), unique=True, index=True),
    Column("sealed_secret", Text),
    Column("events", DOCUMENT),
    Column("cursor", BIG_INTEGER, nullable=False, server_default=text("0")),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    *timestamps(),
    CheckConstraint("direction IN ('incoming', 'outgoing')", name="direction"),
    **NEVER_REUSED,
)
Index("ix_webhooks_channel_id", webhooks.c.channel_id)
