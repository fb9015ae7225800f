"""What deleted users still have to leave is known from the rows, with who inherits."""

import pytest
from msgspec import structs
from sqlalchemy import update

from protocol.facts import ChannelChanged, ChannelClosed, MemberLeft, RoleChanged
from protocol.ids import ChannelId, UserId
from storage.accounts import Accounts
from storage.administration import nobody
from storage.channel_rows import load_info
from storage.departures import Departure, Departures
from storage.engine import Database
from storage.tables import users
from tests.storage.people import LATER, NOW, Chat, direct_fields, profile

START = ChannelId(0)


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid", "dot")


@pytest.fixture
def departures(database: Database) -> Departures:
    return Departures(database)


async def delete(database: Database, *user_ids: UserId) -> None:
    for user_id in user_ids:
        await Accounts(database).delete(user_id, NOW)


async def join(chat: Chat, channel_id: ChannelId, *people: int) -> None:
    for who in people:
        await chat.write(channel_id, chat.joined(channel_id, who))


async def promote(chat: Chat, channel_id: ChannelId, who: int) -> None:
    fact = RoleChanged(
        at=LATER, seq=chat.next_seq(channel_id), user=profile(chat.people[who]), joined_at=LATER, role="admin"
    )
    await chat.write(channel_id, fact)


async def leave(chat: Chat, channel_id: ChannelId, who: int) -> None:
    fact = MemberLeft(
        at=LATER, seq=chat.next_seq(channel_id), user=profile(chat.people[who]), joined_at=LATER
    )
    await chat.write(channel_id, fact)


async def test_only_deleted_users_depart(database: Database, chat: Chat, departures: Departures) -> None:
    channel_id = await chat.channel("one")
    await join(chat, channel_id, 1, 2)
    assert await departures.departing(after=UserId(0)) == []
    await delete(database, chat.ids[2], chat.ids[1], chat.ids[3])
    one, two = nobody(chat.ids[1]), nobody(chat.ids[2])
    assert await departures.departing(after=UserId(0)) == [one, two]
    assert await departures.departing(after=UserId(0), limit=1) == [one]
    assert await departures.departing(after=one.id) == [two]


async def test_channels_are_left_until_there_is_none(
    database: Database, chat: Chat, departures: Departures
) -> None:
    channels = [await chat.channel(name) for name in ("one", "two", "three")]
    for channel_id in channels:
        await join(chat, channel_id, 1)
    await delete(database, chat.ids[1])
    assert await departures.of(chat.ids[1], after=START) == [Departure(each, None) for each in channels]
    assert await departures.of(chat.ids[1], after=channels[0], limit=1) == [Departure(channels[1], None)]
    for channel_id in channels:
        await leave(chat, channel_id, 1)
    assert await departures.of(chat.ids[1], after=START) == []
    assert await departures.departing(after=UserId(0)) == []


async def test_a_closed_channel_need_not_be_left(
    database: Database, chat: Chat, departures: Departures
) -> None:
    channel_id = await chat.channel("one")
    await chat.write(channel_id, ChannelClosed(at=LATER, seq=chat.next_seq(channel_id)))
    await delete(database, chat.ids[0])
    assert await departures.departing(after=UserId(0)) == []


async def test_the_oldest_admin_inherits_or_else_the_oldest_member(
    database: Database, chat: Chat, departures: Departures
) -> None:
    alone = await chat.channel("alone")
    members, admins, left = [await chat.channel(name) for name in ("members", "admins", "left")]
    for channel_id in (members, admins, left):
        await join(chat, channel_id, 3, 1, 2)
    for who in (2, 1):
        await promote(chat, admins, who)
    await leave(chat, left, 3)
    await delete(database, chat.ids[0])
    bob, dot = profile(chat.people[1]), profile(chat.people[3])
    assert await departures.of(chat.ids[0], after=START) == [
        Departure(alone, None),
        Departure(members, dot),
        Departure(admins, bob),
        Departure(left, bob),
    ]


async def test_bots_inherit_nothing(database: Database, chat: Chat, departures: Departures) -> None:
    robots, mixed = [await chat.channel(name) for name in ("robots", "mixed")]
    for channel_id in (robots, mixed):
        await join(chat, channel_id, 1)
        await promote(chat, channel_id, 1)
    await join(chat, mixed, 2)
    is_bot = update(users).where(users.c.id == chat.ids[1]).values(is_bot=True)
    await database.write(lambda connection: connection.execute(is_bot).rowcount)
    await delete(database, chat.ids[0])
    cid = profile(chat.people[2])
    assert await departures.of(chat.ids[0], after=START) == [Departure(robots, None), Departure(mixed, cid)]


async def test_a_conversation_is_left_by_archiving_it(
    database: Database, chat: Chat, departures: Departures
) -> None:
    await chat.direct(0, 1)
    spoken = await chat.direct(0, 2)
    await chat.say(spoken, "hello", **direct_fields(chat, 0, 2))
    await delete(database, chat.ids[0])
    assert await departures.of(chat.ids[0], after=START) == [Departure(spoken, None)]
    info = await database.read(lambda connection: load_info(connection, spoken))
    seq = chat.next_seq(spoken)
    archived = ChannelChanged(at=LATER, seq=seq, channel=structs.replace(info, is_archived=True))
    await chat.write(spoken, archived)
    assert await departures.departing(after=UserId(0)) == []


async def test_nobody_can_begin_a_conversation_with_a_deleted_user(database: Database, chat: Chat) -> None:
    await chat.direct(0, 1)
    await delete(database, chat.ids[0], chat.ids[2])
    assert await chat.channels.open_direct(chat.ids[1], chat.ids[0]) is None
    assert await chat.channels.open_direct(chat.ids[1], chat.ids[2]) is None
