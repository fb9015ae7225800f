"""The recent changes in memory."""

from actors.recent import Recent
from protocol.ids import MessageId, Seq
from protocol.resources import MemberChange
from tests.actors.making import ANN, BOB, NOW, message, state
from tests.simulation.seeds import changed

INFO = state(last_seq=9).info


def filled(*, floor: int = 1) -> Recent:
    """Messages 1 to 4 at 2 to 5; the first edited at 6, a member at 7, the channel at 8, the second at 9."""
    recent = Recent(Seq(floor))
    for number in (1, 2, 3, 4):
        recent.put_message(Seq(number + 1), message(number, number + 1, nonce=f"n{number}"))
    recent.put_message(Seq(6), message(1, 2, content="edited", nonce="n1"))
    recent.put_member(Seq(7), MemberChange(BOB, "admin", NOW))
    recent.put_channel(Seq(8))
    recent.put_message(Seq(9), message(2, 3, content="edited", nonce="n2"))
    return recent


def test_what_changed_comes_as_it_is_now_by_its_last_change() -> None:
    changes = filled().since(Seq(3), INFO)
    assert changes is not None
    assert [found.id for found in changes.messages] == [3, 4, 1, 2]
    assert [found.content for found in changes.messages][2:] == ["edited", "edited"]
    assert [member.user for member in changes.members] == [BOB]
    assert (changes.to, changes.last_seq, changes.channel, changes.more) == (9, 9, INFO, False)


def test_the_channel_is_there_only_when_it_or_its_members_changed() -> None:
    changes = filled().since(Seq(8), INFO)
    assert changes is not None
    assert (len(changes.messages), changes.members, changes.channel) == (1, (), None)


def test_nothing_after_the_end_is_an_empty_page() -> None:
    changes = filled().since(Seq(9), INFO)
    assert changes is not None
    assert (changes.messages, changes.members, changes.channel) == ((), (), None)


def test_memory_says_when_it_does_not_reach_back_far_enough() -> None:
    recent = filled(floor=2)
    assert recent.since(Seq(1), INFO) is None
    assert recent.since(Seq(2), INFO) is not None


def test_history_is_by_position_newest_first_or_oldest_after_a_cursor() -> None:
    recent = filled()
    assert [found.seq for found in recent.history(None, None, 2) or ()] == [5, 4]
    assert [found.seq for found in recent.history(Seq(5), None, 2) or ()] == [4, 3]
    assert [found.seq for found in recent.history(None, Seq(2), 2) or ()] == [3, 4]
    assert [found.seq for found in recent.history(Seq(5), Seq(2), 9) or ()] == [3, 4]


def test_history_that_goes_back_further_is_left_to_the_database() -> None:
    recent = filled()
    assert recent.history(None, None, 5) is None
    assert recent.history(Seq(2), None, 1) is None
    assert recent.history(None, Seq(0), 1) is None
    assert [found.seq for found in filled(floor=0).history(None, None, 9) or ()] == [5, 4, 3, 2]


def test_messages_are_found_by_id_and_by_nonce() -> None:
    recent = filled()
    found = recent.by_nonce((ANN.id, "n2"))
    assert found is not None
    assert (found.id, found.content) == (2, "edited")
    assert recent.by_nonce((BOB.id, "n2")) is None
    assert recent.message(MessageId(404)) is None
    assert recent.message(MessageId(-BOB.id)) is None


def test_rows_are_bounded_and_the_oldest_change_goes_first() -> None:
    with changed(recent__RECENT_MAX_ROWS=3):
        recent = filled()
        assert recent.floor == 6
        assert recent.message(MessageId(1)) is None
        assert recent.by_nonce((ANN.id, "n1")) is None
        assert recent.message(MessageId(2)) is not None
        assert recent.since(Seq(6), INFO) is not None


def test_characters_are_bounded() -> None:
    with changed(recent__RECENT_MAX_CHARS=20):
        recent = Recent(Seq(0))
        recent.put_message(Seq(1), message(1, 1, content="x" * 15))
        recent.put_message(Seq(2), message(1, 1, content="y" * 15))
        assert recent.floor == 0
        recent.put_message(Seq(3), message(2, 3, content="z" * 15))
        assert recent.floor == 2
        recent.put_message(Seq(4), message(3, 4, content="z" * 50))
        assert (recent.floor, recent.message(MessageId(3))) == (4, None)
