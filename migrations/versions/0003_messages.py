"""Messages: what was said."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SYSTEM_REACTIONS = (
    "thumbsup",
    "thumbsdown",
    "heart",
    "joy",
    "smile",
    "laughing",
    "open_mouth",
    "cry",
    "angry",
    "thinking",
    "tada",
    "fire",
    "rocket",
    "eyes",
    "clap",
    "pray",
    "wave",
    "ok_hand",
    "raised_hands",
    "muscle",
    "star",
    "100",
    "white_check_mark",
    "x",
)
ADD_REACTION = {
    "sqlite": "INSERT INTO reactions (code, is_system, created_at, updated_at) "
    "VALUES (:code, true, datetime('now') || '.000000', datetime('now') || '.000000')",
    "postgresql": "INSERT INTO reactions (code, is_system, created_at, updated_at) "
    "VALUES (:code, true, now(), now())",
}


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


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def add_system_reactions() -> None:
    statement = sa.text(ADD_REACTION[op.get_context().dialect.name])
    for code in SYSTEM_REACTIONS:
        op.execute(statement.bindparams(code=code))


def upgrade() -> None:
    op.create_table(
        "messages",
        identity(),
        reference("channel_id", "channels.id"),
        sa.Column("seq", big_integer(), nullable=False),
        sa.Column("changed_seq", big_integer(), nullable=False),
        sa.Column("stream_id", sa.String(64)),
        reference("sender_id", "users.id"),
        reference("recipient_id", "users.id", nullable=True),
        sa.Column("conversation_id", sa.String(100)),
        sa.Column("content", sa.Text()),
        reference("parent_id", "messages.id", on_delete="SET NULL", nullable=True),
        sa.Column("nonce", sa.String(64)),
        sa.Column("via", sa.String(10), nullable=False),
        moment("edited_at", nullable=True),
        moment("deleted_at", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("channel_id", "seq"),
        sa.UniqueConstraint("sender_id", "nonce"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_channel_id_changed_seq", "messages", ["channel_id", "changed_seq"])
    op.create_index(
        "ix_messages_conversation_id", "messages", ["conversation_id"], **where("conversation_id IS NOT NULL")
    )
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"], **where("parent_id IS NOT NULL"))
    op.create_index(
        "ix_messages_recipient_id", "messages", ["recipient_id"], **where("recipient_id IS NOT NULL")
    )
    op.create_index("ix_messages_sender_id", "messages", ["sender_id"], **where("recipient_id IS NOT NULL"))
    op.create_table(
        "message_edits",
        identity(),
        reference("message_id", "messages.id", on_delete="CASCADE"),
        sa.Column("content", sa.Text()),
        moment("edited_at"),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_edits_message_id", "message_edits", ["message_id"])
    op.create_table(
        "reactions",
        identity(),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("is_system", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("image_url", sa.Text()),
        reference("created_by", "users.id", nullable=True),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reactions_code", "reactions", ["code"], unique=True)
    add_system_reactions()
    op.create_table(
        "message_reactions",
        identity(),
        reference("message_id", "messages.id", on_delete="CASCADE"),
        reference("reaction_id", "reactions.id", on_delete="CASCADE"),
        reference("user_id", "users.id"),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("message_id", "reaction_id", "user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_reactions_reaction_id", "message_reactions", ["reaction_id"])
    op.create_table(
        "mentions",
        identity(),
        reference("message_id", "messages.id", on_delete="CASCADE"),
        reference("user_id", "users.id"),
        moment("created_at"),
        moment("updated_at"),
        sa.UniqueConstraint("message_id", "user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mentions_user_id", "mentions", ["user_id"])
    op.create_table(
        "attachments",
        identity(),
        reference("owner_id", "users.id"),
        reference("message_id", "messages.id", on_delete="SET NULL", nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", big_integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])
    op.create_index("ix_attachments_owner_id", "attachments", ["owner_id"])
    op.create_index("ix_attachments_sha256", "attachments", ["sha256"])
    op.create_table(
        "deliveries",
        identity(),
        reference("message_id", "messages.id", on_delete="CASCADE"),
        sa.Column("transport", sa.String(20), nullable=False),
        sa.Column("external_id", sa.String(255)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("error_code", sa.String(50)),
        sa.Column("segments", sa.Integer()),
        moment("created_at"),
        moment("updated_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_external_id", "deliveries", ["external_id"])
    op.create_index("ix_deliveries_message_id", "deliveries", ["message_id"])


def downgrade() -> None:
    for table in (
        "deliveries",
        "attachments",
        "mentions",
        "message_reactions",
        "reactions",
        "message_edits",
        "messages",
    ):
        op.drop_table(table)
