"""Who hears what, and from where."""

from typing import Any

import pytest

from actors.fanout import GONE, Fanout
from protocol.codec import JSON, MSGPACK, Codec
from protocol.events import MemberLeft, TypingEvent
from protocol.ids import ChannelId, Seq
from tests.actors.making import ANN, BOB, CID
from tests.actors.scene import Listener
from tests.simulation.seeds import changed

ONE, TWO = ChannelId(1), ChannelId(2)


def left(seq: int) -> MemberLeft:
    return MemberLeft(channel_id=ONE, seq=Seq(seq), user_id=CID.id, removed_by=None)


def typing(channel_id: ChannelId = ONE) -> TypingEvent:
    return TypingEvent(channel_id=channel_id, user_id=CID.id)


@pytest.fixture
def fanout() -> Fanout:
    return Fanout()


def listener(
    fanout: Fanout, profile: Any = ANN, *channels: ChannelId, at: int = 1, **fields: Any
) -> Listener:
    made = Listener(profile, **fields)
    made.is_live = True
    fanout.register(made)
    for channel_id in channels:
        fanout.subscribe(channel_id, made, Seq(at))
    return made


def test_a_batch_is_one_write_for_each_socket_and_moves_the_audience(fanout: Fanout) -> None:
    ann, bob = listener(fanout, ANN, ONE), listener(fanout, BOB, TWO)
    fanout.deliver(ONE, [left(2), left(3)], Seq(3))
    assert (ann.heard, ann.writes) == ([left(2), left(3)], 1)
    assert bob.heard == []
    assert (fanout.position(ONE), fanout.position(TWO)) == (3, 1)


def test_every_codec_is_encoded_once(fanout: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, frames = [], Codec.frames

    def count(self: Codec, events: Any) -> bytes:
        encoded.append(self)
        return frames(self, events)

    monkeypatch.setattr(Codec, "frames", count)
    for number in range(3):
        listener(fanout, ANN, ONE, session_id=number)
    quiet = listener(fanout, BOB, ONE, codec=MSGPACK)
    fanout.unsubscribe(ONE, quiet)
    fanout.deliver(ONE, [left(2)], Seq(2))
    assert encoded == [JSON]


def test_nothing_to_say_is_not_written(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE)
    fanout.deliver(ONE, [], Seq(4))
    assert (ann.writes, fanout.position(ONE)) == (0, 4)


def test_whoever_leaves_hears_no_more(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE, TWO)
    ann.cursors[ONE] = Seq(1)
    fanout.unsubscribe(ONE, ann)
    fanout.unsubscribe(ONE, ann)
    fanout.deliver(ONE, [left(2)], Seq(2))
    assert (ann.heard, ann.cursors, [*ann.channels]) == ([], {}, [TWO])


def test_leaving_everything_tells_how_far_was_heard(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE, TWO)
    fanout.deliver(ONE, [left(2)], Seq(2))
    assert fanout.unsubscribe_all(ann) == {ONE: 2, TWO: 1}
    assert ann.channels == {}
    assert fanout.audience(ONE) == []


def test_subscribing_ends_catching_up(fanout: Fanout) -> None:
    ann = listener(fanout)
    ann.cursors[ONE] = Seq(1)
    fanout.subscribe(ONE, ann, Seq(4))
    assert ann.cursors == {}
    assert fanout.is_subscribed(ONE, ann)
    assert fanout.audience(ONE) == [ann]


def test_a_channel_that_loads_where_its_audience_stands_disturbs_nobody(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE, at=5)
    assert fanout.open(ONE, Seq(5)) == []
    assert fanout.audience(ONE) == [ann]


def test_a_channel_that_loads_further_on_takes_out_everybody_with_a_cursor(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE, at=5)
    assert fanout.open(ONE, Seq(7)) == [ann]
    assert (ann.cursors, [*ann.channels], fanout.position(ONE)) == ({ONE: 5}, [], 7)


def test_the_position_outlives_the_audience_while_the_channel_is_awake(fanout: Fanout) -> None:
    fanout.open(ONE, Seq(5))
    ann = listener(fanout, ANN, ONE, at=5)
    fanout.unregister(ann)
    assert fanout.position(ONE) == 5
    fanout.close(ONE)
    assert fanout.position(ONE) is None
    fanout.close(ONE)


def test_an_audience_outlives_the_sleep_of_its_channel_and_then_goes_with_its_last_socket(
    fanout: Fanout,
) -> None:
    fanout.open(ONE, Seq(5))
    ann = listener(fanout, ANN, ONE, at=5)
    fanout.close(ONE)
    assert fanout.audience(ONE) == [ann]
    fanout.unregister(ann)
    assert fanout.position(ONE) is None


def test_nobody_is_ever_where_a_lost_channel_was(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE, at=5)
    assert fanout.lose(ONE) == [ann]
    fanout.unsubscribe(ONE, ann)
    assert fanout.position(ONE) == GONE
    assert fanout.lose(TWO) == []


def test_a_users_sockets_are_found_and_forgotten(fanout: Fanout) -> None:
    one, other = listener(fanout, ANN, session_id=1), listener(fanout, ANN, session_id=2)
    assert fanout.connections_of(ANN.id) == (one, other)
    fanout.unregister(one)
    fanout.unregister(one)
    assert fanout.connections_of(ANN.id) == (other,)
    fanout.unregister(other)
    assert fanout.connections_of(ANN.id) == ()
    fanout.unregister(other)


def test_personal_news_go_to_live_sockets_and_make_the_ready_of_others_stale(fanout: Fanout) -> None:
    live, late = listener(fanout, ANN, session_id=1), listener(fanout, ANN, session_id=2)
    late.is_live = False
    fanout.tell_user(ANN.id, typing())
    assert (live.heard, late.heard) == ([typing()], [])
    assert (live.is_stale, late.is_stale) == (False, True)


def test_ephemeral_news_reach_everybody_once_who_keeps_up(fanout: Fanout) -> None:
    both, slow, own = listener(fanout, ANN, ONE, TWO), listener(fanout, BOB, ONE), listener(fanout, CID, ONE)
    slow.is_congested = True
    fanout.tell_channels([ONE, TWO, ChannelId(9)], typing(), except_user=CID.id)
    assert (both.heard, slow.heard, own.heard) == ([typing()], [], [])


def test_crowds_are_spared_ephemeral_news(fanout: Fanout) -> None:
    ann = listener(fanout, ANN, ONE)
    with changed(fanout__EPHEMERAL_MAX_AUDIENCE=0):
        fanout.tell_channels([ONE], typing())
    assert ann.heard == []


def test_news_of_a_user_reach_all_who_share_a_channel_however_many(fanout: Fanout) -> None:
    both = listener(fanout, ANN, ONE, TWO)
    with changed(fanout__EPHEMERAL_MAX_AUDIENCE=0):
        fanout.tell_sharers([ONE, TWO], typing())
    assert both.heard == [typing()]
