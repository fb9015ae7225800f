"""What bridges need to know of messages: what is to go out, how far it has got, and where news belong."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import Connection, select

from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import DeliveryState, Message, Via
from storage.engine import Database
from storage.message_rows import MESSAGES, fetch_messages
from storage.tables import deliveries, messages


class DeliveryRow(Struct, frozen=True):
    """One part. `external_id` is the transport's own for it, once that has accepted it."""

    state: DeliveryState
    external_id: str | None


class Due(Struct, frozen=True):
    """A message that is to go out, and its parts so far, in their order."""

    message: Message
    parts: tuple[DeliveryRow, ...]


class Place(Struct, frozen=True):
    """One part of one message, by whose author it was sent."""

    author_id: UserId
    channel_id: ChannelId
    message_id: MessageId
    part: int


class Deliveries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, channel_id: ChannelId, seq: Seq) -> Due | None:
        """The message that was posted at `seq`; None when it is gone with its channel."""
        return await self._database.read(lambda connection: _load(connection, channel_id, seq))

    async def find(self, transports: Collection[str], external_id: str) -> Place | None:
        """Where a transport's own id belongs; None when it was never recorded."""
        return await self._database.read(lambda connection: _find(connection, transports, external_id))

    async def place(self, message_id: MessageId, part: int) -> Place | None:
        """None when there is no such message."""
        query = select(messages.c.sender_id, messages.c.channel_id).where(messages.c.id == message_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else Place(row.sender_id, row.channel_id, message_id, part)

    async def recorded_elsewhere(
        self, external_ids: Collection[str], message_id: MessageId, part: int
    ) -> frozenset[str]:
        """Those of the ids that belong to another message already, or to another part of this one."""
        of_message = select(deliveries.c.id).where(deliveries.c.message_id == message_id)
        own = of_message.order_by(deliveries.c.id).offset(part).limit(1).scalar_subquery()
        query = select(deliveries.c.external_id).where(
            deliveries.c.external_id.in_(external_ids), deliveries.c.id.is_distinct_from(own)
        )
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return frozenset(each for each in found if each is not None)

    async def last_nonce(self, channel_id: ChannelId, sender_id: UserId, via: Via, before: Seq) -> str | None:
        """Of the newest message before this `seq` that this user sent there by this way."""
        is_it = (messages.c.channel_id == channel_id) & (messages.c.sender_id == sender_id)
        query = select(messages.c.nonce).where(is_it, messages.c.via == via, messages.c.seq < before)
        query = query.order_by(messages.c.seq.desc()).limit(1)
        return await self._database.read(lambda connection: connection.execute(query).scalar())


def _load(connection: Connection, channel_id: ChannelId, seq: Seq) -> Due | None:
    query = MESSAGES.where(messages.c.channel_id == channel_id, messages.c.seq == seq)
    found = fetch_messages(connection, query)
    if not found:
        return None
    parts = select(deliveries.c.state, deliveries.c.external_id)
    parts = parts.where(deliveries.c.message_id == found[0].id).order_by(deliveries.c.id)
    rows = connection.execute(parts).all()
    return Due(found[0], tuple(DeliveryRow(row.state, row.external_id) for row in rows))


def _find(connection: Connection, transports: Collection[str], external_id: str) -> Place | None:
    is_it = (deliveries.c.external_id == external_id) & deliveries.c.transport.in_(transports)
    query = select(deliveries.c.id, deliveries.c.message_id, messages.c.sender_id, messages.c.channel_id)
    row = connection.execute(query.join(messages).where(is_it)).first()
    if row is None:
        return None
    of_message = select(deliveries.c.id).where(deliveries.c.message_id == row.message_id)
    ids = connection.execute(of_message.order_by(deliveries.c.id)).scalars().all()
    return Place(row.sender_id, row.channel_id, row.message_id, ids.index(row.id))
