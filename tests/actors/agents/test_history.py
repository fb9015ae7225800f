"""What an agent remembers of a conversation."""

from datetime import UTC, datetime

from actors.agents.history import HISTORY_MAX_CHARS, answer_nonce, pairs_before, remembered
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Message

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGENT, ALICE, BOB = UserId(1), UserId(2), UserId(3)


def message(number: int, sender: UserId, text: str | None = None, answers: int | None = None) -> Message:
    """Posted as change `number`, by people to the agent."""
    return Message(
        id=MessageId(number),
        channel_id=ChannelId(1),
        conversation_id=None,
        seq=Seq(number),
        sender_id=sender,
        user_id=sender,
        content=f"m{number}" if text is None else text or None,
        mentions=() if sender == AGENT else (AGENT,),
        nonce=f"n{number}" if answers is None else answer_nonce(MessageId(answers)),
        created_at=NOW,
        updated_at=NOW,
    )


def contents(question: Message, *messages: Message, limit: int = 50) -> list[str]:
    return [said.text for said in remembered(pairs_before(question, messages, AGENT), limit)]


def test_answers_follow_their_questions_whenever_they_came() -> None:
    messages = (
        message(1, ALICE),
        message(2, ALICE),
        message(3, AGENT, answers=1),
        message(4, AGENT, answers=2),
    )
    assert contents(message(5, ALICE), *reversed(messages)) == ["m1", "m3", "m2", "m4"]


def test_what_came_after_the_question_is_not_remembered_yet() -> None:
    messages = (
        message(1, ALICE),
        message(3, AGENT, answers=1),
        message(4, ALICE),
        message(5, AGENT, answers=4),
    )
    assert contents(message(2, ALICE), *messages) == ["m1", "m3"]


def test_questions_without_answers_and_what_was_deleted_are_left_out() -> None:
    messages = [message(1, ALICE), message(2, ALICE, ""), message(3, AGENT, answers=2)]
    messages += [message(4, ALICE), message(5, AGENT, "", answers=4), message(6, AGENT)]
    assert contents(message(9, ALICE), *messages) == []


def test_what_others_asked_is_not_remembered() -> None:
    messages = message(1, BOB), message(2, AGENT, answers=1), message(3, ALICE), message(4, AGENT, answers=3)
    assert contents(message(5, ALICE), *messages) == ["m3", "m4"]


def test_only_whole_pairs_are_kept_of_the_last() -> None:
    messages = [message(n, ALICE if n % 2 else AGENT, answers=None if n % 2 else n - 1) for n in range(1, 9)]
    assert contents(message(9, ALICE), *messages, limit=5) == ["m5", "m6", "m7", "m8"]
    assert contents(message(9, ALICE), *messages, limit=1) == []


def test_long_texts_crowd_out_what_was_before() -> None:
    long = "x" * (HISTORY_MAX_CHARS // 2)
    messages = [message(1, ALICE, long), message(2, AGENT, answers=1)]
    messages += [message(3, ALICE, long), message(4, AGENT, "", answers=3)]
    messages += [message(5, ALICE, long), message(6, AGENT, answers=5)]
    assert contents(message(9, ALICE), *messages) == [long, "m6"]
