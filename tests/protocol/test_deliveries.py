"""How parts get on, and what that makes of the message."""

import itertools
from typing import get_args

import pytest
from msgspec import UNSET

from protocol.deliveries import ENDS, delivery_of, is_progress, parts_of
from protocol.resources import Delivery, DeliveryPart, DeliveryState

STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("state", STATES)
def test_what_has_ended_stays_as_it_is(end: DeliveryState, state: DeliveryState) -> None:
    assert not is_progress(end, state)


@pytest.mark.parametrize("news", list(itertools.permutations(("queued", "sent", "delivered"))))
def test_news_in_any_order_end_in_the_same_state(news: tuple[DeliveryState, ...]) -> None:
    state: DeliveryState = "sending"
    for each in news:
        state = each if is_progress(state, each) else state
    assert state == "delivered"


@pytest.mark.parametrize("later", ["queued", "sent", "delivered", "undelivered", "failed"])
def test_news_settle_what_was_unknown(later: DeliveryState) -> None:
    assert is_progress("unknown", later)
    assert not is_progress(later, "unknown")
    assert is_progress("sending", "unknown")


def test_a_message_in_one_part_is_shown_as_that_part() -> None:
    delivery = delivery_of("twilio", [DeliveryPart("failed", "30003")])
    assert delivery == Delivery("failed", "twilio", "30003", UNSET)
    assert parts_of(delivery) == (DeliveryPart("failed", "30003"),)


def test_a_message_in_parts_is_as_far_as_the_one_that_is_behind_most() -> None:
    parts = (DeliveryPart("delivered"), DeliveryPart("queued"), DeliveryPart("sent"))
    delivery = delivery_of("twilio", parts)
    assert (delivery.state, delivery.error_code) == ("queued", None)
    assert parts_of(delivery) == parts


def test_the_first_failure_counts_before_all_else() -> None:
    parts = [DeliveryPart("sending"), DeliveryPart("undelivered", "1"), DeliveryPart("failed", "2")]
    delivery = delivery_of("twilio", parts)
    assert (delivery.state, delivery.error_code) == ("undelivered", "1")
