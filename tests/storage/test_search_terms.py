"""What people type means the same on both databases, and never anything to them."""

import pytest

from protocol.ids import ChannelId
from storage.engine import Database
from storage.search import Narrowing
from storage.search_terms import parse_terms
from tests.storage.people import Chat
from tests.storage.searching import find, index


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


@pytest.fixture
async def room(chat: Chat) -> ChannelId:
    return await chat.channel("room")


TEXTS = (
    "The quick brown fox",
    "the lazy dog; a fox?",
    "Ein schöner Tag, FUCHS und Hase",
    "mail ann@example.org about foo-bar v2.10",
    "Привет мир",
    "https://example.org/path/to?x=1 snake_case it's 50%",
    "今日は世界",
    "fox fox fox",
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fox", {0, 1, 7}),
        ("FOX the", {0, 1}),
        ('"brown fox"', {0}),
        ('"fox brown"', set()),
        ("fox -lazy", {0, 7}),
        ('fox -"quick brown"', {1, 7}),
        ("fo*", {0, 1, 3, 7}),
        ("qui* -dog", {0}),
        ('"quick bro"*', {0}),
        ("schoner", {2}),
        ("SCHÖNER", {2}),
        ("scho\u0308ner", {2}),
        ("fuchs", {2}),
        ("ann@example.org", {3}),
        ("example.org", {3, 5}),
        ("foo-bar", {3}),
        ("v2.10", {3}),
        ("10", {3}),
        ("привет", {4}),
        ("ПРИВЕТ", {4}),
        ("snake", {5}),
        ("snake_case", {5}),
        ("path/to", {5}),
        ("it's", {5}),
        ("50", {5}),
        ("今日*", {6}),
        ("fox AND OR NOT", set()),
        ("fox OR dog", set()),
        ("NEAR(fox dog)", set()),
        ("words:fox", set()),
        ("channel:1", set()),
        ("fox')--", {0, 1, 7}),
        ("fox' | 'dog", {1}),
        ("fox & !dog", {1}),
        ("fox:*", {0, 1, 7}),
        ('"', set()),
        ("nothing", set()),
    ],
)
async def test_terms_mean_the_same_everywhere(
    chat: Chat, room: ChannelId, query: str, found: set[int]
) -> None:
    for said in TEXTS:
        await chat.say(room, said)
    await index(chat)
    assert parse_terms('"') is None
    texts = set(await find(chat, query)) if parse_terms(query) else set()
    assert texts == {TEXTS[number] for number in found}


NOTHING = (
    '"',
    "*",
    "-",
    "-*",
    '-"',
    '""',
    "- -x",
    "-x",
    "🎉",
    "!!! ???",
    "()",
    "'",
    "_",
    "\u0301",
    " ",
    "\0",
)


@pytest.mark.parametrize("query", NOTHING)
def test_what_names_nothing_to_look_for_is_no_search(query: str) -> None:
    assert parse_terms(query) is None


@pytest.mark.parametrize(
    "query",
    [
        'a" OR b',
        "a') UNION SELECT 1 --",
        "words : a",
        "^a",
        "{words channel} : a",
        "a + b NEAR/2",
        "a & | ! <-> b",
        "a:*A",
        "a\\' b",
        "½ ㎏ ﬁ ² ª Ⅷ",
        "a*b*",
        "--b a",
        'a -b -c -"d e" -f*',
        "ß İ ı Σ ς",
        "x" * 200,
        " ".join("abcdefghijklmnopqrstuvwxyz" * 3),
        "a" + "\u0300" * 100,
        "AND",
        "NOT a",
        "\ud800a",
        "1e5 0x1F -1.5 +3 1:2",
        "<b>a</b> &amp;",
        "\u200da\u200d",
        "𝕒 𐐀 ﷺ",
    ],
)
async def test_nothing_that_is_typed_is_an_error_or_means_anything(
    chat: Chat, room: ChannelId, query: str
) -> None:
    await chat.say(room, query if query.isprintable() else "a")
    await index(chat)
    assert len(await find(chat, query)) <= 1
    assert await find(chat, query, where=Narrowing(channel_id=room)) == await find(chat, query)
