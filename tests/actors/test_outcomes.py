"""What a committed command is answered with."""

from actors.channel_commands import CreateInvite, MoveMarker
from actors.outcomes import done, repeated, shown_facts
from actors.pipeline import Decided
from protocol.facts import InviteCreated, MarkerMoved, MemberLeft, MessageEdited
from protocol.ids import MessageId, Seq
from tests.actors.making import ANN, BOB, CHANNEL, NOW, Asker, invite, message, posted, state

LEFT = MemberLeft(at=NOW, seq=Seq(4), user=BOB, joined_at=NOW)
EDITED = MessageEdited(at=NOW, seq=Seq(3), message=message(9), previous="before")
MOVED = MarkerMoved(at=NOW, user_id=ANN.id, read_seq=Seq(2))


def test_numbered_facts_are_shown_with_their_messages() -> None:
    facts = (posted(2), EDITED, MOVED, LEFT, posted(5))
    shown = shown_facts(CHANNEL, facts, [MessageId(11), MessageId(12)])
    assert [item.fact.seq for item in shown] == [2, 3, 4, 5]
    assert [item.message and item.message.id for item in shown] == [11, 9, None, 12]


def test_an_answer_names_the_last_change_and_what_it_made() -> None:
    made = invite("c")
    command = CreateInvite(join_code="c", expires_at=None, max_uses=None)
    facts = [InviteCreated(at=NOW, invite=made, created_by=ANN.id)]
    answer = done(state(last_seq=6, invites=(made,)), Decided(Asker().ask(command), [*facts]), None)
    assert (answer.seq, answer.invite, answer.role, answer.join_code) == (6, made, "owner", "c")
    assert answer.info is not None
    moved = done(state(last_seq=6), Decided(Asker().ask(MoveMarker(seq=Seq(2))), [MOVED]), None)
    assert moved.read_seq == 2
    assert done(state(last_seq=6), Decided(Asker().post(), [LEFT]), None).seq == 4


def test_an_answer_about_a_message_is_the_message() -> None:
    answer = done(state(last_seq=6), Decided(Asker().post(), [EDITED]), message(9))
    assert (answer.seq, answer.message, answer.info) == (3, message(9), None)


def test_a_repeat_is_answered_with_the_first_message_wherever_it_is() -> None:
    answer = repeated(message(3, 8))
    assert (answer.channel_id, answer.seq, answer.duplicate) == (CHANNEL, 8, True)
