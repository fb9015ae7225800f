"""Committed facts as events, and who hears which of them."""

from typing import Any

import pytest
from msgspec import structs

from actors.announce import Announcement, Shown, event_of
from actors.channel_state import ChannelState, apply
from actors.fanout import Fanout
from actors.missed import make_good, tell_gone
from actors.user_mail import Behind, Refresh
from protocol.events import ChannelAdded, ChannelRemoved, Sequenced
from protocol.facts import (
    ChannelClosed,
    MemberJoined,
    MemberLeft,
    MessagePosted,
    NumberedFact,
    RoleChanged,
)
from protocol.ids import Seq
from protocol.resources import PublicProfile
from tests.actors.making import ANN, BOB, CHANNEL, CID, DOT, NOW, message, posted, state
from tests.actors.scene import Listener


class Room:
    """A channel of Ann and Bob at 1, with sockets."""

    def __init__(self, before: ChannelState | None = None) -> None:
        self.fanout = Fanout()
        self.before = before or state()
        self.fanout.open(CHANNEL, self.before.last_seq)

    def enter(self, profile: PublicProfile, *, hears: bool = True, is_live: bool = True) -> Listener:
        listener = Listener(profile)
        listener.is_live = is_live
        self.fanout.register(listener)
        if hears:
            self.fanout.subscribe(CHANNEL, listener, self.before.last_seq)
        return listener

    def commit(self, *facts: NumberedFact) -> ChannelState:
        after = self.before
        shown = []
        for fact in facts:
            after = apply(after, fact)
            is_post = isinstance(fact, MessagePosted)
            shown.append(Shown(fact, message(fact.seq, fact.seq) if is_post else None))
        Announcement(self.fanout, self.before, after).make(shown)
        return after


def joined(seq: int, profile: PublicProfile) -> MemberJoined:
    return MemberJoined(at=NOW, seq=Seq(seq), user=profile, role="member")


def left(seq: int, profile: PublicProfile, removed_by: Any = None) -> MemberLeft:
    return MemberLeft(at=NOW, seq=Seq(seq), user=profile, joined_at=NOW, removed_by=removed_by)


def said(listener: Listener) -> list[Any]:
    """Numbers of changes; the names of other events."""
    return [e.seq if isinstance(e, Sequenced) else type(e).__name__ for e in listener.heard]


def test_a_batch_without_members_coming_or_going_is_one_write() -> None:
    room = Room()
    ann = room.enter(ANN)
    room.commit(posted(2), posted(3), posted(4))
    assert (said(ann), ann.writes, room.fanout.position(CHANNEL)) == ([2, 3, 4], 1, 4)


def test_a_batch_is_split_where_somebody_joins() -> None:
    room = Room()
    ann, cid = room.enter(ANN), room.enter(CID, hears=False)
    room.commit(posted(2), joined(3, CID), posted(4))
    assert said(ann) == [2, 3, 4]
    assert said(cid) == ["ChannelAdded", 3, 4]
    added = cid.only(ChannelAdded)[0].channel
    assert (added.last_seq, added.read_seq, added.unread_count) == (2, 2, 0)
    assert (added.my_role, added.member_count) == ("member", 2)


def test_a_batch_is_split_where_somebody_leaves() -> None:
    room = Room()
    ann, bob = room.enter(ANN), room.enter(BOB)
    room.commit(posted(2), left(3, BOB, ANN.id), posted(4))
    assert said(ann) == [2, 3, 4]
    assert said(bob) == [2, 3, "ChannelRemoved"]
    assert bob.only(ChannelRemoved)[0].reason == "removed"


def test_who_leaves_and_joins_in_one_batch_hears_what_is_theirs() -> None:
    room = Room()
    bob = room.enter(BOB)
    room.commit(posted(2), left(3, BOB), posted(4), joined(5, BOB), posted(6))
    assert said(bob) == [2, 3, "ChannelRemoved", "ChannelAdded", 5, 6]
    assert bob.only(ChannelRemoved)[0].reason == "left"
    assert bob.only(ChannelAdded)[0].channel.last_seq == 4


def test_sockets_that_are_not_live_get_a_fresh_ready_instead() -> None:
    room = Room()
    cid, bob = room.enter(CID, hears=False, is_live=False), room.enter(BOB, hears=False, is_live=False)
    bob.cursors[CHANNEL] = Seq(1)
    room.commit(joined(2, CID), left(3, BOB))
    assert (cid.heard, cid.is_stale, bob.heard, bob.is_stale) == ([], True, [], True)
    assert bob.cursors == {CHANNEL: 1}
    assert room.fanout.audience(CHANNEL) == []


def test_who_is_removed_while_catching_up_is_caught_up_no_further() -> None:
    room = Room()
    bob = room.enter(BOB, hears=False)
    bob.cursors[CHANNEL] = Seq(1)
    room.commit(left(2, BOB))
    assert (said(bob), bob.cursors) == (["ChannelRemoved"], {})


def test_who_hears_already_is_not_let_in_again() -> None:
    room = Room()
    cid = room.enter(CID)
    room.commit(joined(2, CID))
    assert said(cid) == [2]


def test_a_closed_channel_is_gone_for_everybody() -> None:
    room = Room()
    ann, bob, late = room.enter(ANN), room.enter(BOB, hears=False), room.enter(CID, hears=False)
    room.commit(joined(2, CID), posted(3), ChannelClosed(at=NOW, seq=Seq(4)))
    assert said(ann) == [2, 3, "ChannelRemoved"]
    assert said(bob) == ["ChannelRemoved"]
    assert said(late) == ["ChannelAdded", 2, 3, "ChannelRemoved"]
    assert ann.only(ChannelRemoved)[0].reason == "deleted"


def test_the_last_to_leave_is_told_once() -> None:
    room = Room(state(roles={ANN.id: "owner"}))
    ann = room.enter(ANN)
    room.commit(left(2, ANN), ChannelClosed(at=NOW, seq=Seq(3)))
    assert said(ann) == [2, "ChannelRemoved"]


def test_both_sides_of_a_direct_channel_are_let_in_by_its_first_message() -> None:
    room = Room(state(kind="direct"))
    ann, bob = room.enter(ANN, hears=False), room.enter(BOB, hears=False)
    announcement = Announcement(room.fanout, room.before, apply(room.before, posted(2)))
    announcement.admit_both(Seq(1))
    announcement.make([Shown(posted(2), message(1, 2))])
    for listener in (ann, bob):
        assert said(listener) == ["ChannelAdded", 2]
        assert listener.only(ChannelAdded)[0].channel.read_seq == 0


@pytest.mark.parametrize(
    "fact",
    [
        joined(2, CID),
        left(2, CID, ANN.id),
        RoleChanged(at=NOW, seq=Seq(2), user=CID, joined_at=NOW, role="admin"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_events_bear_channel_and_number(fact: NumberedFact) -> None:
    event = event_of(CHANNEL, fact, None)
    assert (event.channel_id, event.seq) == (CHANNEL, 2)


def test_a_closed_channel_has_no_event() -> None:
    closed = ChannelClosed(at=NOW, seq=Seq(2))
    with pytest.raises(ValueError, match="no audience"):
        event_of(CHANNEL, closed, None)


class Post:
    """A system that keeps the mail it is given."""

    def __init__(self) -> None:
        self.mail: list[Any] = []

    def put(self, address: Any, mail: Any) -> None:
        self.mail.append((address, mail))


def post_box() -> Any:
    return Post()


def test_who_missed_something_is_caught_up_and_who_should_hear_is_refreshed() -> None:
    room, post = Room(), post_box()
    ann, bob, elsewhere = room.enter(ANN), room.enter(BOB, hears=False), room.enter(DOT, hears=False)
    make_good(post, room.fanout, structs.replace(room.before, last_seq=Seq(4)))
    assert post.mail == [(("user", ANN.id), Behind(ann)), (("user", BOB.id), Refresh(CHANNEL))]
    assert (ann.cursors, bob.is_stale, elsewhere.is_stale) == ({CHANNEL: 1}, True, False)


def test_nobody_is_disturbed_when_nothing_was_missed() -> None:
    room, post = Room(), post_box()
    room.enter(ANN)
    catching_up = room.enter(BOB, hears=False)
    catching_up.cursors[CHANNEL] = Seq(0)
    make_good(post, room.fanout, room.before)
    assert post.mail == []


def test_a_direct_channel_in_which_nothing_was_said_is_nobodys_news() -> None:
    room, post = Room(state(kind="direct")), post_box()
    room.enter(ANN, hears=False)
    make_good(post, room.fanout, room.before)
    assert post.mail == []


def test_a_channel_that_turns_out_to_be_deleted_is_removed() -> None:
    room = Room()
    ann = room.enter(ANN)
    tell_gone(room.fanout, CHANNEL)
    assert said(ann) == ["ChannelRemoved"]
    assert room.fanout.audience(CHANNEL) == []
