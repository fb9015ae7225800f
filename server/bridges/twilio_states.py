"""Twilio's words for how far a message has got, as ours."""

from collections.abc import Mapping
from typing import Final

from protocol.resources import DeliveryState

STATES: Final[Mapping[str, DeliveryState]] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}


def state_of(word: str) -> DeliveryState | None:
    """None for what says nothing of where it is."""
    return STATES.get(word.lower())
