"""What the audit log says of a decision in a channel: pure.

Acts of those who run a channel are recorded in the commit that they are written in; what members do in their
own name is not.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET, structs

from actors.channel_commands import (
    ChangeChannel,
    ChannelCommand,
    CloseChannel,
    CreateInvite,
    DeleteMessage,
    Identity,
    RemoveMember,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.channel_state import ChannelState
from protocol.audit import AuditRecord, Doer
from protocol.facts import AnyFact, Audited
from protocol.resources import Message


def audited(
    state: ChannelState,
    by: Identity,
    command: ChannelCommand,
    facts: Sequence[AnyFact],
    message: Message | None,
) -> list[AnyFact]:
    """What to commit beside `facts`, decided in this `state` for one of the `DESCRIPTIONS`."""
    if not facts:
        return []
    record = DESCRIPTIONS[type(command)](state, Doer(by.user_id, by.address), command, message)
    return [] if record is None else [Audited(at=facts[0].at, record=record)]


def removal(state: ChannelState, by: Doer, command: RemoveMember, _: Message | None) -> AuditRecord:
    detail = {"channel_id": state.base.id}
    return by.did("member.removed", "user", command.member.id, detail)


def role_change(state: ChannelState, by: Doer, command: SetRole, _: Message | None) -> AuditRecord:
    before = state.role_of(command.member.id)
    detail = {"channel_id": state.base.id, "role": command.role, "before": before}
    return by.did("member.role_changed", "user", command.member.id, detail)


def change(state: ChannelState, by: Doer, command: ChangeChannel, _: Message | None) -> AuditRecord:
    """What it is called is told; a description may be long, and is only named."""
    asked = {name: value for name, value in structs.asdict(command).items() if value is not UNSET}
    changed = {name: value for name, value in asked.items() if getattr(state.base, name) != value}
    detail: dict[str, Any] = {"changed": sorted(changed)} | {
        name: value for name, value in changed.items() if name != "description"
    }
    return by.did("channel.changed", "channel", state.base.id, detail)


def privacy(state: ChannelState, by: Doer, command: SetPrivacy, _: Message | None) -> AuditRecord:
    detail = {"is_private": command.is_private}
    return by.did("channel.privacy_changed", "channel", state.base.id, detail)


def closing(state: ChannelState, by: Doer, _: CloseChannel, __: Message | None) -> AuditRecord:
    detail = {"name": state.base.name, "owner_id": state.base.owner_id}
    return by.did("channel.closed", "channel", state.base.id, detail)


def invitation(state: ChannelState, by: Doer, command: CreateInvite, _: Message | None) -> AuditRecord:
    """Without its code: whoever knows that may join."""
    expires_at = None if command.expires_at is None else command.expires_at.isoformat()
    detail = {"expires_at": expires_at, "max_uses": command.max_uses}
    return by.did("invite.created", "channel", state.base.id, detail)


def revocation(state: ChannelState, by: Doer, command: RevokeInvite, _: Message | None) -> AuditRecord:
    detail = {"was_standing": state.join_code == command.join_code}
    return by.did("invite.revoked", "channel", state.base.id, detail)


def deletion(
    state: ChannelState, by: Doer, command: DeleteMessage, message: Message | None
) -> AuditRecord | None:
    """Of somebody else's message."""
    if message is None or message.sender_id == by.user_id:
        return None
    detail = {"channel_id": state.base.id, "sender_id": message.sender_id}
    return by.did("message.deleted", "message", command.message_id, detail)


Describe = Callable[[ChannelState, Doer, Any, Message | None], AuditRecord | None]

DESCRIPTIONS: dict[type[ChannelCommand], Describe] = {
    RemoveMember: removal,
    SetRole: role_change,
    ChangeChannel: change,
    SetPrivacy: privacy,
    CloseChannel: closing,
    CreateInvite: invitation,
    RevokeInvite: revocation,
    DeleteMessage: deletion,
}
