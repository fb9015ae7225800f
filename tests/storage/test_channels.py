"""Channels as people make, find and list them."""

import asyncio

import pytest
from msgspec import UNSET
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from protocol.facts import MessageDeleted, Taken
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Channel
from storage.channels import NewChannel
from storage.engine import Database
from storage.tables import channels
from tests.storage.people import LATER, NOW, Chat, deleted


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


async def test_a_new_channel_has_its_owner_and_nothing_unread(chat: Chat) -> None:
    channel = await chat.channels.create(NewChannel(owner_id=chat.ids[0], name="Room", description="for all"))
    assert channel == Channel(
        id=channel.id if isinstance(channel, Channel) else ChannelId(0),
        kind="channel",
        name="Room",
        description="for all",
        conversation_id=None,
        owner_id=chat.ids[0],
        is_private=False,
        is_archived=False,
        member_count=1,
        last_seq=Seq(1),
        created_at=NOW,
        updated_at=NOW,
        my_role="owner",
        read_seq=Seq(0),
        unread_count=0,
        join_code=None,
    )
    assert await chat.channels.view_channel(channel.id, chat.ids[0]) == channel


@pytest.mark.parametrize("name", ["ROOM", "room", "Room"])
async def test_names_are_unique_without_case(chat: Chat, name: str) -> None:
    await chat.channel("Room")
    assert await chat.channels.create(NewChannel(owner_id=chat.ids[1], name=name)) == Taken()


@pytest.mark.parametrize(("one", "other"), [("CAFÉ", "café"), ("Straße", "STRASSE"), ("ΣΊΓΜΑ", "σίγμα")])
async def test_names_are_unique_without_case_in_every_script(chat: Chat, one: str, other: str) -> None:
    await chat.channel(one)
    assert await chat.channels.create(NewChannel(owner_id=chat.ids[1], name=other)) == Taken()


async def test_of_two_who_make_one_name_at_once_one_gets_it(chat: Chat) -> None:
    new = NewChannel(owner_id=chat.ids[0], name="room")
    made = await asyncio.gather(*(chat.channels.create(new) for _ in range(4)))
    assert sorted(type(outcome).__name__ for outcome in made) == ["Channel", "Taken", "Taken", "Taken"]


async def test_each_reader_sees_what_they_may(chat: Chat) -> None:
    room = await chat.channel("room", join_code="standing")
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "hello", by=0)
    owner, member, stranger = [await chat.channels.view_channel(room, user_id) for user_id in chat.ids]
    assert owner is not None
    assert member is not None
    assert stranger is not None
    assert (owner.my_role, owner.join_code, owner.unread_count) == ("owner", "standing", 0)
    assert (member.my_role, member.join_code, member.unread_count) == ("member", UNSET, 1)
    assert (stranger.my_role, stranger.join_code, stranger.unread_count) == (None, UNSET, 0)
    assert (owner.member_count, owner.last_seq, owner.read_seq, member.read_seq) == (2, 3, 3, 1)
    assert await chat.channels.view_channel(ChannelId(404), chat.ids[0]) is None


async def test_a_deleted_message_is_not_unread(chat: Chat) -> None:
    room = await chat.channel("room")
    await chat.write(room, chat.joined(room, 1))
    message_id = await chat.say(room, "hello", by=0)
    (message,) = await chat.messages.load_messages(room, [message_id])
    await chat.write(room, MessageDeleted(at=LATER, seq=chat.next_seq(room), message=deleted(message)))
    (ready,) = await chat.channels.ready_channels(chat.ids[1])
    assert ready.unread_count == 0


async def test_own_channels_are_listed_without_direct_ones(chat: Chat) -> None:
    rooms = [await chat.channel(f"room {n}") for n in range(3)]
    await chat.channel("of another", owner=1)
    await chat.direct(0, 1)
    found = await chat.channels.list_own(chat.ids[0])
    assert [channel.id for channel in found] == rooms[::-1]
    assert [channel.my_role for channel in found] == ["owner"] * 3
    assert [c.id for c in await chat.channels.list_own(chat.ids[0], before=rooms[2], limit=1)] == [rooms[1]]
    assert [c.id for c in await chat.channels.list_own(chat.ids[0], skip=2)] == [rooms[0]]


async def test_public_channels_are_discovered_by_how_their_names_begin(chat: Chat) -> None:
    umlaut = await chat.channel("Ünder")
    under = await chat.channel("under_score", owner=1)
    archived = await chat.channel("under archive")
    await chat.channel("under cover", join_code="secret")
    await chat.direct(0, 1)
    put_away = update(channels).where(channels.c.id == archived).values(is_archived=True)
    await chat.database.write(lambda connection: connection.execute(put_away).rowcount)

    async def found(q: str | None) -> list[ChannelId]:
        return [channel.id for channel in await chat.channels.list_public(chat.ids[2], q=q)]

    assert await found(None) == [under, umlaut]
    assert await found("ü") == [umlaut]
    assert await found("UNDER_") == [under]
    assert await found("%") == []
    (view,) = await chat.channels.list_public(chat.ids[1], q="under")
    assert (view.my_role, view.unread_count) == ("owner", 0)


async def test_members_are_listed_last_joined_first_in_pages(chat: Chat) -> None:
    room = await chat.channel("room")
    await chat.write(room, chat.joined(room, 2), chat.joined(room, 1, ahead=2))
    found = await chat.channels.list_members(room)
    assert [(member.user.username, member.role) for member in found] == [
        ("cid", "member"),
        ("bob", "member"),
        ("ann", "owner"),
    ]
    cursor = (found[0].joined_at, found[0].user.id)
    assert await chat.channels.list_members(room, before=cursor) == found[1:]
    assert await chat.channels.list_members(room, skip=1, limit=1) == found[1:2]


async def test_a_system_reaction_is_found_by_its_code(chat: Chat) -> None:
    found = await chat.channels.find_reaction("heart")
    assert found is not None
    assert (found.code, found.is_system, found.image_url) == ("heart", True, None)
    assert await chat.channels.find_reaction("no such") is None


async def test_a_profile_is_found_by_id(chat: Chat) -> None:
    found = await chat.channels.load_profile(chat.ids[1])
    assert found is not None
    assert found.username == "bob"
    assert await chat.channels.load_profile(UserId(404)) is None


async def test_another_broken_constraint_is_not_a_taken_name(chat: Chat) -> None:
    with pytest.raises(IntegrityError):
        await chat.channels.create(NewChannel(owner_id=UserId(404), name="room"))
