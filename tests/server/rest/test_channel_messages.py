"""The messages of a channel: sending, reading in pages, editing, deleting, threads, markers and changes."""

import asyncio

import pytest

from protocol.rates import Rate
from server.settings import Settings
from tests.server.rest.client import Api, Json, serving


@pytest.fixture
async def path(alice: Api, bob: Api) -> str:
    """A channel of alice's that bob has joined."""
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    return path


async def say(person: Api, path: str, content: str, **more: object) -> Json:
    return await person.post(f"{path}/messages", {"content": content} | more)


def texts(page: Json) -> list[str]:
    return [each["content"] for each in page["items"]]


async def test_a_message_comes_back_as_it_was_sent(alice: Api, bob: Api, path: str) -> None:
    message = await say(alice, path, "Hello 🐎")
    assert message == {
        "id": message["id"],
        "channel_id": int(path.rpartition("/")[2]),
        "conversation_id": None,
        "seq": 3,
        "sender_id": alice.id,
        "user_id": alice.id,
        "content": "Hello 🐎",
        "parent_id": None,
        "mentions": [],
        "reactions": [],
        "attachments": [],
        "via": "web",
        "delivery": None,
        "edited_at": None,
        "deleted_at": None,
        "created_at": message["created_at"],
        "updated_at": message["created_at"],
    }
    assert (await bob.get(f"{path}/messages"))["items"] == [message]


async def test_a_nonce_makes_sending_safe_to_repeat(alice: Api, bob: Api, path: str) -> None:
    first = await say(alice, path, "once", nonce="n1")
    assert first["nonce"] == "n1"
    body = {"content": "other", "nonce": "n1"}
    assert await alice.post(f"{path}/messages", body, expect=200) == first
    key = {"Idempotency-Key": "n1"}
    assert await alice.post(f"{path}/messages", {"content": "x"}, expect=200, headers=key) == first
    assert (await say(bob, path, "mine", nonce="n1"))["content"] == "mine"
    assert texts(await alice.get(f"{path}/messages")) == ["mine", "once"]


async def test_the_bodys_nonce_wins_over_the_header(alice: Api, path: str) -> None:
    body, key = {"content": "a", "nonce": "body"}, {"Idempotency-Key": "header"}
    assert (await alice.post(f"{path}/messages", body, headers=key))["nonce"] == "body"
    for odd in ("", "x" * 65):
        refused = await alice.refused(
            "POST", f"{path}/messages", {"content": "a"}, headers={"Idempotency-Key": odd}
        )
        assert refused == ("invalid", "Idempotency-Key")


async def test_repeats_at_once_make_one_message(alice: Api, path: str) -> None:
    async def attempt() -> int:
        body = {"content": "once", "nonce": "n1"}
        headers = {"Authorization": f"Bearer {alice.token}"}
        async with alice.session.post(f"{path}/messages", json=body, headers=headers) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*(attempt() for _ in range(6)))) == [200] * 5 + [201]
    assert texts(await alice.get(f"{path}/messages")) == ["once"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("content", {}),
        ("content", {"content": ""}),
        ("content", {"content": None}),
        ("content", {"content": ["a"]}),
        ("content", {"content": "x" * 16_001}),
        ("content", {"content": "a\0b"}),
        ("nonce", {"content": "a", "nonce": ""}),
        ("nonce", {"content": "a", "nonce": "x" * 65}),
        ("parent_id", {"content": "a", "parent_id": "1"}),
        ("parent_id", {"content": "a", "parent_id": 0}),
        ("parent_id", {"content": "a", "parent_id": 2**63}),
        ("sender_id", {"content": "a", "sender_id": 1}),
        ("id", {"content": "a", "id": 1}),
        ("via", {"content": "a", "via": "agent"}),
        ("seq", {"content": "a", "seq": 1}),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(sqlite_alice: Api, field: str, body: Json) -> None:
    channel = await sqlite_alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}/messages"
    assert await sqlite_alice.refused("POST", path, body) == ("invalid", field)


async def test_the_longest_message_passes_however_it_is_escaped(alice: Api, path: str) -> None:
    assert (await say(alice, path, "🐎" * 16_000))["content"] == "🐎" * 16_000


async def test_only_members_read_and_write(carol: Api, path: str) -> None:
    for method, tail, body in (
        ("GET", "/messages", None),
        ("POST", "/messages", {"content": "a"}),
        ("PUT", "/messages/1", {"content": "a"}),
        ("DELETE", "/messages/1", None),
        ("GET", "/messages/1/replies", None),
        ("GET", "/messages/1/history", None),
        ("PUT", "/read", {"seq": 1}),
        ("GET", "/changes", None),
    ):
        assert await carol.refused(method, path + tail, body, expect=403) == ("forbidden",), tail


async def test_messages_are_paged_newest_first_or_from_a_position(alice: Api, path: str) -> None:
    sent = [await say(alice, path, str(number)) for number in range(7)]
    seqs = [each["seq"] for each in sent]
    messages = f"{path}/messages"
    assert texts(await alice.get(messages)) == list("6543210")
    first = await alice.get(f"{messages}?limit=3")
    second = await alice.get(f"{messages}?limit=3&cursor={first['next']}")
    third = await alice.get(f"{messages}?limit=3&cursor={second['next']}")
    assert texts(first) + texts(second) + texts(third) == list("6543210")
    assert third["next"] is None
    assert texts(await alice.get(f"{messages}?before={seqs[3]}&limit=2")) == ["2", "1"]
    assert texts(await alice.get(f"{messages}?after={seqs[3]}")) == ["4", "5", "6"]
    assert texts(await alice.get(f"{messages}?after={seqs[1]}&before={seqs[5]}")) == ["2", "3", "4"]
    assert texts(await alice.get(f"{messages}?before=0")) == []
    assert texts(await alice.get(f"{messages}?after={2**53}")) == []


async def test_a_cursor_goes_on_in_the_direction_it_came_from(alice: Api, path: str) -> None:
    sent = [await say(alice, path, str(number)) for number in range(6)]
    messages = f"{path}/messages"
    oldest = await alice.get(f"{messages}?after=0&limit=2")
    more = await alice.get(f"{messages}?after=0&limit=2&cursor={oldest['next']}")
    rest = await alice.get(f"{messages}?limit=5&cursor={more['next']}")
    assert texts(oldest) + texts(more) + texts(rest) == list("012345")
    within = await alice.get(f"{messages}?after=0&before={sent[4]['seq']}&limit=3")
    last = await alice.get(f"{messages}?limit=3&cursor={within['next']}")
    assert (texts(within), texts(last), last["next"]) == (["0", "1", "2"], ["3"], None)


async def test_messages_can_be_skipped(alice: Api, path: str) -> None:
    for number in range(5):
        await say(alice, path, str(number))
    messages = f"{path}/messages"
    assert texts(await alice.get(f"{messages}?skip=2&limit=2")) == ["2", "1"]
    assert texts(await alice.get(f"{messages}?skip=1&after=0&limit=2")) == ["1", "2"]
    assert texts(await alice.get(f"{messages}?skip=4")) == ["0"]
    for skip in (5, 6, 10_000):
        assert await alice.get(f"{messages}?skip={skip}") == {"items": [], "next": None}
    assert await alice.refused("GET", f"{messages}?skip=10001") == ("invalid", "skip")
    for query, field in (("before=x", "before"), ("after=-1", "after"), ("cursor=kQE", "cursor")):
        assert await alice.refused("GET", f"{messages}?{query}") == ("invalid", field)


async def test_skipping_further_than_a_page_works(alice: Api, path: str) -> None:
    await asyncio.gather(*(_post(alice, path, number) for number in range(230)))
    page = await alice.get(f"{path}/messages?skip=215&after=0&limit=200")
    assert len(page["items"]) == 15
    assert [each["seq"] for each in page["items"]] == list(range(218, 233))


async def _post(person: Api, path: str, number: int) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.session.post(
        f"{path}/messages", json={"content": str(number)}, headers=headers
    ) as answer:
        assert answer.status == 201


async def test_authors_edit_and_earlier_texts_are_kept(alice: Api, bob: Api, path: str) -> None:
    message = await say(alice, path, "one")
    where = f"{path}/messages/{message['id']}"
    for text in ("two", "three"):
        edited = await alice.put(where, {"content": text})
        assert (edited["content"], edited["id"]) == (text, message["id"])
        assert edited["edited_at"] is not None
    history = await bob.get(f"{where}/history")
    assert texts(history) == ["two", "one"]
    assert set(history["items"][0]) == {"content", "edited_at"}
    first = await bob.get(f"{where}/history?limit=1")
    assert texts(await bob.get(f"{where}/history?limit=1&cursor={first['next']}")) == ["one"]
    assert texts(await bob.get(f"{where}/history?skip=1")) == ["one"]
    assert await bob.refused("PUT", where, {"content": "mine"}, expect=403) == ("forbidden",)
    assert await alice.refused("PUT", where, {"content": ""}) == ("invalid", "content")
    assert await alice.refused("PUT", f"{path}/messages/9999", {"content": "x"}, expect=404) == ("not_found",)


async def test_authors_and_admins_delete_and_a_tombstone_stays(
    alice: Api, bob: Api, carol: Api, path: str
) -> None:
    await carol.post(f"{path}/join", expect=200)
    message = await say(bob, path, "secret")
    where = f"{path}/messages/{message['id']}"
    await bob.put(where, {"content": "secret too"})
    assert await carol.refused("DELETE", where, expect=403) == ("forbidden",)
    await alice.delete(where)
    (tombstone,) = (await bob.get(f"{path}/messages"))["items"]
    assert (tombstone["content"], tombstone["id"]) == (None, message["id"])
    assert tombstone["deleted_at"] is not None
    assert (await carol.get(f"{where}/history"))["items"] == []
    own = await say(bob, path, "mine")
    await bob.delete(f"{path}/messages/{own['id']}")
    assert await bob.refused("DELETE", f"{path}/messages/9999", expect=404) == ("not_found",)


async def test_a_message_of_another_channel_is_not_found_here(alice: Api, path: str) -> None:
    other = await alice.post("/channels/", {"name": "other"})
    message = await say(alice, f"/channels/{other['id']}", "elsewhere")
    where = f"{path}/messages/{message['id']}"
    assert await alice.refused("PUT", where, {"content": "x"}, expect=404) == ("not_found",)
    assert await alice.refused("DELETE", where, expect=404) == ("not_found",)
    assert await alice.refused("GET", f"{where}/replies", expect=404) == ("not_found",)
    assert await alice.refused("GET", f"{where}/history", expect=404) == ("not_found",)
    reply = {"content": "x", "parent_id": message["id"]}
    assert await alice.refused("POST", f"{path}/messages", reply) == ("invalid", "parent_id")


async def test_replies_make_a_thread_newest_first(alice: Api, bob: Api, path: str) -> None:
    parent = await say(alice, path, "question")
    where = f"{path}/messages/{parent['id']}/replies"
    for number in range(3):
        reply = await say(bob, path, str(number), parent_id=parent["id"])
        assert reply["parent_id"] == parent["id"]
    assert texts(await alice.get(where)) == ["2", "1", "0"]
    first = await alice.get(f"{where}?limit=2")
    assert texts(await alice.get(f"{where}?limit=2&cursor={first['next']}")) == ["0"]
    assert texts(await alice.get(f"{where}?skip=2")) == ["0"]
    assert await alice.refused("GET", f"{path}/messages/9999/replies", expect=404) == ("not_found",)


async def test_a_marker_moves_forward_only_and_past_the_end_means_all(
    alice: Api, bob: Api, path: str
) -> None:
    sent = [await say(alice, path, str(number)) for number in range(3)]
    assert (await bob.get(path))["unread_count"] == 3
    channel_id = sent[0]["channel_id"]
    marker = await bob.put(f"{path}/read", {"seq": sent[1]["seq"]})
    assert marker == {"channel_id": channel_id, "read_seq": sent[1]["seq"]}
    assert (await bob.get(path))["unread_count"] == 1
    assert (await bob.put(f"{path}/read", {"seq": 2**53}))["read_seq"] == sent[2]["seq"]
    await bob.put(f"{path}/read", {"seq": 0})
    channel = await bob.get(path)
    assert (channel["unread_count"], channel["read_seq"]) == (0, sent[2]["seq"])
    assert await bob.refused("PUT", f"{path}/read", {"seq": -1}) == ("invalid", "seq")
    assert await bob.refused("PUT", f"{path}/read", {"seq": "1"}) == ("invalid", "seq")


async def test_changes_tell_the_present_state_of_what_changed(alice: Api, bob: Api, path: str) -> None:
    message = await say(alice, path, "one")
    await alice.put(f"{path}/messages/{message['id']}", {"content": "two"})
    changes = await bob.get(f"{path}/changes")
    assert changes["type"] == "sync"
    assert (changes["channel_id"], changes["from"], changes["to"]) == (message["channel_id"], 0, 4)
    assert texts({"items": changes["messages"]}) == ["two"]
    assert {each["user"]["username"] for each in changes["members"]} == {"alice", "bob"}
    assert changes["channel"]["name"] == "general"
    assert changes["more"] is False
    nothing = await bob.get(f"{path}/changes?after=4")
    assert (nothing["messages"], nothing["members"], nothing["channel"]) == ([], [], None)


async def test_a_cursor_of_another_life_of_the_database_resets(alice: Api, path: str) -> None:
    reset = {"type": "reset", "channel_id": int(path.rpartition("/")[2])}
    assert await alice.get(f"{path}/changes?after=99") == reset
    assert await alice.get(f"{path}/changes?after=1&epoch=another") == reset
    assert await alice.refused("GET", f"{path}/changes?after=x") == ("invalid", "after")


async def test_posts_edits_and_deletes_spend_the_users_budget_and_say_so(settings: Settings) -> None:
    async with serving(settings, command_rate=Rate(per_s=0.001, burst=4)) as running:
        alice = await running.nobody.newcomer("alice")
        bob = await running.nobody.newcomer("bob")
        channel = await alice.post("/channels/", {"name": "general"})
        path = f"/channels/{channel['id']}"
        await bob.post(f"{path}/join", expect=200)
        message = await say(alice, path, "one")
        assert (alice.headers["RateLimit-Limit"], alice.headers["RateLimit-Remaining"]) == ("4", "3")
        assert int(alice.headers["RateLimit-Reset"]) > 0
        await alice.put(f"{path}/messages/{message['id']}", {"content": "two"})
        await alice.delete(f"{path}/messages/{message['id']}")
        await alice.post("/messages", {"recipient_id": bob.id, "content": "hi"})
        assert alice.headers["RateLimit-Remaining"] == "0"
        hello = {"content": "hello"}
        assert await alice.refused("POST", f"{path}/messages", hello, expect=429) == ("rate_limited",)
        assert int(alice.headers["Retry-After"]) > 1
        assert alice.headers["RateLimit-Remaining"] == "0"
        await alice.get(f"{path}/messages")
        assert "RateLimit-Limit" not in alice.headers
        await say(bob, path, "mine")
