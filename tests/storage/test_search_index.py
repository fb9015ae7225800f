"""The index follows what is said: nothing is missed, twice or left behind."""

import pytest
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from protocol.facts import ChannelClosed
from protocol.ids import ChannelId
from storage import search
from storage.engine import Database
from storage.search_index import SearchIndex, pages
from storage.sweeping import sweep_deleted_channels
from tests.storage.people import LATER, NOW, Chat, delete, edit
from tests.storage.searching import find, index, indexed, positions


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


@pytest.fixture
async def room(chat: Chat) -> ChannelId:
    return await chat.channel("room")


async def test_a_closed_channel_is_searched_no_more_and_leaves_nothing_in_the_index(chat: Chat) -> None:
    kept, gone = await chat.channel("kept"), await chat.channel("gone")
    await chat.say(kept, "here")
    for said in ("here too", "and here"):
        await chat.say(gone, said)
    await index(chat)
    await chat.write(gone, ChannelClosed(at=LATER, seq=chat.next_seq(gone)))
    assert await find(chat, "here") == ["here"]
    assert await sweep_deleted_channels(chat.database, chunk_rows=1) == 1
    assert await indexed(chat) == 1
    assert await positions(chat) == {kept: 2}
    assert await SearchIndex(chat.database).behind() == []


async def test_an_edited_message_is_found_by_what_it_says_now(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "before")
    await index(chat)
    await edit(chat, room, message_id, "after")
    await index(chat)
    assert await find(chat, "before") == []
    assert await find(chat, "after") == ["after"]


async def test_a_deleted_message_is_found_no_more_and_forgotten_by_the_index(
    chat: Chat, room: ChannelId
) -> None:
    message_id = await chat.say(room, "secret")
    await index(chat)
    await delete(chat, room, message_id)
    assert await find(chat, "secret") == []
    await index(chat)
    assert await indexed(chat) == 0


async def test_what_changes_before_it_is_indexed_is_indexed_as_it_is(chat: Chat, room: ChannelId) -> None:
    one, two, _ = [await chat.say(room, said) for said in ("one", "two", "three")]
    await edit(chat, room, one, "uno")
    await delete(chat, room, two)
    await index(chat)
    assert [await find(chat, query) for query in ("one", "uno", "two", "three")] == [
        [],
        ["uno"],
        [],
        ["three"],
    ]


async def test_indexing_goes_on_where_it_was_and_may_be_repeated(chat: Chat, room: ChannelId) -> None:
    for number in range(7):
        await chat.say(room, f"word {number}")
    indexing = SearchIndex(chat.database)
    first, second, *rest = pages(await indexing.behind(), 3)
    assert await indexing.follow(first, NOW)
    assert await positions(chat) == {room: 3}
    assert await indexing.follow(second, NOW)
    assert await indexing.follow(first, NOW)
    assert await positions(chat) == {room: 6}
    assert [(each.after, each.to) for each in await SearchIndex(chat.database).behind()] == [(6, 8)]
    for page in rest:
        assert await indexing.follow(page, NOW)
    assert len(await find(chat, "word")) == 7
    assert await indexed(chat) == 7


async def test_pages_hold_every_change_once_and_no_more_than_asked(chat: Chat) -> None:
    for name, said in (("one", 5), ("two", 1), ("three", 12)):
        channel_id = await chat.channel(name)
        for number in range(said):
            await chat.say(channel_id, f"{number}")
    ranges = await SearchIndex(chat.database).behind()
    cut = [*pages(ranges, 4)]
    assert [sum(each.to - each.after for each in page) for page in cut] == [4, 4, 4, 4, 4, 1]
    for whole in ranges:
        parts = [each for page in cut for each in page if each.channel_id == whole.channel_id]
        assert [part.after for part in parts] == [whole.after, *(part.to for part in parts[:-1])]
        assert parts[-1].to == whole.to


async def test_channels_that_are_behind_come_in_pages(chat: Chat) -> None:
    ids = [await chat.channel(f"{number}") for number in range(3)]
    indexing = SearchIndex(chat.database)
    first = await indexing.behind(limit=2)
    assert [each.channel_id for each in first] == ids[:2]
    assert [each.channel_id for each in await indexing.behind(after=ids[1])] == ids[2:]


async def test_a_channel_that_was_swept_meanwhile_is_nobodys_error(chat: Chat, room: ChannelId) -> None:
    await chat.say(room, "x")
    ranges = await SearchIndex(chat.database).behind()
    await chat.write(room, ChannelClosed(at=LATER, seq=chat.next_seq(room)))
    await sweep_deleted_channels(chat.database)
    assert await SearchIndex(chat.database).follow(ranges, NOW)
    assert await positions(chat) == {}


async def test_one_process_at_a_time_writes_to_the_index(postgres_url: str) -> None:
    database = await Database.open(postgres_url)
    chat = await Chat.of(database, "ann")
    await chat.say(await chat.channel("room"), "x")
    indexing = SearchIndex(database)
    ranges = await indexing.behind()
    other = await Database.open(postgres_url)

    def while_another_is_at_it(connection: Connection) -> bool:
        assert search.DIALECTS["postgresql"].may_index(connection)
        return bool(await_only(indexing.follow(ranges, NOW)))

    assert not await other.write(while_another_is_at_it)
    assert await positions(chat) == {}
    assert await indexing.follow(ranges, NOW)
    for each in (database, other):
        await each.close()
