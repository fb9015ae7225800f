"""Users, channels and facts for the tests of storage."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from protocol.facts import (
    AnyFact,
    MemberJoined,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Numbered,
    Part,
    PartResult,
    Taken,
    Written,
)
from protocol.ids import ChannelId, MessageId, Seq, SessionId, UserId
from protocol.resources import Message, PublicProfile, User
from storage.accounts import Accounts, NewUser, TakenField
from storage.channels import Channels, NewChannel
from storage.engine import Database
from storage.messages import Messages
from storage.sessions import NewSession, Sessions

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
EXPIRY = NOW + timedelta(days=7)


async def add_user(database: Database, username: str, **fields: Any) -> User:
    new = NewUser(username=username, email=f"{username}@example.org", hashed_password="hash", **fields)
    user = await Accounts(database).create(new, NOW)
    assert not isinstance(user, TakenField)
    return user


async def open_session(sessions: Sessions, user_id: UserId, name: str = "one") -> SessionId:
    new = NewSession(
        user_id=user_id,
        session_token=f"session {name}",
        refresh_token=f"refresh {name}",
        expires_at=EXPIRY,
        device_info="a phone",
        ip_address="192.0.2.1",
    )
    return await sessions.create(new, NOW)


def profile(user: User) -> PublicProfile:
    return PublicProfile(user.id, user.username)


class Chat:
    """A few people and their channels; facts are written as a channel actor would."""

    def __init__(self, database: Database, people: list[User]) -> None:
        self.database = database
        self.messages = Messages(database)
        self.channels = Channels(database, lambda: NOW)
        self.people = people
        self.ids = [user.id for user in people]
        self._positions: dict[ChannelId, Seq] = {}

    @classmethod
    async def of(cls, database: Database, *names: str) -> "Chat":
        return cls(database, [await add_user(database, name) for name in names])

    async def channel(self, name: str, owner: int = 0, **fields: Any) -> ChannelId:
        made = await self.channels.create(NewChannel(owner_id=self.ids[owner], name=name, **fields))
        assert not isinstance(made, Taken)
        self._positions[made.id] = made.last_seq
        return made.id

    async def direct(self, one: int = 0, other: int = 1) -> ChannelId:
        channel_id = await self.channels.open_direct(self.ids[one], self.ids[other])
        assert channel_id is not None
        self._positions.setdefault(channel_id, Seq(1))
        return channel_id

    def next_seq(self, channel_id: ChannelId, ahead: int = 1) -> Seq:
        return Seq(self._positions[channel_id] + ahead)

    def post(
        self, channel_id: ChannelId, content: str, *, by: int = 0, ahead: int = 1, **fields: Any
    ) -> MessagePosted:
        fields = {"nonce": None, "at": NOW} | fields
        return MessagePosted(
            seq=self.next_seq(channel_id, ahead), sender_id=self.ids[by], content=content, **fields
        )

    def joined(self, channel_id: ChannelId, who: int, *, ahead: int = 1, **fields: Any) -> MemberJoined:
        user = profile(self.people[who])
        return MemberJoined(
            at=LATER, seq=self.next_seq(channel_id, ahead), user=user, role="member", **fields
        )

    def part(self, channel_id: ChannelId, *facts: AnyFact) -> Part:
        expected = self._positions[channel_id]
        numbered = sum(isinstance(fact, Numbered) for fact in facts)
        return Part(channel_id, expected, Seq(expected + numbered), facts)

    async def commit(self, *parts: Part) -> list[PartResult]:
        results = await self.messages.commit(parts)
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, Written):
                self.moved(part)
        return results

    def moved(self, part: Part) -> None:
        """Somebody wrote this part."""
        self._positions[part.channel_id] = part.last_seq

    async def write(self, channel_id: ChannelId, *facts: AnyFact) -> tuple[MessageId, ...]:
        (result,) = await self.commit(self.part(channel_id, *facts))
        assert isinstance(result, Written), result
        return result.message_ids

    async def say(self, channel_id: ChannelId, content: str, *, by: int = 0, **fields: Any) -> MessageId:
        (message_id,) = await self.write(channel_id, self.post(channel_id, content, by=by, **fields))
        return message_id


def direct_fields(chat: Chat, sender: int, recipient: int) -> dict[str, Any]:
    low, high = sorted((chat.ids[sender], chat.ids[recipient]))
    return {"recipient_id": UserId(chat.ids[recipient]), "conversation_id": f"direct:{low}:{high}"}


def deleted(message: Message) -> Message:
    """As the channel decides a deletion."""
    return structs.replace(
        message, content=None, reactions=(), attachments=(), mentions=(), deleted_at=LATER, updated_at=LATER
    )


async def get(chat: Chat, room: ChannelId, message_id: MessageId) -> Message:
    (message,) = await chat.messages.load_messages(room, [message_id])
    return message


def edited(chat: Chat, room: ChannelId, before: Message, after: Message, *, ahead: int = 1) -> MessageEdited:
    return MessageEdited(at=LATER, seq=chat.next_seq(room, ahead), message=after, previous=before.content)


async def edit(chat: Chat, room: ChannelId, message_id: MessageId, content: str, **changes: Any) -> None:
    before = await get(chat, room, message_id)
    after = structs.replace(before, content=content, edited_at=LATER, updated_at=LATER, **changes)
    await chat.write(room, edited(chat, room, before, after))


async def delete(chat: Chat, room: ChannelId, message_id: MessageId) -> None:
    message = deleted(await get(chat, room, message_id))
    await chat.write(room, MessageDeleted(at=LATER, seq=chat.next_seq(room), message=message))
