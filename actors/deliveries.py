"""How a message's way over other transports is noted in its channel: pure, beside `message_state.py`.

Nobody needs to be let in: clients have no such commands, bridges give them (`server/bridges/`).
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from actors.channel_commands import BeginDelivery, Identity, MoveDelivery
from actors.channel_state import ChannelState, Decision, next_seq
from protocol.deliveries import delivery_of, is_progress, parts_of
from protocol.facts import DeliveryChanged, PartDelivery
from protocol.resources import DeliveryPart, Message

SENDING = DeliveryPart("sending")


def decide_begin(
    state: ChannelState, _: Identity, command: BeginDelivery, message: Message, now: datetime
) -> Decision:
    """Those of `sending` are on their way, again perhaps; the other parts stay as they are."""
    if message.deleted_at is not None:
        return []
    before = [] if message.delivery is None else list(parts_of(message.delivery))
    # A text that was edited meanwhile may have become longer.
    after = before + [SENDING] * (command.parts - len(before))
    after = [SENDING if number in command.sending else part for number, part in enumerate(after)]
    rows = [
        PartDelivery(number, "sending")
        for number, part in enumerate(after)
        if number >= len(before) or part != before[number]
    ]
    return [_changed(state, message, command.transport, after, rows, now)] if rows else []


def decide_move(
    state: ChannelState, _: Identity, command: MoveDelivery, message: Message, now: datetime
) -> Decision:
    """One part has got further, or it is no news."""
    if message.deleted_at is not None or message.delivery is None:
        return []
    parts = list(parts_of(message.delivery))
    number = command.part
    if number >= len(parts) or not is_progress(parts[number].state, command.state):
        return []
    parts[number] = DeliveryPart(command.state, command.error_code)
    row = PartDelivery(number, command.state, command.error_code, command.external_id, command.segments)
    return [_changed(state, message, message.delivery.transport, parts, [row], now)]


def _changed(
    state: ChannelState,
    message: Message,
    transport: str,
    parts: Sequence[DeliveryPart],
    rows: Sequence[PartDelivery],
    now: datetime,
) -> DeliveryChanged:
    message = structs.replace(message, delivery=delivery_of(transport, parts), updated_at=now)
    return DeliveryChanged(
        at=now, seq=next_seq(state), message=message, transport=transport, parts=tuple(rows)
    )
