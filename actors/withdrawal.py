"""How the users that are deleted leave a channel, whatever their place in it: pure."""

from datetime import datetime

from msgspec import structs

from actors.channel_commands import Identity, Withdraw
from actors.channel_state import ChannelState, Decision, Facts, next_seq
from protocol.errors import Code, Refusal
from protocol.facts import ChannelChanged, ChannelClosed, MemberLeft, RoleChanged
from protocol.ids import Seq, UserId
from protocol.resources import PublicProfile

OTHER_HEIR = Refusal(Code.CONFLICT, "Somebody else inherits the channel by now.")


def decide_withdraw(state: ChannelState, by: Identity, command: Withdraw, now: datetime) -> Decision:
    """Leave; what the asker owns passes on or, with no person left, closes. A direct channel is archived.

    Refused with `conflict` when the heir is not the one that the command names. Doing it again is no change.
    """
    if by.user_id not in state.members:
        return []
    if state.is_direct:
        return archive(state, now)
    if state.base.owner_id != by.user_id:
        return [departure(state, by, next_seq(state), now)]
    heir_id = heir_of(state)
    if heir_id is None:
        left = departure(state, by, next_seq(state), now)
        return [left, ChannelClosed(at=now, seq=Seq(left.seq + 1))]
    if command.heir is None or command.heir.id != heir_id:
        return OTHER_HEIR
    return [
        *succession(state, by, command.heir, now),
        departure(state, by, Seq(state.last_seq + 3), now),
    ]


def heir_of(state: ChannelState) -> UserId | None:
    """Who comes after the owner: the oldest admin, or else the oldest member. Bots inherit nothing."""
    # They are in the order of joining.
    others = [member for member in state.members.values() if member.role != "owner" and not member.is_bot]
    admins = [member for member in others if member.role == "admin"]
    return next((member.user_id for member in (*admins, *others)), None)


def succession(state: ChannelState, by: Identity, heir: PublicProfile, now: datetime) -> Facts:
    """As when the owner hands over."""
    seq = next_seq(state)
    old, new = state.members[by.user_id], state.members[heir.id]
    return [
        RoleChanged(at=now, seq=seq, user=heir, joined_at=new.joined_at, role="owner"),
        RoleChanged(at=now, seq=Seq(seq + 1), user=by.profile, joined_at=old.joined_at, role="admin"),
    ]


def departure(state: ChannelState, by: Identity, seq: Seq, now: datetime) -> MemberLeft:
    return MemberLeft(at=now, seq=seq, user=by.profile, joined_at=state.members[by.user_id].joined_at)


def archive(state: ChannelState, now: datetime) -> Decision:
    """The other side keeps what was said, and can say no more. What was never spoken in stays unseen."""
    if state.base.is_archived or state.is_unspoken:
        return []
    seq = next_seq(state)
    info = structs.replace(state.info, is_archived=True, last_seq=seq, updated_at=now)
    return [ChannelChanged(at=now, seq=seq, channel=info)]
