"""Deleted users leave whatever their place, and nothing is left without an owner."""

import pytest
from msgspec import structs

from actors.channel_commands import Identity, Withdraw
from actors.channel_state import ChannelState, apply
from actors.pipeline import CHANNEL_DECIDERS
from actors.withdrawal import OTHER_HEIR, decide_withdraw
from protocol.errors import Refusal
from protocol.facts import AnyFact, ChannelChanged, ChannelClosed, MemberLeft, RoleChanged
from protocol.ids import Seq, UserId
from protocol.resources import PublicProfile, Role
from tests.actors.making import ANN, BOB, CID, DOT, LATER, NOW, by, state


def withdraw(before: ChannelState, who: Identity, heir: PublicProfile | None = None) -> list[AnyFact]:
    facts = decide_withdraw(before, who, Withdraw(heir=heir), LATER)
    assert not isinstance(facts, Refusal), facts
    return facts


def after(before: ChannelState, who: Identity, heir: PublicProfile | None = None) -> ChannelState:
    for fact in withdraw(before, who, heir):
        before = apply(before, fact)
    return before


def test_a_member_leaves_even_the_archive_and_only_once() -> None:
    channel = state(is_archived=True)
    assert withdraw(channel, by(BOB)) == [MemberLeft(at=LATER, seq=Seq(2), user=BOB, joined_at=NOW)]
    assert withdraw(after(channel, by(BOB)), by(BOB)) == []


def test_an_owned_channel_passes_on_before_its_owner_leaves() -> None:
    channel = state(roles={ANN.id: "owner", BOB.id: "member", CID.id: "admin"})
    assert withdraw(channel, by(ANN), CID) == [
        RoleChanged(at=LATER, seq=Seq(2), user=CID, joined_at=NOW, role="owner"),
        RoleChanged(at=LATER, seq=Seq(3), user=ANN, joined_at=NOW, role="admin"),
        MemberLeft(at=LATER, seq=Seq(4), user=ANN, joined_at=NOW),
    ]
    left = after(channel, by(ANN), CID)
    assert (left.base.owner_id, left.role_of(CID.id), left.role_of(ANN.id)) == (CID.id, "owner", None)


@pytest.mark.parametrize(
    ("others", "heir"),
    [
        ({BOB.id: "member", CID.id: "admin", DOT.id: "admin"}, CID),
        ({DOT.id: "admin", CID.id: "admin"}, DOT),
        ({BOB.id: "member", CID.id: "member"}, BOB),
    ],
)
def test_the_oldest_admin_inherits_or_else_the_oldest_member(
    others: dict[UserId, Role], heir: PublicProfile
) -> None:
    owner: dict[UserId, Role] = {ANN.id: "owner"}
    channel = state(roles=owner | others)
    assert after(channel, by(ANN), heir).base.owner_id == heir.id


@pytest.mark.parametrize("heir", [None, BOB, DOT])
def test_another_heir_than_was_expected_is_asked_for_again(heir: PublicProfile | None) -> None:
    channel = state(roles={ANN.id: "owner", BOB.id: "member", CID.id: "admin"})
    assert decide_withdraw(channel, by(ANN), Withdraw(heir=heir), LATER) == OTHER_HEIR


@pytest.mark.parametrize("heir", [None, BOB])
def test_with_nobody_left_the_channel_closes(heir: PublicProfile | None) -> None:
    alone = state(roles={ANN.id: "owner"})
    assert withdraw(alone, by(ANN), heir) == [
        MemberLeft(at=LATER, seq=Seq(2), user=ANN, joined_at=NOW),
        ChannelClosed(at=LATER, seq=Seq(3)),
    ]


def test_bots_inherit_nothing() -> None:
    roles: dict[UserId, Role] = {ANN.id: "owner", BOB.id: "admin", CID.id: "member"}
    channel = state(roles=roles)
    bots = {user_id: structs.replace(channel.members[user_id], is_bot=True) for user_id in (BOB.id, CID.id)}
    one = structs.replace(channel, members=channel.members | {BOB.id: bots[BOB.id]})
    assert after(one, by(ANN), CID).base.owner_id == CID.id
    all_bots = structs.replace(channel, members=channel.members | bots)
    assert after(all_bots, by(ANN)).is_closed


def test_a_direct_channel_is_archived_for_the_other_side() -> None:
    channel = state(kind="direct", last_seq=5)
    (fact,) = withdraw(channel, by(ANN))
    assert isinstance(fact, ChannelChanged)
    assert (fact.seq, fact.channel.is_archived, fact.channel.member_count) == (6, True, 2)
    assert withdraw(after(channel, by(ANN)), by(BOB)) == []


def test_a_direct_channel_that_nobody_has_seen_stays_unseen() -> None:
    assert withdraw(state(kind="direct", last_seq=1), by(ANN)) == []


def test_channels_know_the_command() -> None:
    assert CHANNEL_DECIDERS[Withdraw] is decide_withdraw
