"""What an agent remembers of a conversation: what the asker said to it and what it answered, in whole pairs.

In a channel of many, what others say never reaches a model that acts with the asker's rights: nobody can put
words into somebody else's mouth. Pure.
"""

from collections.abc import Iterable, Sequence

from actors.agents.ports import Said
from protocol.ids import MessageId, UserId
from protocol.message_text import text_of
from protocol.resources import Message

HISTORY_MAX_CHARS = 100_000
"""How much text a model is reminded of, at most."""


def answer_nonce(message_id: MessageId) -> str:
    """Of the answer to a message: there is one, however often it is made."""
    return f"answer:{message_id}"


def apology_nonce(message_id: MessageId) -> str:
    """Of the apology for not answering a message: an answer may still follow."""
    return f"apology:{message_id}"


def is_addressed(message: Message, agent_id: UserId) -> bool:
    """Whether a message is to this agent: the other one of two, or mentioned."""
    return message.recipient_id == agent_id or agent_id in message.mentions


def pairs_before(
    question: Message, messages: Iterable[Message], agent_id: UserId
) -> list[tuple[Message, Message]]:
    """What the asker said to the agent before this question, each with its answer, oldest first."""
    messages = list(messages)
    answers = {each.nonce: each for each in messages if each.sender_id == agent_id}
    asked = sorted((each for each in messages if _is_before(each, question)), key=lambda each: each.seq)
    found = [(each, answers.get(answer_nonce(each.id))) for each in asked if is_addressed(each, agent_id)]
    return [
        (each, answer) for each, answer in found if answer is not None and text_of(each) and answer.content
    ]


def remembered(pairs: Sequence[tuple[Message, Message]], history_max: int) -> list[Said]:
    """The last of these pairs, as a model reads them: as many as fit, and whole ones only."""
    said: list[Said] = []
    left = HISTORY_MAX_CHARS
    for question, answer in reversed(pairs):
        asked = text_of(question)
        left -= len(asked) + len(answer.content or "")
        if left < 0 or len(said) + 2 > history_max:
            break
        said += [Said("assistant", answer.content or ""), Said("user", asked)]
    return said[::-1]


def _is_before(message: Message, question: Message) -> bool:
    return message.sender_id == question.sender_id and message.seq < question.seq
