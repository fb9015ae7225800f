"""Accounts: who may come in."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def big_integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


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
        "users",
        identity(),
        sa.Column("username", sa.String(100), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("hashed_password", sa.String(255)),
        sa.Column("auth0_id", sa.String(255)),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("is_superuser", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_bot", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("full_name", sa.String(255)),
        sa.Column("bio", sa.Text()),
        sa.Column("phone_number", sa.String(20)),
        sa.Column("picture", sa.Text()),
        moment("deleted_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_auth0_id", "users", ["auth0_id"], unique=True)
    op.create_index("ix_users_email", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_users_phone_number", "users", ["phone_number"], unique=True)
    op.create_index("ix_users_username", "users", [sa.text("lower(username)")], unique=True)
    op.create_table(
        "roles",
        identity(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.Text()),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_roles_name", "roles", ["name"], unique=True)
    op.create_table(
        "user_roles",
        identity(),
        reference("user_id", "users.id", on_delete="CASCADE"),
        reference("role_id", "roles.id", on_delete="CASCADE"),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("user_id", "role_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_user_roles_role_id", "user_roles", ["role_id"])
    op.create_index("ix_user_roles_user_id", "user_roles", ["user_id"])
    op.create_table(
        "sessions",
        identity(),
        reference("user_id", "users.id", on_delete="CASCADE"),
        sa.Column("session_token", sa.String(255), nullable=False),
        sa.Column("device_info", sa.Text()),
        sa.Column("ip_address", sa.String(50)),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
        moment("expires_at"),
        moment("last_used_at"),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_session_token", "sessions", ["session_token"], unique=True)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "refresh_tokens",
        identity(),
        reference("user_id", "users.id", on_delete="CASCADE"),
        reference("session_id", "sessions.id", on_delete="CASCADE"),
        sa.Column("token", sa.String(255), nullable=False),
        moment("expires_at"),
        sa.Column("is_used", sa.Boolean(), nullable=False, server_default=sa.false()),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_index("ix_refresh_tokens_token", "refresh_tokens", ["token"], unique=True)
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"])
    op.create_table(
        "telegram_links",
        identity(),
        reference("user_id", "users.id", on_delete="CASCADE"),
        sa.Column("chat_id", big_integer()),
        sa.Column("code", sa.String(64)),
        moment("expires_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_telegram_links_chat_id", "telegram_links", ["chat_id"], unique=True)
    op.create_index("ix_telegram_links_code", "telegram_links", ["code"], unique=True)
    op.create_index("ix_telegram_links_user_id", "telegram_links", ["user_id"], unique=True)
    op.create_table(
        "sms_opt_outs",
        identity(),
        sa.Column("phone_number", sa.String(20), nullable=False),
        sa.Column("sender_number", sa.String(20), nullable=False),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("phone_number", "sender_number"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in (
        "sms_opt_outs",
        "telegram_links",
        "refresh_tokens",
        "sessions",
        "user_roles",
        "roles",
        "users",
    ):
        op.drop_table(table)
