"""Direct channels as conversations: with whom, what was said last, what is unread, and their messages."""

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, func, select

from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Conversation, Message
from storage.channel_rows import LIVE, UNREAD_COUNT, USER_ID, own
from storage.engine import Database
from storage.message_rows import MESSAGES, fetch_messages, load_messages
from storage.tables import channel_members, channels, messages, users
from storage.user_rows import PROFILE_COLUMNS, profile_of

Box = Literal["all", "sent", "received"]

_peer = channel_members.alias("peer")
_said = messages.alias("said")
_last_seq = select(func.max(_said.c.seq)).where(_said.c.channel_id == channels.c.id).correlate(channels)

CONVERSATIONS = (
    select(
        *PROFILE_COLUMNS,
        channels.c.id.label("channel_id"),
        channels.c.conversation_id,
        messages.c.id.label("message_id"),
        UNREAD_COUNT.label("unread_count"),
    )
    .select_from(channels)
    .join(own, own.c.channel_id == channels.c.id)
    .join(_peer, and_(_peer.c.channel_id == channels.c.id, _peer.c.user_id != USER_ID))
    .join(users, users.c.id == _peer.c.user_id)
    .join(
        messages,
        and_(messages.c.channel_id == channels.c.id, messages.c.seq == _last_seq.scalar_subquery()),
    )
    .where(channels.c.kind == "direct", own.c.user_id == USER_ID, LIVE)
)
"""The direct channels of `USER_ID`, each with its last message and the other side."""

UNREAD = (
    select(
        channels.c.id,
        channels.c.conversation_id,
        channels.c.last_seq,
        UNREAD_COUNT.label("unread_count"),
    )
    .join(own, own.c.channel_id == channels.c.id)
    .where(channels.c.kind == "direct", own.c.user_id == USER_ID, LIVE)
    .where(channels.c.last_seq > own.c.read_seq)
    .order_by(channels.c.id)
)


class Conversations:
    """What one user sees of their direct channels. Those in which nothing was said yet are left out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_conversations(
        self, user_id: UserId, *, before: MessageId | None = None, skip: int = 0, limit: int = 50
    ) -> list[Conversation]:
        """Latest first; the cursor `before` is the id of a conversation's last message."""
        query = CONVERSATIONS
        if before is not None:
            query = query.where(messages.c.id < before)
        query = query.order_by(messages.c.id.desc()).offset(skip).limit(limit)
        return await self._database.read(lambda connection: _load(connection, query, user_id))

    async def find(self, user_id: UserId, conversation_id: str) -> ChannelId | None:
        """The channel of a conversation that this user is one of the two of."""
        query = (
            select(channels.c.id)
            .join(own, own.c.channel_id == channels.c.id)
            .where(channels.c.conversation_id == conversation_id, own.c.user_id == user_id, LIVE)
        )
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def find_message(self, user_id: UserId, message_id: MessageId) -> Message | None:
        """A direct message that this user sent or received."""
        query = MESSAGES.where(messages.c.id == message_id, _in_box(user_id, "all"))
        found = await self._database.read(lambda connection: fetch_messages(connection, query))
        return found[0] if found else None

    async def list_messages(
        self,
        user_id: UserId,
        *,
        box: Box = "all",
        unread: bool = False,
        peer_id: UserId | None = None,
        before: MessageId | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Message]:
        """Direct messages, newest first. `unread` ones are those that this user has received and not read."""
        query = MESSAGES.where(_in_box(user_id, box))
        if unread:
            query = query.where(_is_unread(user_id))
        if peer_id is not None:
            query = query.where((messages.c.sender_id == peer_id) | (messages.c.recipient_id == peer_id))
        if before is not None:
            query = query.where(messages.c.id < before)
        query = query.order_by(messages.c.id.desc()).offset(skip).limit(limit)
        return await self._database.read(lambda connection: fetch_messages(connection, query))

    async def count_unread(self, user_id: UserId) -> dict[str, int]:
        """Unread messages by conversation; those without any are left out."""
        return {key: count for key, (_, _, count) in (await self._unread(user_id)).items()}

    async def list_unread(self, user_id: UserId) -> list[tuple[ChannelId, Seq]]:
        """The channels with unread messages and where each stands: what reading everything has to mark."""
        return [(channel_id, seq) for channel_id, seq, _ in (await self._unread(user_id)).values()]

    async def _unread(self, user_id: UserId) -> Mapping[str, tuple[ChannelId, Seq, int]]:
        rows = await self._database.read(lambda c: c.execute(UNREAD, {"user_id": user_id}).all())
        return {
            row.conversation_id: (row.id, row.last_seq, row.unread_count) for row in rows if row.unread_count
        }


def _load(connection: Connection, query: Select[Any], user_id: UserId) -> list[Conversation]:
    rows = connection.execute(query, {"user_id": user_id}).all()
    last = {message.id: message for message in load_messages(connection, [row.message_id for row in rows])}
    return [
        Conversation(
            conversation_id=row.conversation_id,
            channel_id=row.channel_id,
            user=profile_of(row),
            last_message=last[row.message_id],
            unread_count=row.unread_count,
            updated_at=last[row.message_id].created_at,
        )
        for row in rows
    ]


def _in_box(user_id: UserId, box: Box) -> Any:
    sent = and_(messages.c.sender_id == user_id, messages.c.recipient_id.is_not(None))
    received = messages.c.recipient_id == user_id
    match box:
        case "sent":
            return sent
        case "received":
            return received
        case "all":
            return sent | received


def _is_unread(user_id: UserId) -> Any:
    marker = (
        select(own.c.read_seq)
        .where(own.c.channel_id == messages.c.channel_id, own.c.user_id == user_id)
        .correlate(messages)
        .scalar_subquery()
    )
    return and_(messages.c.recipient_id == user_id, messages.c.seq > marker, messages.c.deleted_at.is_(None))
