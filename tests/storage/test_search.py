"""What was said is found by who may see it now, on both databases alike."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from protocol.errors import Unavailable
from protocol.facts import MemberLeft
from protocol.ids import ChannelId, Seq, UserId
from storage import search, search_postgresql, search_sqlite
from storage.engine import Database
from storage.search import Found, Narrowing, Search, TooBusy, TooMuch
from storage.search_dialect import RANKED_MAX
from storage.search_terms import parse_terms
from tests.storage.people import LATER, NOW, Chat, direct_fields, profile
from tests.storage.searching import EVERYWHERE, find, hits, index


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


@pytest.fixture
async def room(chat: Chat) -> ChannelId:
    return await chat.channel("room")


async def test_only_members_find_and_only_while_they_are(chat: Chat, room: ChannelId) -> None:
    await chat.say(room, "secret")
    await chat.write(room, chat.joined(room, 1))
    await index(chat)
    assert await find(chat, "secret", by=1) == ["secret"]
    assert await find(chat, "secret", by=2) == []
    left = MemberLeft(at=LATER, seq=chat.next_seq(room), user=profile(chat.people[1]), joined_at=LATER)
    await chat.write(room, left)
    for where in (EVERYWHERE, Narrowing(channel_id=room)):
        assert await find(chat, "secret", by=1, where=where) == []
        assert await find(chat, "secret", by=0, where=where) == ["secret"]


async def test_direct_messages_are_found_by_both_sides_only(chat: Chat) -> None:
    await chat.say(await chat.direct(), "secret", **direct_fields(chat, 0, 1))
    await index(chat)
    assert [await find(chat, "secret", by=number) for number in range(3)] == [["secret"], ["secret"], []]


async def test_a_search_is_narrowed_by_channel_author_time_and_position(chat: Chat, room: ChannelId) -> None:
    other = await chat.channel("other")
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "word 1", at=NOW)
    await chat.say(room, "word 2", by=1, at=NOW + timedelta(hours=1))
    await chat.say(other, "word 3", at=NOW + timedelta(hours=2))
    await index(chat)

    async def numbers(**where: Any) -> set[int]:
        return {int(said[-1]) for said in await find(chat, "word", where=Narrowing(**where))}

    assert await numbers() == {1, 2, 3}
    assert await numbers(channel_id=room) == {1, 2}
    assert await numbers(channel_id=ChannelId(404)) == set()
    assert await numbers(sender_id=chat.ids[1]) == {2}
    assert await numbers(after=NOW) == {2, 3}
    assert await numbers(before=NOW + timedelta(hours=1)) == {1}
    assert await numbers(after=NOW, before=NOW + timedelta(hours=2)) == {2}
    assert await numbers(channel_id=room, after_seq=Seq(3)) == {2}
    assert await numbers(channel_id=room, before_seq=Seq(4)) == {1}
    assert await numbers(channel_id=room, sender_id=UserId(chat.ids[0]), after=NOW) == set()


async def test_the_best_match_comes_first_and_among_equals_the_newest(chat: Chat, room: ChannelId) -> None:
    for said in (
        "apple and a lot of other words that say little",
        "apple apple apple",
        "apple pie",
        "apple pie",
    ):
        await chat.say(room, said)
    await index(chat)
    found = await hits(chat, "apple")
    assert [hit.message.seq for hit in found] == [3, 5, 4, 2]
    assert [hit.rank for hit in found] == sorted((hit.rank for hit in found), reverse=True)
    assert all(hit.rank > 0 for hit in found)


async def test_pages_are_of_the_same_hits_whatever_is_said_meanwhile(chat: Chat, room: ChannelId) -> None:
    for number in range(5):
        await chat.say(room, f"word {number}")
    await index(chat)
    terms = parse_terms("word")
    assert terms is not None
    searching, by = Search(chat.database), chat.ids[0]
    first = await searching.find(by, terms, EVERYWHERE, limit=2)
    assert isinstance(first, Found)
    await chat.say(room, "word word word")
    await index(chat)
    same = Narrowing(up_to_id=first.up_to_id)
    rest = await searching.find(by, terms, same, skip=2)
    assert isinstance(rest, Found)
    found = [hit.message.content for hit in (*first.hits, *rest.hits)]
    assert found == [f"word {number}" for number in (4, 3, 2, 1, 0)]


async def test_hits_are_whole_messages_with_what_hangs_on_them(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "hello <b>@bob</b> & all", mentions=(chat.ids[1],), nonce="n")
    await index(chat)
    (hit,) = await hits(chat, "hel*")
    assert [hit.message] == await chat.messages.load_messages(room, [message_id])
    assert hit.excerpt == "<mark>hello</mark> &lt;b&gt;@bob&lt;/b&gt; &amp; all"


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Everything that is asked from here on."""
    seen: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    yield seen
    event.remove(Engine, "before_cursor_execute", see)


async def test_more_channels_and_hits_take_no_more_queries(chat: Chat, statements: list[str]) -> None:
    counts = []
    for size in (1, 12):
        for number in range(size):
            await chat.say(await chat.channel(f"{size} {number}"), "word", mentions=(chat.ids[1],))
        await index(chat)
        statements.clear()
        assert len(await find(chat, "word")) >= size
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 6


async def test_what_takes_too_long_is_given_up_and_hurts_nobody_else(
    chat: Chat, room: ChannelId, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await chat.write(room, *(chat.post(room, f"word {number}", ahead=n) for n in range(1, 41)))
    await index(chat)
    with monkeypatch.context() as patch:
        patch.setattr(search, "TAKES_MAX_S", 0.001)
        patch.setattr(search_sqlite, "STEPS_BETWEEN_LOOKS", 100)
        terms = parse_terms("wor* -x")
        assert terms is not None
        assert await Search(chat.database).find(chat.ids[0], terms, EVERYWHERE) == TooMuch()
    assert len(await find(chat, "word")) == 50


async def test_whoever_comes_when_too_many_wait_is_sent_away(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WAITING_MAX", 2)
    searching, terms = Search(chat.database), parse_terms("x")
    assert terms is not None
    searches = [searching.find(chat.ids[0], terms, EVERYWHERE) for _ in range(3)]
    kinds = [type(found) for found in await asyncio.gather(*searches)]
    assert kinds == [Found, Found, TooBusy]
    assert isinstance(await searching.find(chat.ids[0], terms, EVERYWHERE), Found)


async def test_a_database_that_is_away_is_not_blamed_on_the_search(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await database.close()
    terms = parse_terms("x")
    assert terms is not None
    with pytest.raises(Unavailable):
        await Search(database).find(UserId(1), terms, EVERYWHERE)


async def test_only_the_newest_matches_are_ranked(
    chat: Chat, room: ChannelId, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = search_sqlite if chat.database.dialect == "sqlite" else search_postgresql
    monkeypatch.setattr(module, "FIND", module.FIND.replace(f"LIMIT {RANKED_MAX}", "LIMIT 2"))
    for said in ("word word word", "word and more", "word"):
        await chat.say(room, said)
    await index(chat)
    assert await find(chat, "word") == ["word", "word and more"]
