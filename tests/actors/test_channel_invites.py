"""Invites into a channel: made, revoked, and for whom."""

from msgspec import structs

from actors.channel_commands import (
    CreateInvite,
    RevokeInvite,
)
from actors.channel_state import apply
from protocol.errors import Code
from protocol.facts import InviteCreated, InviteRevoked
from tests.actors.making import ANN, BOB, CID, LATER, by, invite, state
from tests.actors.test_channel_state import ROLES, after, code, decide


def test_an_invite_is_made_unused_and_takes_no_seq() -> None:
    channel = state(roles=ROLES)
    command = CreateInvite(join_code="x", expires_at=LATER, max_uses=3)
    (fact,) = decide(channel, by(BOB), command)
    made = invite("x", expires_at=LATER, max_uses=3)
    assert fact == InviteCreated(at=LATER, invite=made, created_by=BOB.id)
    assert apply(channel, fact) == structs.replace(channel, invites={"x": made})


def test_a_revoked_invite_is_gone_and_a_standing_one_with_its_code() -> None:
    channel = state(invites=(invite("standing"), invite("x")))
    assert decide(channel, by(ANN), RevokeInvite(join_code="x")) == [InviteRevoked(at=LATER, join_code="x")]
    revoked = after(channel, by(ANN), RevokeInvite(join_code="x"))
    assert (list(revoked.invites), revoked.join_code) == (["standing"], "standing")
    revoked = after(revoked, by(ANN), RevokeInvite(join_code="standing"))
    assert (revoked.invites, revoked.join_code, revoked.last_seq) == ({}, None, 1)


def test_invites_are_for_admins_of_channels_that_are_open() -> None:
    create = CreateInvite(join_code="x", expires_at=None, max_uses=None)
    channel = state(roles=ROLES, invites=(invite("x"),))
    assert code(channel, by(CID), create) == Code.FORBIDDEN
    assert code(state(is_archived=True), by(ANN), create) == Code.CHANNEL_ARCHIVED
    assert code(channel, by(CID), RevokeInvite(join_code="x")) == Code.FORBIDDEN
    assert code(channel, by(BOB), RevokeInvite(join_code="y")) == Code.NOT_FOUND


# Markers.
