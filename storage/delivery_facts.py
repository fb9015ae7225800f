"""Deliveries as rows: one for each part of a message, in the order of the parts."""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from protocol.facts import DeliveryChanged, PartDelivery
from storage.tables import deliveries


def write_delivery(connection: Connection, fact: DeliveryChanged) -> None:
    """These facts are rare and are written one by one. New parts come after those that are there."""
    of_message = select(deliveries.c.id).where(deliveries.c.message_id == fact.message.id)
    ids = connection.execute(of_message.order_by(deliveries.c.id)).scalars().all()
    for part in fact.parts:
        values = _values(fact, part)
        if part.part < len(ids):
            changed = update(deliveries).where(deliveries.c.id == ids[part.part])
            connection.execute(changed.values(**values))
        else:
            row = insert(deliveries).values(message_id=fact.message.id, created_at=fact.at, **values)
            connection.execute(row)


def _values(fact: DeliveryChanged, part: PartDelivery) -> dict[str, Any]:
    values = {
        "transport": fact.transport,
        "state": part.state,
        "error_code": part.error_code,
        "updated_at": fact.at,
    }
    known = {"external_id": part.external_id, "segments": part.segments}
    return values | {name: value for name, value in known.items() if value is not None}
