"""Channels: where people talk."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def big_integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def document() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def identity() -> sa.Column[int]:
    return sa.Column("id", big_integer(), primary_key=True, autoincrement=True)


def moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def reference(
    name: str, target: str, *, on_delete: str | None = None, nullable: bool = False, primary_key: bool = False
) -> sa.Column[int]:
    key = sa.ForeignKey(target, ondelete=on_delete)
    return sa.Column(name, big_integer(), key, nullable=nullable, primary_key=primary_key)


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "channels",
        identity(),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(80)),
        sa.Column("name_key", sa.String(240)),
        sa.Column("description", sa.Text()),
        reference("owner_id", "users.id", nullable=True),
        sa.Column("is_private", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_archived", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("join_code", sa.String(64)),
        sa.Column("conversation_id", sa.String(100)),
        sa.Column("last_seq", big_integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("changed_seq", big_integer(), nullable=False, server_default=sa.text("0")),
        moment("deleted_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sa.CheckConstraint("kind IN ('channel', 'direct')", name="kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_channels_conversation_id", "channels", ["conversation_id"], unique=True)
    op.create_index("ix_channels_deleted_at", "channels", ["deleted_at"], **where("deleted_at IS NOT NULL"))
    op.create_index("ix_channels_join_code", "channels", ["join_code"], unique=True)
    op.create_index(
        "ix_channels_name",
        "channels",
        ["name_key"],
        unique=True,
        **where("kind = 'channel' AND deleted_at IS NULL"),
    )
    op.create_index("ix_channels_owner_id", "channels", ["owner_id"])
    op.create_table(
        "channel_members",
        reference("channel_id", "channels.id", on_delete="CASCADE", primary_key=True),
        reference("user_id", "users.id", primary_key=True),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("read_seq", big_integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("joined_seq", big_integer(), nullable=False),
        sa.Column("changed_seq", big_integer(), nullable=False),
        moment("joined_at"),
        moment("left_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member')", name="role"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_channel_members_user_id", "channel_members", ["user_id"], **where("left_at IS NULL"))
    op.create_table(
        "invites",
        identity(),
        reference("channel_id", "channels.id", on_delete="CASCADE"),
        sa.Column("code", sa.String(64), nullable=False),
        reference("created_by", "users.id", nullable=True),
        moment("expires_at", nullable=True),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("uses", sa.Integer(), nullable=False, server_default=sa.text("0")),
        moment("revoked_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_invites_channel_id", "invites", ["channel_id"])
    op.create_index("ix_invites_code", "invites", ["code"], unique=True)
    op.create_table(
        "webhooks",
        identity(),
        reference("channel_id", "channels.id", on_delete="CASCADE"),
        reference("created_by", "users.id", nullable=True),
        sa.Column("direction", sa.String(10), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("secret_hash", sa.String(255)),
        sa.Column("sealed_secret", sa.Text()),
        sa.Column("events", document()),
        sa.Column("cursor", big_integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
        moment("created_at"),
        moment("updated_at"),
        sa.CheckConstraint("direction IN ('incoming', 'outgoing')", name="direction"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhooks_channel_id", "webhooks", ["channel_id"])
    op.create_index("ix_webhooks_secret_hash", "webhooks", ["secret_hash"], unique=True)


def downgrade() -> None:
    for table in ("webhooks", "invites", "channel_members", "channels"):
        op.drop_table(table)
