"""Random commands, decided and applied: what holds of every channel at any time."""

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.channel_commands import (
    ChangeChannel,
    ChannelCommand,
    CloseChannel,
    CreateInvite,
    JoinChannel,
    LeaveChannel,
    MoveMarker,
    PostMessage,
    RemoveMember,
    RevokeInvite,
    SetPrivacy,
    SetRole,
)
from actors.channel_state import DECIDERS, ChannelState, apply
from protocol.errors import Refusal
from protocol.facts import InviteCreated, MemberJoined, MessagePosted, Numbered, PrivacyChanged
from protocol.ids import Seq
from protocol.resources import PublicProfile
from tests.actors.making import ANN, BOB, CID, DOT, NOW, by, state

PEOPLE = st.sampled_from([ANN, BOB, CID, DOT])
CODES = st.sampled_from(["a", "b", "c"])
FLAGS = st.booleans()

COMMANDS: st.SearchStrategy[ChannelCommand] = st.one_of(
    st.builds(PostMessage, content=st.just("text"), nonce=st.none()),
    st.builds(JoinChannel, join_code=st.none() | CODES),
    st.just(LeaveChannel()),
    st.builds(RemoveMember, member=PEOPLE),
    st.builds(SetRole, member=PEOPLE, role=st.sampled_from(["owner", "admin", "member"])),
    st.builds(ChangeChannel, name=st.sampled_from(["one", "two"])),
    st.builds(ChangeChannel, is_archived=FLAGS),
    st.builds(SetPrivacy, is_private=FLAGS, join_code=CODES),
    st.builds(
        CreateInvite,
        join_code=CODES,
        expires_at=st.none() | st.just(NOW + timedelta(seconds=9)),
        max_uses=st.none() | st.integers(1, 2),
    ),
    st.builds(RevokeInvite, join_code=CODES),
    st.builds(MoveMarker, seq=st.integers(0, 99).map(Seq)),
)
WRITES = (MessagePosted, MemberJoined, InviteCreated, PrivacyChanged)


class ChannelMachine(RuleBasedStateMachine):
    """One channel; a closed one makes room for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.channel: ChannelState = state()
        self.now: datetime = NOW

    @rule(who=PEOPLE, command=COMMANDS)
    def ask(self, who: PublicProfile, command: ChannelCommand) -> None:
        self.decide(who, command)

    @rule(who=PEOPLE)
    def close(self, who: PublicProfile) -> None:
        self.decide(who, CloseChannel())

    @rule()
    def pass_time(self) -> None:
        self.now += timedelta(seconds=1)

    def decide(self, who: PublicProfile, command: ChannelCommand) -> None:
        before, copied = self.channel, snapshot(self.channel)
        decision = DECIDERS[type(command)](before, by(who), command, self.now)
        facts = [] if isinstance(decision, Refusal) else decision
        for fact in facts:
            self.channel = apply(self.channel, fact)
        numbers = [fact.seq for fact in facts if isinstance(fact, Numbered)]
        assert numbers == list(range(before.last_seq + 1, before.last_seq + 1 + len(numbers)))
        assert self.channel.last_seq == before.last_seq + len(numbers)
        assert facts or self.channel is before
        assert snapshot(before) == copied, "a state was changed in place"
        assert not (before.base.is_archived and any(isinstance(fact, WRITES) for fact in facts))
        assert command == JoinChannel() or not facts or who.id in before.members or is_by_invite(command)
        if self.channel.is_closed:
            assert not self.channel.members
            assert not self.channel.invites
            self.channel = state()

    @invariant()
    def exactly_one_member_owns_it(self) -> None:
        owners = [row.user_id for row in self.channel.members.values() if row.role == "owner"]
        assert owners == [self.channel.base.owner_id]

    @invariant()
    def what_is_shown_is_what_is(self) -> None:
        info = self.channel.info
        assert (info.member_count, info.last_seq) == (len(self.channel.members), self.channel.last_seq)

    @invariant()
    def no_invite_is_used_more_often_than_it_may_be(self) -> None:
        for code, invite in self.channel.invites.items():
            assert code == invite.join_code
            assert invite.max_uses is None or invite.uses <= invite.max_uses

    @invariant()
    def a_standing_code_is_that_of_a_live_invite(self) -> None:
        assert self.channel.join_code is None or self.channel.join_code in self.channel.invites


def is_by_invite(command: ChannelCommand) -> bool:
    return isinstance(command, JoinChannel) and command.join_code is not None


def snapshot(channel: ChannelState) -> tuple[object, ...]:
    """The channel with copies of what could be changed in place."""
    return (channel.base, channel.last_seq, dict(channel.members), dict(channel.invites), channel.join_code)


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
