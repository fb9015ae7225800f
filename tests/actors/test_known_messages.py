"""Messages in memory, and what has been read of them."""

from actors.known_messages import KnownMessages
from actors.recent import Recent
from protocol.facts import ChannelChanged, ChannelClosed, MemberJoined, MemberLeft, RoleChanged
from protocol.ids import MessageId, Seq
from tests.actors.making import ANN, BOB, CID, NOW, message, posted, state
from tests.simulation.seeds import changed


def known(kind: str = "channel") -> tuple[KnownMessages, Recent]:
    recent = Recent(Seq(1))
    return KnownMessages(recent, state(kind="direct" if kind == "direct" else "channel")), recent


def test_a_fetched_message_is_remembered_while_there_is_room() -> None:
    messages, _ = known()
    with changed(known_messages__OLDER_MAX_MESSAGES=2):
        for number in (1, 2, 3):
            messages.keep(message(number))
    assert [messages.get(MessageId(number)) is not None for number in (1, 2, 3)] == [False, True, True]


def test_a_committed_message_takes_the_place_of_a_fetched_one() -> None:
    messages, _ = known()
    messages.keep(message(1))
    messages.learn(posted(2), message(1, content="newer"))
    found = messages.get(MessageId(1))
    assert found is not None
    assert found.content == "newer"


def test_rows_of_members_and_of_the_channel_are_remembered() -> None:
    messages, recent = known()
    channel = state()
    messages.learn(MemberJoined(at=NOW, seq=Seq(2), user=CID, role="member"), None)
    messages.learn(RoleChanged(at=NOW, seq=Seq(3), user=CID, joined_at=NOW, role="admin"), None)
    messages.learn(MemberLeft(at=NOW, seq=Seq(4), user=BOB, joined_at=NOW), None)
    messages.learn(ChannelChanged(at=NOW, seq=Seq(5), channel=channel.info), None)
    messages.learn(ChannelClosed(at=NOW, seq=Seq(6)), None)
    changes = recent.since(Seq(1), channel.info)
    assert changes is not None
    assert [(row.user, row.role, row.left_at) for row in changes.members] == [
        (CID, "admin", None),
        (BOB, None, NOW),
    ]
    assert changes.channel == channel.info


def test_a_direct_message_is_read_when_its_recipient_has_come_so_far() -> None:
    messages, _ = known("direct")
    messages.learn(posted(2), message(1, 2, recipient_id=BOB.id, is_read=False))
    seen = [messages.get(MessageId(1))]
    messages.mark_read(BOB.id, Seq(2))
    seen.append(messages.get(MessageId(1)))
    assert [found.is_read for found in seen if found] == [False, True]


def test_writing_shows_that_one_has_read() -> None:
    messages, _ = known("direct")
    messages.learn(posted(2), message(1, 2, recipient_id=BOB.id, is_read=False))
    messages.learn(posted(3), message(2, 3, sender=BOB, recipient_id=ANN.id, is_read=False))
    found = messages.get(MessageId(1))
    assert found is not None
    assert found.is_read is True


def test_markers_never_go_back_and_where_they_stand_may_be_news() -> None:
    messages, _ = known("direct")
    assert messages.mark_read(BOB.id, Seq(5))
    assert messages.mark_read(BOB.id, Seq(5))
    assert not messages.mark_read(BOB.id, Seq(4))
