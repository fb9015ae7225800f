"""The messages that a channel has in memory."""

import pytest

from actors.channel_state import ChannelState
from actors.known_messages import OLDER_MAX_MESSAGES, KnownMessages
from actors.recent import Recent
from protocol.facts import (
    Changes,
    ChannelChanged,
    ChannelClosed,
    MemberJoined,
    MemberLeft,
    MessageEdited,
    NumberedFact,
    PrivacyChanged,
    RoleChanged,
)
from protocol.ids import MessageId, Seq
from protocol.resources import MemberChange, Message
from tests.actors.making import ANN, BOB, CID, LATER, NOW, message, posted, state


class Memory:
    """What is known, and the recent changes below it."""

    def __init__(self, channel: ChannelState | None = None) -> None:
        self.recent = Recent(Seq(1))
        self.known = KnownMessages(self.recent, channel or state())

    def post(self, made: Message) -> None:
        self.known.learn(posted(made.seq), made)

    def changes(self) -> Changes:
        changes = self.recent.since(Seq(1), state(last_seq=9).info)
        assert changes is not None
        return changes


def direct(message_id: int = 1, seq: int = 2, **fields: object) -> Message:
    """Ann's message to Bob."""
    return message(message_id, seq, ANN, **({"recipient_id": BOB.id, "is_read": False} | fields))


def test_a_committed_message_is_known_as_it_is_now() -> None:
    memory = Memory()
    assert memory.known.get(MessageId(1)) is None
    memory.post(message())
    assert memory.known.get(MessageId(1)) == message()
    edited = message(content="new")
    memory.known.learn(MessageEdited(at=LATER, seq=Seq(3), message=edited, previous="text 1"), edited)
    assert memory.known.get(MessageId(1)) == edited
    assert memory.changes().messages == (edited,)


def test_an_older_message_is_kept_until_others_need_the_room() -> None:
    known = Memory().known
    for number in range(1, OLDER_MAX_MESSAGES + 1):
        known.keep(message(number))
    assert known.get(MessageId(1)) is not None
    known.keep(message(99))
    assert known.get(MessageId(1)) is None
    assert known.get(MessageId(2)) is not None
    assert known.get(MessageId(99)) is not None


def test_an_older_message_that_changes_is_known_as_it_is_now_only() -> None:
    memory = Memory()
    memory.known.keep(message())
    edited = message(content="new")
    memory.known.learn(MessageEdited(at=LATER, seq=Seq(5), message=edited, previous="text 1"), edited)
    assert memory.known.get(MessageId(1)) == edited
    for number in range(1, 300):
        memory.recent.put_message(Seq(5 + number), message(10 + number, 5 + number))
    assert memory.known.get(MessageId(1)) is None


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (
            MemberJoined(at=LATER, seq=Seq(2), user=CID, role="member"),
            MemberChange(CID, "member", LATER),
        ),
        (
            MemberLeft(at=LATER, seq=Seq(2), user=BOB, joined_at=NOW),
            MemberChange(BOB, None, NOW, LATER),
        ),
        (
            RoleChanged(at=LATER, seq=Seq(2), user=BOB, joined_at=NOW, role="admin"),
            MemberChange(BOB, "admin", NOW),
        ),
    ],
)
def test_memberships_are_remembered_as_they_are_now(fact: NumberedFact, expected: MemberChange) -> None:
    memory = Memory()
    memory.known.learn(fact, None)
    assert memory.changes().members == (expected,)


@pytest.mark.parametrize(
    "fact",
    [
        ChannelChanged(at=LATER, seq=Seq(2), channel=state().info),
        PrivacyChanged(at=LATER, seq=Seq(2), channel=state().info, join_code=None),
    ],
)
def test_that_the_channel_changed_is_remembered(fact: NumberedFact) -> None:
    memory = Memory()
    memory.known.learn(fact, None)
    assert memory.changes().channel is not None


def test_a_closed_channel_has_nothing_to_remember() -> None:
    memory = Memory()
    memory.known.learn(ChannelClosed(at=LATER, seq=Seq(2)), None)
    changes = memory.changes()
    assert (changes.messages, changes.members, changes.channel) == ((), (), None)


# What was read.


def is_read(known: KnownMessages, message_id: int) -> object:
    found = known.get(MessageId(message_id))
    assert found is not None
    return found.is_read


def test_a_direct_message_is_read_once_the_marker_of_its_reader_is_there() -> None:
    memory = Memory(state(kind="direct"))
    memory.post(direct(1, 2))
    memory.post(direct(2, 3))
    assert (is_read(memory.known, 1), is_read(memory.known, 2)) == (False, False)
    assert memory.known.mark_read(BOB.id, Seq(2))
    assert (is_read(memory.known, 1), is_read(memory.known, 2)) == (True, False)


def test_what_the_database_said_of_reading_gives_way_to_the_markers() -> None:
    known = Memory(state(kind="direct")).known
    assert known.view(direct(is_read=True)).is_read is False
    unread = direct()
    assert known.view(unread) is unread


def test_a_message_to_a_channel_is_neither_read_nor_unread() -> None:
    known = Memory().known
    known.mark_read(BOB.id, Seq(9))
    plain = message()
    assert known.view(plain) is plain


def test_markers_never_go_back() -> None:
    memory = Memory(state(kind="direct"))
    memory.post(direct())
    assert memory.known.mark_read(BOB.id, Seq(5))
    assert memory.known.mark_read(BOB.id, Seq(5))
    assert not memory.known.mark_read(BOB.id, Seq(1))
    assert is_read(memory.known, 1)


def test_whoever_answers_has_read_what_came_before() -> None:
    memory = Memory(state(kind="direct"))
    memory.post(direct(1, 2))
    memory.post(message(2, 3, BOB, recipient_id=ANN.id, is_read=False))
    assert (is_read(memory.known, 1), is_read(memory.known, 2)) == (True, False)


def test_editing_reads_nothing() -> None:
    memory = Memory(state(kind="direct"))
    memory.post(message(1, 2, BOB, recipient_id=ANN.id, is_read=False))
    memory.post(direct(2, 3))
    edited = message(1, 2, BOB, recipient_id=ANN.id, is_read=False, content="new")
    memory.known.learn(MessageEdited(at=LATER, seq=Seq(4), message=edited, previous="text 1"), edited)
    assert is_read(memory.known, 2) is False


def test_markers_start_where_the_members_stand() -> None:
    channel = state(kind="direct")
    assert Memory(channel).known.mark_read(BOB.id, Seq(0))
    rows = {row.user_id: type(row)(row.user_id, row.role, NOW, Seq(4)) for row in channel.members.values()}
    moved = Memory(type(channel)(channel.base, Seq(4), rows, {}, None))
    assert not moved.known.mark_read(BOB.id, Seq(3))
    moved.post(direct(1, 4))
    assert is_read(moved.known, 1)
