"""How messages get on over other transports, part by part: pure.

A long message goes out in parts, each of which is accepted, sent and delivered by itself.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from protocol.resources import Delivery, DeliveryPart, DeliveryState

ORDER: Final[tuple[DeliveryState, ...]] = ("sending", "unknown", "queued", "sent", "delivered")
"""What comes after what. `unknown`: it may have been accepted; what is heard of it later settles that."""
ENDS: Final[frozenset[DeliveryState]] = frozenset({"delivered", "undelivered", "failed"})
FAILURES: Final[frozenset[DeliveryState]] = frozenset({"undelivered", "failed", "unknown"})


def is_progress(old: DeliveryState, new: DeliveryState) -> bool:
    """Whether a part in one state may come to be in the other: only forwards, however the news come in."""
    if old in ENDS:
        return False
    return new in ENDS or ORDER.index(new) > ORDER.index(old)


def parts_of(delivery: Delivery) -> tuple[DeliveryPart, ...]:
    """All parts of a message, in their order."""
    if delivery.parts is UNSET:
        return (DeliveryPart(delivery.state, delivery.error_code),)
    return delivery.parts


def delivery_of(transport: str, parts: Sequence[DeliveryPart]) -> Delivery:
    """The message as a whole: the first part that failed, or else the one that is behind most."""
    failed = next((part for part in parts if part.state in FAILURES), None)
    shown = failed or min(parts, key=lambda part: ORDER.index(part.state))
    return Delivery(shown.state, transport, shown.error_code, tuple(parts) if len(parts) > 1 else UNSET)
