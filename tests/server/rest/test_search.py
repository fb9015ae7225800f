"""Finding messages over REST: who, where, in which order, and what is refused."""

import asyncio
from urllib.parse import quote

import pytest

from server.search_indexing import catch_up
from storage.search_dialect import RANKED_MAX
from storage.search_index import SearchIndex
from tests.server.rest.client import Api, Json, Running


@pytest.fixture
async def path(alice: Api, bob: Api) -> str:
    """A channel of alice's that bob has joined."""
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    return path


async def say(person: Api, path: str, content: str) -> Json:
    return await person.post(f"{path}/messages", {"content": content})


async def index(running: Running) -> None:
    """Have everything indexed, whether the server is at it or not."""
    following = SearchIndex(running.context.database)
    while await following.behind():
        await catch_up(following, running.context.clock)


async def found(person: Api, query: str, **more: object) -> list[str]:
    parameters = "".join(f"&{name.rstrip('_')}={quote(str(value))}" for name, value in more.items())
    page = await person.get(f"/search?q={quote(query)}{parameters}")
    return [hit["message"]["content"] for hit in page["items"]]


async def test_a_hit_is_a_message_an_excerpt_and_a_rank(
    running: Running, alice: Api, bob: Api, path: str
) -> None:
    message = await say(alice, path, "Hello <b>@bob</b>")
    await index(running)
    page = await bob.get("/search?q=hello")
    assert page["next"] is None
    (hit,) = page["items"]
    assert hit == {
        "message": message,
        "excerpt": "<mark>Hello</mark> &lt;b&gt;@bob&lt;/b&gt;",
        "rank": hit["rank"],
    }
    assert hit["message"]["mentions"] == [bob.id]
    assert hit["rank"] > 0


async def test_what_is_said_is_found_without_anybodys_help(alice: Api, path: str) -> None:
    await say(alice, path, "hello")
    async with asyncio.timeout(20):
        while not await found(alice, "hello"):
            pass


async def test_only_ones_own_channels_and_conversations_are_searched(
    running: Running, alice: Api, bob: Api, carol: Api, path: str
) -> None:
    await say(alice, path, "hello all")
    await alice.post("/messages", {"recipient_id": carol.id, "content": "hello carol"})
    await index(running)
    assert sorted(await found(alice, "hello")) == ["hello all", "hello carol"]
    assert await found(bob, "hello") == ["hello all"]
    assert await found(carol, "hello") == ["hello carol"]
    channel_id = int(path.rpartition("/")[2])
    assert await carol.refused("GET", f"/search?q=x&channel_id={channel_id}", expect=403) == ("forbidden",)
    await alice.put(f"{path}/privacy", {"is_private": True})
    for unseen in (channel_id, 404):
        refused = await carol.refused("GET", f"/search?q=x&channel_id={unseen}", expect=404)
        assert refused == ("not_found",)


async def test_whoever_was_removed_finds_nothing_from_then_on(
    running: Running, alice: Api, bob: Api, path: str
) -> None:
    await say(bob, path, "hello")
    await index(running)
    await alice.delete(f"{path}/members/{bob.id}")
    assert await found(bob, "hello") == []
    assert await found(alice, "hello") == ["hello"]


async def test_edited_and_deleted_messages_are_found_as_they_are(
    running: Running, alice: Api, path: str
) -> None:
    one, two = await say(alice, path, "before"), await say(alice, path, "gone")
    await index(running)
    await alice.put(f"{path}/messages/{one['id']}", {"content": "after"})
    await alice.delete(f"{path}/messages/{two['id']}")
    assert await found(alice, "gone") == []
    await index(running)
    assert await found(alice, "before") == []
    assert await found(alice, "after") == ["after"]
    await alice.delete(path)
    assert await found(alice, "after") == []


async def test_a_search_is_narrowed_by_channel_author_time_and_position(
    running: Running, alice: Api, bob: Api, path: str
) -> None:
    one, two = await say(alice, path, "hello one"), await say(bob, path, "hello two")
    await alice.post("/messages", {"recipient_id": bob.id, "content": "hello bob"})
    await index(running)
    channel = int(path.rpartition("/")[2])
    assert sorted(await found(alice, "hello", channel_id=channel)) == ["hello one", "hello two"]
    assert await found(alice, "hello", from_=bob.id) == ["hello two"]
    assert await found(alice, "hello", before=two["created_at"]) == ["hello one"]
    assert await found(alice, "hello", after=two["created_at"]) == ["hello bob"]
    assert await found(alice, "hello", channel_id=channel, before=two["seq"]) == ["hello one"]
    assert await found(alice, "hello", channel_id=channel, after=one["seq"]) == ["hello two"]
    assert await found(alice, "hello", before="0001-01-01T00:00:00Z") == []


async def test_pages_hold_every_hit_once(running: Running, alice: Api, path: str) -> None:
    for number in range(5):
        await say(alice, path, f"hello {number}")
    await index(running)
    seen, cursor, following = [], "", "first"
    while following is not None:
        page = await alice.get(f"/search?q=hello&limit=2{cursor}")
        seen += [hit["message"]["content"] for hit in page["items"]]
        following = page["next"]
        cursor = f"&cursor={following}"
        await say(alice, path, "hello hello")
        await index(running)
    assert seen == [f"hello {number}" for number in (4, 3, 2, 1, 0)]
    assert len(await found(alice, "hello", skip=6)) == 2
    assert await found(alice, "hello", skip=RANKED_MAX) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("?q=", "q"),
        ("?q=%22%20-%20*", "q"),
        ("?q=-without", "q"),
        (f"?q={'x' * 201}", "q"),
        ("?q=%00", "q"),
        ("?q=x&channel_id=0", "channel_id"),
        ("?q=x&from=alice", "from"),
        ("?q=x&before=yesterday", "before"),
        ("?q=x&before=7", "before"),
        ("?q=x&after=7", "after"),
        ("?q=x&after=2026-01-31T12:00:00", "after"),
        ("?q=x&after=0001-01-01T00:00:00%2B10:00", "after"),
        ("?q=x&before=9999-12-31T23:59:59-10:00", "before"),
        ("?q=x&cursor=x", "cursor"),
        ("?q=x&limit=0", "limit"),
        ("?q=x&sort=new", "sort"),
    ],
)
async def test_what_cannot_be_searched_is_refused(sqlite_alice: Api, query: str, field: str) -> None:
    code, *fields = await sqlite_alice.refused("GET", f"/search{query}")
    assert code == "invalid"
    assert fields == [field]


async def test_hostile_queries_are_words_like_any_other(running: Running, alice: Api, path: str) -> None:
    await say(alice, path, "plain words")
    await index(running)
    for query in ("words' OR 1=1 --", 'words" OR "x', "words) OR (x", "words NEAR x", "*words", "words\\"):
        assert await found(alice, query) in ([], ["plain words"])


@pytest.mark.parametrize(("name", "code"), [("WAITING_MAX", "overloaded"), ("TAKES_MAX_S", "overloaded")])
async def test_too_many_or_too_long_searches_are_put_off(
    sqlite_alice: Api, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    monkeypatch.setattr(f"storage.search.{name}", 0 if name == "WAITING_MAX" else -1.0)
    monkeypatch.setattr("storage.search_sqlite.STEPS_BETWEEN_LOOKS", 1)
    assert await sqlite_alice.refused("GET", "/search?q=x", expect=503) == (code,)
    assert int(sqlite_alice.headers["Retry-After"]) > 0
