"""What may become of one message."""

from typing import Any

import pytest
from msgspec import UNSET, structs

from actors.channel_commands import DeleteMessage, EditMessage, Identity, OnMessage, ReactTo
from actors.channel_state import ChannelState
from actors.message_state import DELETED, MESSAGE_DECIDERS, may_see, posted
from actors.permissions import ARCHIVED, NO_MESSAGE, NOT_A_MEMBER, NOT_FOUND, NOT_THE_AUTHOR
from protocol.errors import Refusal
from protocol.facts import AnyFact, MessageDeleted, MessageEdited, ReactionChanged
from protocol.ids import MessageId, Seq
from protocol.resources import Attachment, Message, Reaction
from tests.actors.making import ANN, BOB, CHANNEL, CID, LATER, NOW, by, message, state
from tests.actors.making import posted as posting

ONE = MessageId(1)
EDIT = EditMessage(message_id=ONE, content="new")
DELETE = DeleteMessage(message_id=ONE)
GONE = message(content=None, deleted_at=NOW)
FILE = Attachment(5, "a.txt", "text/plain", 3, "/files/5")


def react(code: str = ":+1:", *, added: bool = True) -> ReactTo:
    return ReactTo(message_id=ONE, reaction_id=3, code=code, image_url=None, added=added)


def thumbs(*user_ids: Any, code: str = ":+1:") -> Reaction:
    return Reaction(3, code, None, len(user_ids), user_ids)


def decide(
    channel: ChannelState, who: Identity, command: OnMessage, about: Message
) -> list[AnyFact] | Refusal:
    return MESSAGE_DECIDERS[type(command)](channel, who, command, about, LATER)


@pytest.mark.parametrize("command", [EDIT, DELETE, react()], ids=lambda command: type(command).__name__)
def test_strangers_and_the_archive_change_no_message(command: OnMessage) -> None:
    assert decide(state(), by(CID), command, message(sender=CID)) == NOT_A_MEMBER
    assert decide(state(is_private=True), by(CID), command, message(sender=CID)) == NOT_FOUND
    assert decide(state(is_archived=True), by(ANN), command, message()) == ARCHIVED


# Editing.


def test_an_edit_shows_the_new_text_and_keeps_the_old_one() -> None:
    edited = message(content="new", edited_at=LATER, updated_at=LATER)
    assert decide(state(last_seq=4), by(ANN), EDIT, message()) == [
        MessageEdited(at=LATER, seq=Seq(5), message=edited, previous="text 1")
    ]


def test_an_edit_to_the_same_text_changes_nothing() -> None:
    assert decide(state(), by(ANN), EDIT, message(content="new")) == []


def test_only_the_author_edits_and_only_what_is_there() -> None:
    assert decide(state(), by(ANN), EDIT, message(sender=BOB)) == NOT_THE_AUTHOR
    assert decide(state(), by(ANN), EDIT, GONE) == DELETED


# Deleting.


def test_a_deletion_leaves_nothing_to_read() -> None:
    full = message(reactions=(thumbs(BOB.id),), attachments=(FILE,), mentions=(BOB.id,), nonce="n")
    gone = message(content=None, nonce="n", deleted_at=LATER, updated_at=LATER)
    assert decide(state(last_seq=4), by(ANN), DELETE, full) == [
        MessageDeleted(at=LATER, seq=Seq(5), message=gone)
    ]


def test_deleting_twice_changes_nothing() -> None:
    assert decide(state(), by(ANN), DELETE, GONE) == []


def test_admins_delete_what_others_wrote_but_not_in_a_direct_channel() -> None:
    assert isinstance(decide(state(), by(ANN), DELETE, message(sender=BOB)), list)
    assert decide(state(), by(BOB), DELETE, message(sender=ANN)) == NOT_THE_AUTHOR
    assert decide(state(kind="direct"), by(ANN), DELETE, message(sender=BOB)) == NOT_THE_AUTHOR


# Reacting.


def test_a_reaction_counts_its_people_in_the_order_of_reacting() -> None:
    before = message(reactions=(thumbs(BOB.id), thumbs(BOB.id, code=":eyes:")))
    shown = message(reactions=(thumbs(BOB.id, ANN.id), thumbs(BOB.id, code=":eyes:")))
    assert decide(state(last_seq=4), by(ANN), react(), before) == [
        ReactionChanged(
            at=LATER,
            seq=Seq(5),
            message=shown,
            user_id=ANN.id,
            reaction_id=3,
            code=":+1:",
            added=True,
            count=2,
        )
    ]


def reactions_after(command: ReactTo, *before: Reaction) -> tuple[Reaction, ...]:
    facts = decide(state(), by(ANN), command, message(reactions=before))
    assert isinstance(facts, list)
    (fact,) = facts
    assert isinstance(fact, ReactionChanged)
    assert fact.count == sum(r.count for r in fact.message.reactions if r.code == command.code)
    assert fact.message.updated_at == NOW
    return fact.message.reactions


def test_a_new_reaction_comes_last_and_one_that_nobody_has_any_more_goes() -> None:
    eyes = thumbs(BOB.id, code=":eyes:")
    assert reactions_after(react(), eyes) == (eyes, thumbs(ANN.id))
    assert reactions_after(react(added=False), thumbs(ANN.id), eyes) == (eyes,)
    assert reactions_after(react(added=False), thumbs(ANN.id, BOB.id), eyes) == (thumbs(BOB.id), eyes)


def test_reacting_twice_or_taking_back_nothing_changes_nothing() -> None:
    assert decide(state(), by(ANN), react(), message(reactions=(thumbs(ANN.id),))) == []
    assert decide(state(), by(ANN), react(added=False), message(reactions=(thumbs(BOB.id),))) == []
    assert decide(state(), by(ANN), react(added=False), message()) == []


def test_a_deleted_message_takes_no_reaction() -> None:
    assert decide(state(), by(BOB), react(), GONE) == DELETED


# Seeing and becoming.


def test_messages_are_for_members_and_absent_ones_are_not_found() -> None:
    assert may_see(state(is_archived=True), by(BOB), message()) is None
    assert may_see(state(), by(BOB), None) == NO_MESSAGE
    assert may_see(state(), by(CID), None) == NOT_A_MEMBER
    assert may_see(state(is_private=True), by(CID), message()) == NOT_FOUND


def test_a_committed_post_becomes_the_message_with_its_id() -> None:
    fact = posting(
        4, BOB, nonce="n", parent_id=ONE, mentions=(ANN.id,), attachments=(FILE,), via="agent", stream_id="s"
    )
    assert posted(CHANNEL, fact, MessageId(9)) == message(
        9,
        4,
        BOB,
        content="text 4",
        nonce="n",
        parent_id=ONE,
        mentions=(ANN.id,),
        attachments=(FILE,),
        via="agent",
        stream_id="s",
    )


def test_only_a_direct_message_has_a_recipient_who_may_have_read_it() -> None:
    fact = posting(4, BOB, recipient_id=ANN.id, conversation_id="direct:1:2")
    direct = posted(CHANNEL, fact, MessageId(9))
    assert (direct.recipient_id, direct.is_read, direct.conversation_id) == (ANN.id, False, "direct:1:2")
    plain = posted(CHANNEL, structs.replace(fact, recipient_id=None), MessageId(9))
    assert (plain.recipient_id, plain.is_read, plain.nonce, plain.stream_id) == (UNSET, UNSET, UNSET, UNSET)
