"""Who runs a channel leaves a line in the audit log, in the commit of what they do; others leave none."""

from typing import Any

import pytest

from actors.channel_commands import (
    Ask,
    ChangeChannel,
    ChannelCommand,
    CloseChannel,
    CreateInvite,
    DeleteMessage,
    EditMessage,
    JoinChannel,
    LeaveChannel,
    RemoveMember,
    Result,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.channel_state import ChannelState
from actors.pipeline import Pipeline
from protocol.audit import AuditRecord
from protocol.facts import Audited
from protocol.ids import MessageId, UserId
from protocol.resources import Message, PublicProfile, Role
from tests.actors.making import ANN, BOB, CHANNEL, CID, DOT, LATER, NOW, by, invite, message, state

ROLES: dict[UserId, Role] = {ANN.id: "owner", BOB.id: "admin", CID.id: "member"}
ADDRESS = "192.0.2.7"
CODE = "secret-code"


def recorded(
    before: ChannelState, who: PublicProfile, command: ChannelCommand, about: Message | None = None
) -> list[AuditRecord]:
    """What deciding this puts into the audit log."""
    pipeline = Pipeline(before)
    answers: list[Result] = []
    ask = Ask(by(who, address=ADDRESS), command, answers.append)
    assert pipeline.decide(ask, LATER, about) is None
    batch = pipeline.close_batch()
    facts = batch.part.facts if batch is not None else ()
    assert all(fact.at == LATER for fact in facts)
    return [fact.record for fact in facts if isinstance(fact, Audited)]


TWO_PM = NOW.replace(hour=14)
ACTS: list[tuple[ChannelCommand, str, str, int, dict[str, Any]]] = [
    (RemoveMember(member=CID), "member.removed", "user", CID.id, {"channel_id": CHANNEL}),
    (
        SetRole(member=CID, role="admin"),
        "member.role_changed",
        "user",
        CID.id,
        {"channel_id": CHANNEL, "role": "admin", "before": "member"},
    ),
    (
        SetRole(member=BOB, role="owner"),
        "member.role_changed",
        "user",
        BOB.id,
        {"channel_id": CHANNEL, "role": "owner", "before": "admin"},
    ),
    (
        ChangeChannel(name="two", description="long", is_archived=False),
        "channel.changed",
        "channel",
        CHANNEL,
        {"changed": ["description", "name"], "name": "two"},
    ),
    (
        SetPrivacy(is_private=True, join_code=CODE),
        "channel.privacy_changed",
        "channel",
        CHANNEL,
        {"is_private": True},
    ),
    (CloseChannel(), "channel.closed", "channel", CHANNEL, {"name": "one", "owner_id": ANN.id}),
    (
        CreateInvite(join_code=CODE, expires_at=TWO_PM, max_uses=3),
        "invite.created",
        "channel",
        CHANNEL,
        {"expires_at": TWO_PM.isoformat(), "max_uses": 3},
    ),
    (
        CreateInvite(join_code=CODE, expires_at=None, max_uses=None),
        "invite.created",
        "channel",
        CHANNEL,
        {"expires_at": None, "max_uses": None},
    ),
    (RevokeInvite(join_code="x"), "invite.revoked", "channel", CHANNEL, {"was_standing": True}),
]


@pytest.mark.parametrize(
    ("command", "action", "target_type", "target_id", "detail"), ACTS, ids=[act[1] for act in ACTS]
)
def test_what_those_do_who_run_a_channel_is_recorded(
    command: ChannelCommand, action: Any, target_type: Any, target_id: int, detail: dict[str, Any]
) -> None:
    channel = state(roles=ROLES, invites=(invite("x"),))
    assert recorded(channel, ANN, command) == [
        AuditRecord(
            actor_id=ANN.id,
            action=action,
            target_type=target_type,
            target_id=target_id,
            ip_address=ADDRESS,
            detail=detail,
        )
    ]


def test_deleting_somebody_elses_message_is_recorded_and_deleting_ones_own_is_not() -> None:
    channel, command = state(roles=ROLES), DeleteMessage(message_id=MessageId(1))
    (record,) = recorded(channel, BOB, command, message(1, sender=CID))
    assert (record.action, record.target_type, record.target_id) == ("message.deleted", "message", 1)
    assert record.detail == {"channel_id": CHANNEL, "sender_id": CID.id}
    assert recorded(channel, BOB, command, message(1, sender=BOB)) == []


@pytest.mark.parametrize(
    ("who", "command"),
    [
        (CID, LeaveChannel()),
        (DOT, JoinChannel()),
        (ANN, SetRole(member=CID, role="member")),
        (ANN, SetPrivacy(is_private=False, join_code=CODE)),
        (ANN, ChangeChannel(name="one")),
    ],
)
def test_what_members_do_and_what_changes_nothing_is_not(who: PublicProfile, command: ChannelCommand) -> None:
    assert recorded(state(roles=ROLES), who, command) == []


def test_editing_ones_message_is_not() -> None:
    command = EditMessage(message_id=MessageId(1), content="new")
    assert recorded(state(roles=ROLES), CID, command, message(1, sender=CID)) == []
