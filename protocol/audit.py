"""The audit log: who did what to whom, when and from where.

Every act that administers or moderates is in it, and nothing can be taken out of it. An act that is a
transaction is recorded in that transaction; one in a channel is a fact of the same commit (`Audited`).
"""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from protocol.ids import UserId

Action = Literal[
    "user.created",
    "user.deleted",
    "user.disabled",
    "user.enabled",
    "user.promoted",
    "user.demoted",
    "user.roles_changed",
    "user.password_set",
    "role.created",
    "role.deleted",
    "channel.closed",
    "channel.changed",
    "channel.privacy_changed",
    "member.removed",
    "member.role_changed",
    "invite.created",
    "invite.revoked",
    "message.deleted",
    "report.commented",
    "report.resolved",
    "reaction.created",
    "reaction.deleted",
    "webhook.created",
    "webhook.deleted",
    "webhook.replayed",
]
TargetType = Literal["user", "role", "channel", "message", "report", "reaction", "webhook"]
Detail = dict[str, Any]
"""What else there is to know: JSON, and never a secret or the text of a message."""


class Doer(Struct, frozen=True):
    """Who does something, and from which address; without `user_id`, somebody at the command line."""

    user_id: UserId | None = None
    address: str | None = None

    def did(
        self, action: Action, target_type: TargetType, target_id: int, detail: Detail | None = None
    ) -> "AuditRecord":
        return AuditRecord(
            actor_id=self.user_id,
            action=action,
            target_type=target_type,
            target_id=target_id,
            ip_address=self.address,
            detail=detail or {},
        )


COMMAND_LINE = Doer()


class AuditRecord(Struct, frozen=True, kw_only=True):
    """An act to be recorded."""

    actor_id: UserId | None
    action: Action
    target_type: TargetType
    target_id: int
    ip_address: str | None = None
    detail: Detail = {}


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line of the audit log. `actor` is the user name that the actor has now.

    Without `actor_id` it was done at the command line.
    """

    id: int
    actor_id: UserId | None
    actor: str | None
    action: str
    target_type: str | None
    target_id: str | None
    ip_address: str | None
    detail: Detail
    created_at: datetime
