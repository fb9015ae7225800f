"""How a message's way over other transports is noted in its channel."""

from typing import Any

from actors.channel_commands import BeginDelivery, MoveDelivery
from actors.deliveries import decide_begin, decide_move
from protocol.deliveries import delivery_of
from protocol.facts import DeliveryChanged, PartDelivery
from protocol.ids import MessageId
from protocol.resources import DeliveryPart, Message
from tests.actors.making import ANN, LATER, NOW, by, message, state

ONE = MessageId(1)
CHANNEL_STATE = state(kind="direct", last_seq=4)


def begin(about: Message, parts: int = 1, *sending: int) -> Any:
    command = BeginDelivery(
        message_id=ONE, transport="twilio", parts=parts, sending=frozenset(sending or range(parts))
    )
    return decide_begin(CHANNEL_STATE, by(ANN), command, about, LATER)


def move(about: Message, **fields: Any) -> Any:
    command = MoveDelivery(message_id=ONE, **({"part": 0} | fields))
    return decide_move(CHANNEL_STATE, by(ANN), command, about, LATER)


def on_its_way(*states: Any) -> Message:
    return message(delivery=delivery_of("twilio", [DeliveryPart(each) for each in states]))


def test_beginning_makes_a_row_of_each_part_and_takes_the_next_number() -> None:
    (fact,) = begin(message(), 2)
    assert isinstance(fact, DeliveryChanged)
    assert (fact.seq, fact.transport) == (5, "twilio")
    assert fact.parts == (PartDelivery(0, "sending"), PartDelivery(1, "sending"))
    assert fact.message.delivery == delivery_of("twilio", [DeliveryPart("sending")] * 2)
    assert (fact.message.updated_at, fact.message.created_at) == (LATER, NOW)


def test_beginning_again_changes_nothing() -> None:
    assert begin(on_its_way("sending", "sending"), 2) == []
    assert begin(on_its_way("sent", "sending"), 2, 1) == []


def test_what_was_given_up_can_be_begun_again_by_itself() -> None:
    (fact,) = begin(on_its_way("sent", "failed"), 2, 1)
    assert fact.parts == (PartDelivery(1, "sending"),)
    assert fact.message.delivery == on_its_way("sent", "sending").delivery


def test_a_text_that_has_become_longer_has_more_parts() -> None:
    (fact,) = begin(on_its_way("sent"), 2, 1)
    assert fact.parts == (PartDelivery(1, "sending"),)
    assert fact.message.delivery == on_its_way("sent", "sending").delivery


def test_getting_further_is_kept_with_its_id_and_segments() -> None:
    (fact,) = move(on_its_way("sending"), state="queued", external_id="SM1", segments=2)
    assert fact.parts == (PartDelivery(0, "queued", None, "SM1", 2),)
    assert fact.message.delivery == on_its_way("queued").delivery


def test_stale_news_and_news_of_parts_that_are_not_there_change_nothing() -> None:
    assert move(on_its_way("sent"), state="queued") == []
    assert move(on_its_way("delivered"), state="failed", error_code="30003") == []
    assert move(on_its_way("sent"), part=1, state="delivered") == []
    assert move(message(), state="delivered") == []


def test_a_deleted_message_has_no_delivery_any_more() -> None:
    deleted = message(content=None, deleted_at=LATER)
    assert begin(deleted) == []
    assert move(deleted, state="sent") == []
