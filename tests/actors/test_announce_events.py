"""What members see of each kind of fact."""

import pytest

from actors.announce import event_of
from protocol import events, facts
from protocol.events import SequencedEvent
from protocol.facts import NumberedFact
from protocol.ids import MessageId, Seq
from protocol.resources import Message
from tests.actors.making import ANN, BOB, CHANNEL, CID, LATER, NOW, message, posted, state

SEQ = Seq(5)
INFO = state(last_seq=5).info


@pytest.mark.parametrize(
    ("fact", "about", "expected"),
    [
        (
            posted(5),
            message(9, 5),
            events.NewMessage(channel_id=CHANNEL, seq=SEQ, message=message(9, 5)),
        ),
        (
            facts.MessageEdited(at=LATER, seq=SEQ, message=message(9), previous="old"),
            message(9),
            events.MessageUpdate(channel_id=CHANNEL, seq=SEQ, message=message(9)),
        ),
        (
            facts.MessageDeleted(at=LATER, seq=SEQ, message=message(9, content=None)),
            message(9, content=None),
            events.MessageDelete(channel_id=CHANNEL, seq=SEQ, message_id=MessageId(9), deleted_at=LATER),
        ),
        (
            facts.ReactionChanged(
                at=LATER,
                seq=SEQ,
                message=message(9),
                user_id=BOB.id,
                reaction_id=3,
                code="x",
                added=False,
                count=2,
            ),
            message(9),
            events.ReactionUpdate(
                channel_id=CHANNEL,
                seq=SEQ,
                message_id=MessageId(9),
                code="x",
                user_id=BOB.id,
                added=False,
                count=2,
            ),
        ),
        (
            facts.MemberJoined(at=LATER, seq=SEQ, user=CID, role="member", invite_code="secret"),
            None,
            events.MemberJoined(channel_id=CHANNEL, seq=SEQ, user=CID, role="member"),
        ),
        (
            facts.MemberLeft(at=LATER, seq=SEQ, user=CID, joined_at=NOW, removed_by=ANN.id),
            None,
            events.MemberLeft(channel_id=CHANNEL, seq=SEQ, user_id=CID.id, removed_by=ANN.id),
        ),
        (
            facts.RoleChanged(at=LATER, seq=SEQ, user=BOB, joined_at=NOW, role="admin"),
            None,
            events.RoleUpdated(channel_id=CHANNEL, seq=SEQ, user_id=BOB.id, role="admin"),
        ),
        (
            facts.ChannelChanged(at=LATER, seq=SEQ, channel=INFO),
            None,
            events.ChannelUpdate(channel_id=CHANNEL, seq=SEQ, channel=INFO),
        ),
        (
            facts.PrivacyChanged(at=LATER, seq=SEQ, channel=INFO, join_code="secret"),
            None,
            events.PrivacyUpdated(channel_id=CHANNEL, seq=SEQ, channel=INFO),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_members_see_a_fact_whole_and_without_its_secrets(
    fact: NumberedFact, about: Message | None, expected: SequencedEvent
) -> None:
    assert event_of(CHANNEL, fact, about) == expected
