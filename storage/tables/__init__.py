"""The schema, by concept. `metadata` is what migrations are compared with."""

from storage.tables.accounts import (
    refresh_tokens,
    roles,
    sessions,
    sms_opt_outs,
    telegram_links,
    user_roles,
    users,
)
from storage.tables.base import UtcDateTime, metadata
from storage.tables.channels import channel_members, channels, invites, webhooks
from storage.tables.messages import (
    attachments,
    deliveries,
    mentions,
    message_edits,
    message_reactions,
    messages,
    reactions,
)
from storage.tables.operations import agent_usage, audit_log, outbox, reports, server_state
from storage.tables.search import search_positions

__all__ = [
    "UtcDateTime",
    "agent_usage",
    "attachments",
    "audit_log",
    "channel_members",
    "channels",
    "deliveries",
    "invites",
    "mentions",
    "message_edits",
    "message_reactions",
    "messages",
    "metadata",
    "outbox",
    "reactions",
    "refresh_tokens",
    "reports",
    "roles",
    "search_positions",
    "server_state",
    "sessions",
    "sms_opt_outs",
    "telegram_links",
    "user_roles",
    "users",
    "webhooks",
]
