"""The check must pass a whole history and catch every broken one."""

from collections.abc import Sequence

import pytest

from loadtest.check import NOT_A_MESSAGE, ChannelLog, Findings, Posted
from protocol.frames import TEXT, server_frame

GOOD = [Posted(seq, 100 + seq, sender=1, number=seq, intended=seq) for seq in range(1, 7)]


def new_log(base: int = 0) -> ChannelLog:
    return ChannelLog(9, base, Findings())


def frame(posted: Posted) -> bytes:
    return server_frame(TEXT, b'{"message":%d}' % posted.message_id)


def see(log: ChannelLog, history: Sequence[Posted], cursor: int = 0) -> int:
    for posted in history:
        cursor = log.observe(cursor, posted, frame(posted))
    return cursor


def found(*histories: Sequence[Posted], acks: Sequence[Posted] = ()) -> dict[str, int]:
    """What is found when each member sees one of the histories, and these acks were given."""
    log = new_log()
    for posted in acks:
        log.acknowledged(posted.seq, posted.message_id)
    cursors = [see(log, history) for history in histories]
    log.settle()
    target = max((posted.seq for posted in acks), default=0)
    for cursor in cursors:
        log.must_have_reached(target, cursor, "somebody")
    return dict(log.findings.counts)


def swapped(history: Sequence[Posted], at: int) -> list[Posted]:
    """The same positions, with two neighbours' messages exchanged."""
    ids = [posted.message_id for posted in history]
    ids[at], ids[at + 1] = ids[at + 1], ids[at]
    return [posted._replace(message_id=id_, intended=0) for posted, id_ in zip(history, ids, strict=True)]


def test_a_whole_history_passes() -> None:
    assert found(GOOD, GOOD, GOOD, acks=GOOD) == {}


def test_acks_may_come_after_the_messages() -> None:
    log = new_log()
    see(log, GOOD)
    for posted in GOOD:
        log.acknowledged(posted.seq, posted.message_id)
    log.settle()
    assert not log.findings.counts


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (GOOD[:-1], "lost"),
        ([], "lost"),
        ([*GOOD[:2], *GOOD[3:]], "gap"),
        ([*GOOD[:3], GOOD[2], *GOOD[3:]], "repeated"),
        (swapped(GOOD, 2), "order"),
        ([*GOOD[:2], GOOD[3], GOOD[2], *GOOD[4:]], "gap"),
        ([GOOD[0]._replace(message_id=555), *GOOD[1:]], "order"),
    ],
    ids=["the last lost", "all lost", "a gap", "a duplicate", "swapped", "out of order", "another message"],
)
@pytest.mark.parametrize("first", [True, False], ids=["seen first", "seen second"])
def test_a_broken_history_is_caught(broken: list[Posted], kind: str, *, first: bool) -> None:
    histories = (broken, GOOD) if first else (GOOD, broken)
    assert kind in found(*histories, acks=GOOD)


def test_a_message_that_nobody_got_is_lost() -> None:
    assert found(GOOD[:-1], GOOD[:-1], acks=GOOD)["lost"] == 3  # the message, and one member's place twice


def test_an_ack_for_another_message_is_caught_whichever_comes_first() -> None:
    wrong = [GOOD[0]._replace(message_id=999)]
    assert found(GOOD, acks=wrong) == {"order": 1}
    log = new_log()
    see(log, GOOD)
    log.acknowledged(1, 999)
    assert log.findings.counts == {"order": 1}


def test_a_send_that_is_stored_twice_is_caught() -> None:
    again = Posted(7, 107, sender=1, number=3, intended=3)
    assert found([*GOOD, again], [*GOOD, again]) == {"doubled": 1}


def test_a_message_of_somebody_else_counts_as_a_position_only() -> None:
    foreign = [Posted(1, 55), Posted(2, 56)]
    assert found(foreign, foreign) == {}


def test_followed_frames_count_as_seen() -> None:
    log = new_log()
    see(log, GOOD)
    data = b"".join(map(frame, GOOD))
    assert log.follow(data, 0, 0) == (len(data), 6)
    assert log.intended(0, 6) == [1, 2, 3, 4, 5, 6]


def test_following_stops_at_the_first_difference() -> None:
    log = new_log()
    see(log, GOOD)
    start = len(frame(GOOD[0])) + len(frame(GOOD[1]))
    data = frame(GOOD[0]) + frame(GOOD[1]) + frame(GOOD[3])
    assert log.follow(data, 0, 0) == (start, 2)
    assert log.follow(data, start, 2) == (start, 2)


def test_a_member_who_is_far_behind_is_still_held_to_the_log() -> None:
    log = new_log()
    many = [Posted(seq, 100 + seq, 1, seq, seq) for seq in range(1, 5001)]
    see(log, many)
    assert log.frame_after(0) is None
    assert log.frame_after(4999) == frame(many[-1])
    assert log.frame_after(5000) is None
    assert see(log, many) == 5000
    assert not log.findings.counts
    see(log, [many[0], many[1]._replace(message_id=1)])
    assert log.findings.counts == {"order": 1}


def test_many_frames_are_followed_in_one_go() -> None:
    log = new_log()
    many = [Posted(seq, 100 + seq, 1, seq, seq) for seq in range(1, 1001)]
    see(log, many)
    data = b"".join(map(frame, many))
    assert log.follow(data, 0, 0) == (len(data), 1000)


def test_frames_are_kept_in_an_unbroken_run_only() -> None:
    log = new_log()
    see(log, GOOD[:2])
    log.observe_page(2, GOOD[2:4], 4, only_messages=True)
    assert log.frame_after(2) is None
    see(log, GOOD[4:], cursor=4)
    assert log.frame_after(4) == frame(GOOD[4])
    assert log.frame_after(1) is None


def test_a_log_may_begin_anywhere() -> None:
    log = new_log(base=3)
    assert see(log, GOOD[3:], cursor=3) == log.last == 6
    log.acknowledged(4, 104)
    log.settle()
    assert not log.findings.counts


class TestCatchUp:
    def test_a_whole_page_passes(self) -> None:
        log = new_log()
        see(log, GOOD)
        assert log.observe_page(2, GOOD[2:], 6, only_messages=True) == 6
        assert not log.findings.counts

    def test_rows_from_before_the_cursor_are_no_news(self) -> None:
        log = new_log()
        see(log, GOOD)
        assert log.observe_page(4, GOOD[2:], 6, only_messages=True) == 6
        assert not log.findings.counts

    @pytest.mark.parametrize("page", [GOOD[3:], GOOD[2:5], [GOOD[2], *GOOD[4:]]])
    def test_a_page_that_leaves_a_message_out_is_caught(self, page: list[Posted]) -> None:
        log = new_log()
        assert log.observe_page(2, page, 6, only_messages=True) == 6
        assert log.findings.counts == {"gap": 1}

    def test_a_page_with_other_changes_may_leave_positions_out(self) -> None:
        log = new_log()
        see(log, [*GOOD[:2], Posted(3, NOT_A_MESSAGE), *GOOD[3:5], Posted(6, NOT_A_MESSAGE)])
        page = [*GOOD[:2], *GOOD[3:5]]
        assert log.observe_page(0, page, 6, only_messages=False) == 6
        assert not log.findings.counts

    def test_but_not_those_of_messages(self) -> None:
        log = new_log()
        see(log, GOOD)
        log.observe_page(0, GOOD[1:5], 6, only_messages=False)
        assert log.findings.counts == {"lost": 2}


def test_logs_that_hold_the_same_have_the_same_digest() -> None:
    one, other, swap = new_log(), new_log(), new_log()
    see(one, GOOD)
    see(other, GOOD[:4])
    see(swap, swapped(GOOD, 1))
    assert one.digest(4) == other.digest(4)
    assert one.digest(6) != other.digest(6)
    assert one.digest(4) != swap.digest(4)


def test_only_the_first_cases_are_told_and_all_are_counted() -> None:
    findings = Findings()
    for number in range(100):
        findings.add("gap", f"number {number}")
    assert findings.counts == {"gap": 100}
    assert len(findings.examples) == 20
