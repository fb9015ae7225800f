"""Deleted channels lose their rows, in chunks, and nothing else does."""

from sqlalchemy import Table, func, select

from protocol.facts import ChannelClosed
from storage.engine import Database
from storage.sweeping import sweep_deleted_channels
from storage.tables import channel_members, channels, invites, mentions, messages
from tests.storage.people import LATER, Chat


async def test_a_closed_channel_is_swept_with_all_that_was_in_it(database: Database) -> None:
    chat = await Chat.of(database, "ann", "bob")
    kept, gone = await chat.channel("kept"), await chat.channel("gone", join_code="standing")
    await chat.say(kept, "stays", mentions=(chat.ids[1],))
    parent = await chat.say(gone, "parent", mentions=(chat.ids[1],))
    await chat.write(gone, *(chat.post(gone, "x", ahead=n, parent_id=parent) for n in range(1, 8)))
    await chat.write(gone, ChannelClosed(at=LATER, seq=chat.next_seq(gone)))
    assert await sweep_deleted_channels(database, chunk_rows=3) == 1
    assert await sweep_deleted_channels(database) == 0
    tables = (channels, messages, mentions, channel_members, invites)
    left = {table.name: await count(database, table) for table in tables}
    assert left == {"channels": 1, "messages": 1, "mentions": 1, "channel_members": 1, "invites": 0}


async def count(database: Database, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return await database.read(lambda connection: connection.execute(query).scalar_one())
