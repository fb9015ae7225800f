"""Commits: the parts of many channels at once, fenced, free of repeats, none spoilt by another."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Engine, event, func, select

from protocol.errors import Unavailable
from protocol.facts import ChannelChanged, Failed, Fenced, Part, Repeats, Taken, Written
from protocol.ids import ChannelId, Seq, UserId
from storage.engine import Database
from storage.messages import Messages
from storage.tables import channel_members, channels, messages
from tests.storage.people import LATER, Chat


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


async def last_seq(chat: Chat, channel_id: ChannelId) -> Seq:
    query = select(channels.c.last_seq).where(channels.c.id == channel_id)
    return await chat.database.read(lambda connection: connection.execute(query).scalar_one())


async def contents(chat: Chat, channel_id: ChannelId) -> list[str | None]:
    found = await chat.messages.history(channel_id, None, Seq(0), 1000)
    return [message.content for message in found]


async def read_seq(chat: Chat, channel_id: ChannelId, user: int) -> Seq:
    member = channel_members.c
    query = select(member.read_seq).where(member.channel_id == channel_id, member.user_id == chat.ids[user])
    return await chat.database.read(lambda connection: connection.execute(query).scalar_one())


async def test_a_commit_writes_many_channels_in_their_order(chat: Chat) -> None:
    one, two = await chat.channel("one"), await chat.channel("two")
    posts = [chat.post(one, f"one {n}", ahead=n) for n in (1, 2, 3)]
    results = await chat.commit(
        chat.part(two, chat.post(two, "two 1")),
        chat.part(one, *posts),
    )
    first, second = results
    assert isinstance(first, Written)
    assert isinstance(second, Written)
    assert len(first.message_ids) == 1
    assert list(second.message_ids) == sorted(second.message_ids)
    assert len({*first.message_ids, *second.message_ids}) == 4
    assert await contents(chat, one) == ["one 1", "one 2", "one 3"]
    assert await contents(chat, two) == ["two 1"]
    assert await last_seq(chat, one) == 4
    assert await last_seq(chat, two) == 2


async def test_ids_belong_to_the_messages_that_were_given_them(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    ids = await chat.write(
        channel_id, chat.post(channel_id, "first"), chat.post(channel_id, "second", ahead=2)
    )
    found = await chat.messages.load_messages(channel_id, ids)
    assert {message.id: message.content for message in found} == {ids[0]: "first", ids[1]: "second"}


async def test_everything_that_is_posted_comes_back(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    parent = await chat.say(channel_id, "parent")
    message_id = await chat.say(
        channel_id,
        'quotes " and \\ and ünïcode 🎉\nand a line',
        by=0,
        nonce="n-1",
        parent_id=parent,
        via="agent",
        stream_id="s-1",
        mentions=(chat.ids[1], chat.ids[2]),
        at=LATER,
    )
    (message,) = await chat.messages.load_messages(channel_id, [message_id])
    assert message.content == 'quotes " and \\ and ünïcode 🎉\nand a line'
    assert (message.seq, message.sender_id, message.user_id) == (3, chat.ids[0], chat.ids[0])
    assert (message.nonce, message.parent_id, message.via, message.stream_id) == (
        "n-1",
        parent,
        "agent",
        "s-1",
    )
    assert message.mentions == (chat.ids[1], chat.ids[2])
    assert message.created_at == message.updated_at == LATER


async def test_posting_moves_the_authors_own_marker_and_never_back(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    await chat.write(channel_id, *(chat.post(channel_id, "x", ahead=n) for n in (1, 2, 3)))
    assert await read_seq(chat, channel_id, 0) == 4
    await chat.say(channel_id, "by somebody else", by=1)
    assert await read_seq(chat, channel_id, 0) == 4


async def test_a_channel_that_stands_elsewhere_is_fenced_and_holds_nobody_back(chat: Chat) -> None:
    one, two = await chat.channel("one"), await chat.channel("two")
    stale = Part(one, Seq(7), Seq(8), (chat.post(one, "stale", ahead=7, nonce="stale"),))
    results = await chat.commit(stale, chat.part(two, chat.post(two, "fine")))
    assert results[0] == Fenced()
    assert isinstance(results[1], Written)
    assert await contents(chat, one) == []
    assert await last_seq(chat, one) == 1


async def test_many_channels_are_moved_in_steps(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.row_statements.STEP_MAX_ROWS", 2)
    rooms = [await chat.channel(f"room {n}") for n in range(5)]
    stale = Part(rooms[1], Seq(7), Seq(8), (chat.post(rooms[1], "stale", ahead=7),))
    parts = [stale if n == 1 else chat.part(room, chat.post(room, f"{n}")) for n, room in enumerate(rooms)]
    results = await chat.messages.commit(parts)
    assert [type(result) for result in results] == [Written, Fenced, Written, Written, Written]
    assert [await contents(chat, room) for room in rooms] == [["0"], [], ["2"], ["3"], ["4"]]


async def test_a_commit_is_on_its_way_before_it_is_awaited(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    written = chat.messages.commit([chat.part(channel_id, chat.post(channel_id, "said"))])
    await chat.database.write(lambda _: None, urgent=True)
    assert await contents(chat, channel_id) == ["said"]
    assert [type(result) for result in await written] == [Written]


@pytest.mark.parametrize("gone", ["absent", "closed"])
async def test_a_channel_that_is_gone_is_fenced(chat: Chat, gone: str) -> None:
    channel_id = await chat.channel("one")
    if gone == "absent":
        part = Part(ChannelId(404), Seq(1), Seq(2), (chat.post(channel_id, "lost"),))
    else:
        await chat.database.write(
            lambda connection: connection.execute(channels.update().values(deleted_at=LATER)).rowcount
        )
        part = chat.part(channel_id, chat.post(channel_id, "lost"))
    assert await chat.messages.commit([part]) == [Fenced()]


async def test_of_two_owners_of_one_channel_one_commits(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    mine, theirs = (chat.part(channel_id, chat.post(channel_id, text)) for text in ("mine", "theirs"))
    assert isinstance((await chat.messages.commit([mine]))[0], Written)
    assert await chat.messages.commit([theirs]) == [Fenced()]
    assert await contents(chat, channel_id) == ["mine"]


async def test_of_two_processes_that_write_at_once_one_commits_and_none_waits_for_ever(
    chat: Chat, database_url: str
) -> None:
    rooms = [await chat.channel(f"room {n}") for n in range(6)]
    other = await Database.open(database_url)
    for number in range(10):
        parts = [chat.part(room, chat.post(room, f"{number}")) for room in rooms]
        mine, theirs = await asyncio.gather(
            chat.commit(*parts), Messages(other).commit(list(reversed(parts)))
        )
        for ours, others in zip(mine, reversed(theirs), strict=True):
            assert {type(ours), type(others)} == {Written, Fenced}
        for part in parts:
            chat.moved(part)
    await other.close()
    for room in rooms:
        assert await contents(chat, room) == [f"{number}" for number in range(10)]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the same channel", "in another channel"])
async def test_a_repeat_is_answered_with_the_first_message(chat: Chat, elsewhere: bool) -> None:
    one, two = await chat.channel("one"), await chat.channel("two")
    first_id = await chat.say(one, "first", nonce="n")
    again = two if elsewhere else one
    (result,) = await chat.commit(chat.part(again, chat.post(again, "again", nonce="n")))
    assert isinstance(result, Repeats)
    first = result.messages[chat.ids[0], "n"]
    assert (first.id, first.channel_id, first.content) == (first_id, one, "first")
    assert await contents(chat, two) == []
    assert await last_seq(chat, two) == 1


async def test_a_repeat_costs_the_others_nothing(chat: Chat) -> None:
    one, two, three = [await chat.channel(name) for name in ("one", "two", "three")]
    await chat.say(one, "first", nonce="n")
    results = await chat.commit(
        chat.part(two, chat.post(two, "two", nonce="m")),
        chat.part(one, chat.post(one, "again", nonce="n"), chat.post(one, "new", ahead=2, nonce="k")),
        chat.part(three, chat.post(three, "three", by=1, nonce="n")),
    )
    assert [type(result) for result in results] == [Written, Repeats, Written]
    assert isinstance(results[1], Repeats)
    assert list(results[1].messages) == [(chat.ids[0], "n")]
    assert await contents(chat, one) == ["first"]
    assert await contents(chat, two) == ["two"]
    assert await contents(chat, three) == ["three"]


async def test_the_same_nonce_twice_in_one_commit_makes_one_message(chat: Chat) -> None:
    one, two = await chat.channel("one"), await chat.channel("two")
    results = await chat.commit(
        chat.part(one, chat.post(one, "first", nonce="n")),
        chat.part(two, chat.post(two, "second", nonce="n")),
    )
    assert isinstance(results[0], Written)
    assert isinstance(results[1], Repeats)
    assert results[1].messages[chat.ids[0], "n"].content == "first"
    assert await contents(chat, two) == []


async def test_a_part_that_repeats_itself_fails_alone(chat: Chat) -> None:
    one, two = await chat.channel("one"), await chat.channel("two")
    twice = (chat.post(one, "x", nonce="n"), chat.post(one, "x", ahead=2, nonce="n"))
    results = await chat.commit(chat.part(one, *twice), chat.part(two, chat.post(two, "fine")))
    assert [type(result) for result in results] == [Failed, Written]
    assert await contents(chat, one) == []


async def test_posts_without_a_nonce_never_repeat_each_other(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    await chat.say(channel_id, "x")
    await chat.say(channel_id, "x")
    assert await contents(chat, channel_id) == ["x", "x"]


@pytest.mark.parametrize(
    "bad",
    [{"parent_id": 404}, {"mentions": (UserId(404),)}, {"via": "x" * 200}, {"content": "lone \ud800"}],
    ids=["no parent", "nobody mentioned", "too long", "no text"],
)
async def test_a_bad_row_fails_its_own_part_only(chat: Chat, bad: dict[str, Any]) -> None:
    one, two, three = [await chat.channel(name) for name in ("one", "two", "three")]
    if "via" in bad and chat.database.dialect == "sqlite":
        pytest.skip("SQLite does not check lengths")
    results = await chat.commit(
        chat.part(one, chat.post(one, "one")),
        chat.part(two, chat.post(two, **({"content": "bad"} | bad))),
        chat.part(three, chat.post(three, "three")),
    )
    assert [type(result) for result in results] == [Written, Failed, Written]
    assert await contents(chat, two) == []
    assert await last_seq(chat, two) == 1


async def test_why_a_part_failed_never_quotes_what_was_written(chat: Chat) -> None:
    room = await chat.channel("room")
    bad = chat.post(room, "a secret", parent_id=404, nonce="hidden")
    (result,) = await chat.commit(chat.part(room, bad))
    assert isinstance(result, Failed)
    assert "IntegrityError" in result.reason
    assert "secret" not in result.reason
    assert "hidden" not in result.reason


async def test_a_bad_row_beside_a_repeat_still_fails_its_own_part_only(chat: Chat) -> None:
    one, two, three = [await chat.channel(name) for name in ("one", "two", "three")]
    await chat.say(one, "first", nonce="n")
    results = await chat.commit(
        chat.part(one, chat.post(one, "again", nonce="n")),
        chat.part(two, chat.post(two, "bad", parent_id=404)),
        chat.part(three, chat.post(three, "three")),
    )
    assert [type(result) for result in results] == [Repeats, Failed, Written]


async def test_a_name_that_another_channel_has_is_taken(chat: Chat) -> None:
    one, two = await chat.channel("Über uns"), await chat.channel("two")
    snapshot = await chat.messages.load_channel(two)
    assert snapshot is not None
    renamed = structs.replace(snapshot.info, name="üBER UNS", updated_at=LATER)
    results = await chat.commit(
        chat.part(two, ChannelChanged(at=LATER, seq=chat.next_seq(two), channel=renamed)),
        chat.part(one, chat.post(one, "fine")),
    )
    assert [type(result) for result in results] == [Taken, Written]


async def test_a_database_that_is_gone_fails_the_commit_as_a_whole(chat: Chat) -> None:
    channel_id = await chat.channel("one")
    part = chat.part(channel_id, chat.post(channel_id, "x"))
    await chat.database.close()
    if chat.database.dialect == "sqlite":
        with pytest.raises(Unavailable):
            await chat.messages.commit([part])


async def test_a_commit_of_posts_is_a_handful_of_statements(chat: Chat) -> None:
    rooms = [await chat.channel(f"room {n}") for n in range(5)]
    parts = [
        chat.part(room, *(chat.post(room, "x", ahead=n, nonce=f"{room} {n}") for n in range(1, 21)))
        for room in rooms
    ]
    with counted_statements() as statements:
        await chat.messages.commit(parts)
    total = select(func.count()).select_from(messages)
    assert await chat.database.read(lambda connection: connection.execute(total).scalar_one()) == 100
    writes = [statement for statement in statements if "BEGIN" not in statement]
    assert len(writes) <= 4  # fence, ids, messages, markers


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", count)
