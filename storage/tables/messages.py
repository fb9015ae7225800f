"""What was said: messages, their earlier texts, reactions, mentions, attachments and deliveries."""

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from storage.tables.base import BIG_INTEGER, NEVER_REUSED, identity, metadata, moment, reference, timestamps

messages = Table(
    "messages",
    metadata,
    identity(),
    reference("channel_id", "channels.id"),
    Column("seq", BIG_INTEGER, nullable=False),
    Column("changed_seq", BIG_INTEGER, nullable=False),
    Column("stream_id", String(64)),
    reference("sender_id", "users.id"),
    reference("recipient_id", "users.id", nullable=True),
    Column("conversation_id", String(100)),
    Column("content", Text),
    reference("parent_id", "messages.id", on_delete="SET NULL", nullable=True),
    Column("nonce", String(64)),
    Column("via", String(10), nullable=False),
    moment("edited_at", nullable=True),
    moment("deleted_at", nullable=True),
    *timestamps(),
    UniqueConstraint("channel_id", "seq"),
    UniqueConstraint("sender_id", "nonce"),
    **NEVER_REUSED,
)
Index("ix_messages_channel_id_changed_seq", messages.c.channel_id, messages.c.changed_seq)


def _index_where_set(name: str, wanted: Column[int], *columns: Column[int]) -> None:
    """Ordinary channels leave these columns empty: their messages pay nothing for the index."""
    is_set: ColumnElement[bool] = wanted.is_not(None)
    Index(name, *columns, sqlite_where=is_set, postgresql_where=is_set)


_index_where_set("ix_messages_sender_id", messages.c.recipient_id, messages.c.sender_id)
_index_where_set("ix_messages_recipient_id", messages.c.recipient_id, messages.c.recipient_id)
_index_where_set("ix_messages_conversation_id", messages.c.conversation_id, messages.c.conversation_id)
_index_where_set("ix_messages_parent_id", messages.c.parent_id, messages.c.parent_id)

message_edits = Table(
    "message_edits",
    metadata,
    identity(),
    reference("message_id", "messages.id", on_delete="CASCADE"),
    Column("content", Text),
    moment("edited_at"),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_message_edits_message_id", message_edits.c.message_id)

reactions = Table(
    "reactions",
    metadata,
    identity(),
    Column("code", String(64), nullable=False, unique=True, index=True),
    Column("is_system", Boolean, nullable=False, server_default=false()),
    Column("image_url", Text),
    reference("created_by", "users.id", nullable=True),
    *timestamps(),
    **NEVER_REUSED,
)

message_reactions = Table(
    "message_reactions",
    metadata,
    identity(),
    reference("message_id", "messages.id", on_delete="CASCADE"),
    reference("reaction_id", "reactions.id", on_delete="CASCADE"),
    reference("user_id", "users.id"),
    *timestamps(),
    UniqueConstraint("message_id", "reaction_id", "user_id"),
    **NEVER_REUSED,
)
Index("ix_message_reactions_reaction_id", message_reactions.c.reaction_id)

mentions = Table(
    "mentions",
    metadata,
    identity(),
    reference("message_id", "messages.id", on_delete="CASCADE"),
    reference("user_id", "users.id"),
    *timestamps(),
    UniqueConstraint("message_id", "user_id"),
    **NEVER_REUSED,
)
Index("ix_mentions_user_id", mentions.c.user_id)

attachments = Table(
    "attachments",
    metadata,
    identity(),
    reference("owner_id", "users.id"),
    reference("message_id", "messages.id", on_delete="SET NULL", nullable=True),
    Column("name", String(255), nullable=False),
    Column("content_type", String(255), nullable=False),
    Column("size", BIG_INTEGER, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("link", Text),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_attachments_owner_id", attachments.c.owner_id)
Index("ix_attachments_message_id", attachments.c.message_id)
Index("ix_attachments_sha256", attachments.c.sha256)

deliveries = Table(
    "deliveries",
    metadata,
    identity(),
    reference("message_id", "messages.id", on_delete="CASCADE"),
    Column("transport", String(20), nullable=False),
    Column("external_id", String(255)),
    Column("state", String(20), nullable=False),
    Column("error_code", String(50)),
    Column("segments", Integer),
    *timestamps(),
    **NEVER_REUSED,
)
Index("ix_deliveries_message_id", deliveries.c.message_id)
Index("ix_deliveries_external_id", deliveries.c.external_id)
