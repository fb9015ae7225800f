"""Who may come in: users, their roles, sessions, refresh tokens, and other ways to reach them."""

from sqlalchemy import Boolean, Column, Index, String, Table, Text, UniqueConstraint, false, func, true

from storage.tables.base import (
    BIG_INTEGER,
    NEVER_REUSED,
    identity,
    metadata,
    moment,
    reference,
    timestamps,
)

users = Table(
    "users",
    metadata,
    identity(),
    Column("username", String(100), nullable=False),
    Column("email", String(255), nullable=False),
    Column("hashed_password", String(255)),
    Column("auth0_id", String(255), unique=True, index=True),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("is_superuser", Boolean, nullable=False, server_default=false()),
    Column("is_bot", Boolean, nullable=False, server_default=false()),
    Column("full_name", String(255)),
    Column("bio", Text),
    Column("phone_number", String(20), unique=True, index=True),
    Column("picture", Text),
    moment("deleted_at", nullable=True),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_users_username", func.lower(users.c.username), unique=True)
Index("ix_users_email", func.lower(users.c.email), unique=True)

roles = Table(
    "roles",
    metadata,
    identity(),
    Column("name", String(100), nullable=False, unique=True, index=True),
    Column("description", Text),
    *timestamps(),
    **NEVER_REUSED,
)

user_roles = Table(
    "user_roles",
    metadata,
    identity(),
    reference("user_id", "users.id", on_delete="CASCADE"),
    reference("role_id", "roles.id", on_delete="CASCADE"),
    *timestamps(),
    UniqueConstraint("user_id", "role_id"),
    **NEVER_REUSED,
)
Index("ix_user_roles_user_id", user_roles.c.user_id)
Index("ix_user_roles_role_id", user_roles.c.role_id)

sessions = Table(
    "sessions",
    metadata,
    identity(),
    reference("user_id", "users.id", on_delete="CASCADE"),
    Column("session_token", String(255), nullable=False, unique=True, index=True),
    Column("device_info", Text),
    Column("ip_address", String(50)),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    moment("expires_at"),
    moment("last_used_at"),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_sessions_user_id", sessions.c.user_id)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    identity(),
    reference("user_id", "users.id", on_delete="CASCADE"),
    reference("session_id", "sessions.id", on_delete="CASCADE"),
    Column("token", String(255), nullable=False, unique=True, index=True),
    moment("expires_at"),
    Column("is_used", Boolean, nullable=False, server_default=false()),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_refresh_tokens_user_id", refresh_tokens.c.user_id)
Index("ix_refresh_tokens_session_id", refresh_tokens.c.session_id)

telegram_links = Table(
    "telegram_links",
    metadata,
    identity(),
    reference("user_id", "users.id", on_delete="CASCADE"),
    Column("chat_id", BIG_INTEGER, unique=True, index=True),
    Column("code", String(64)),
    moment("expires_at", nullable=True),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_telegram_links_user_id", telegram_links.c.user_id, unique=True)
Index("ix_telegram_links_code", telegram_links.c.code, unique=True)

sms_opt_outs = Table(
    "sms_opt_outs",
    metadata,
    identity(),
    Column("phone_number", String(20), nullable=False),
    Column("sender_number", String(20), nullable=False),
    *timestamps(),
    UniqueConstraint("phone_number", "sender_number"),
    **NEVER_REUSED,
)
