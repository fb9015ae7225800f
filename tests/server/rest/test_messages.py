"""Direct messages across conversations, and conversations themselves."""

import asyncio

import pytest

from tests.server.rest.client import Api, Json


async def write(sender: Api, recipient: Api, content: str, **more: object) -> Json:
    body = {"recipient_id": recipient.id, "content": content} | more
    return await sender.post("/messages", body)


def texts(page: Json) -> list[str]:
    return [each["content"] for each in page["items"]]


async def test_a_first_message_makes_the_conversation(alice: Api, bob: Api) -> None:
    message = await write(alice, bob, "hi")
    low, high = sorted((alice.id, bob.id))
    assert message["conversation_id"] == f"direct:{low}:{high}"
    assert (message["sender_id"], message["user_id"], message["recipient_id"]) == (alice.id, alice.id, bob.id)
    assert message["is_read"] is False
    answer = await write(bob, alice, "hello")
    assert answer["channel_id"] == message["channel_id"]
    assert answer["recipient_id"] == alice.id


async def test_two_first_messages_at_once_make_one_conversation(alice: Api, bob: Api) -> None:
    first, second = await asyncio.gather(write(alice, bob, "a"), write(bob, alice, "b"))
    assert first["channel_id"] == second["channel_id"]
    assert {first["seq"], second["seq"]} == {2, 3}


async def test_nobody_writes_to_strangers_that_do_not_exist_or_to_themselves(alice: Api, bob: Api) -> None:
    body = {"recipient_id": 9999, "content": "hi"}
    assert await alice.refused("POST", "/messages", body, expect=404) == ("not_found", "recipient_id")
    body = {"recipient_id": alice.id, "content": "hi"}
    assert await alice.refused("POST", "/messages", body) == ("invalid", "recipient_id")
    foreign = await write(bob, alice, "hi")
    elsewhere = await alice.newcomer()
    body = {"recipient_id": elsewhere.id, "content": "hi", "parent_id": foreign["id"]}
    assert await alice.refused("POST", "/messages", body) == ("invalid", "parent_id")
    for field, value in (("recipient_id", "1"), ("content", {}), ("sender_id", bob.id), ("is_read", True)):
        body = {"recipient_id": bob.id, "content": "hi", field: value}
        assert await alice.refused("POST", "/messages", body) == ("invalid", field)


async def test_a_nonce_makes_writing_safe_to_repeat(alice: Api, bob: Api) -> None:
    first = await write(alice, bob, "once", nonce="n1")
    body = {"recipient_id": bob.id, "content": "again"}
    assert await alice.post("/messages", body | {"nonce": "n1"}, expect=200) == first
    assert await alice.post("/messages", body, expect=200, headers={"Idempotency-Key": "n1"}) == first


@pytest.fixture
async def said(alice: Api, bob: Api, carol: Api) -> list[Json]:
    return [
        await write(alice, bob, "a to b"),
        await write(bob, alice, "b to a"),
        await write(carol, alice, "c to a"),
        await write(bob, carol, "b to c"),
    ]


async def test_boxes_hold_what_was_sent_and_received(said: list[Json], alice: Api, bob: Api) -> None:
    assert texts(await alice.get("/messages")) == ["c to a", "b to a", "a to b"]
    assert texts(await alice.get("/messages/sent")) == ["a to b"]
    assert texts(await alice.get("/messages/received")) == ["c to a", "b to a"]
    assert texts(await alice.get(f"/messages?with={bob.id}")) == ["b to a", "a to b"]
    first = await alice.get("/messages?limit=2")
    assert texts(await alice.get(f"/messages?limit=2&cursor={first['next']}")) == ["a to b"]
    assert texts(await alice.get("/messages?skip=2")) == ["a to b"]
    for query, field in (("with=x", "with"), ("unread=maybe", "unread"), ("before=1", "before")):
        assert await alice.refused("GET", f"/messages?{query}") == ("invalid", field)


async def test_unread_is_counted_by_conversation_until_it_is_read(
    said: list[Json], alice: Api, bob: Api
) -> None:
    from_bob, from_carol = said[1], said[2]
    assert await alice.get("/messages/unread/count") == {
        "count": 2,
        "by_conversation": {from_bob["conversation_id"]: 1, from_carol["conversation_id"]: 1},
    }
    assert texts(await alice.get("/messages?unread=true")) == ["c to a", "b to a"]
    read = await alice.put(f"/messages/{from_bob['id']}/read")
    assert (read["id"], read["is_read"]) == (from_bob["id"], True)
    assert (await bob.get(f"/messages/{from_bob['id']}"))["is_read"] is True
    assert texts(await alice.get("/messages/received?unread=true")) == ["c to a"]
    assert await alice.put("/messages/read-all") == {"count": 0, "by_conversation": {}}
    assert await alice.get("/messages/unread/count") == {"count": 0, "by_conversation": {}}
    assert (await bob.get("/messages/unread/count"))["count"] == 0


async def test_only_the_recipient_marks_a_message_as_read(
    said: list[Json], alice: Api, bob: Api, carol: Api
) -> None:
    where = f"/messages/{said[0]['id']}/read"
    assert await alice.refused("PUT", where, expect=403) == ("forbidden",)
    assert await carol.refused("PUT", where, expect=404) == ("not_found",)
    await bob.put(where)


async def test_a_direct_message_is_for_its_two_people_only(
    said: list[Json], alice: Api, bob: Api, carol: Api
) -> None:
    where = f"/messages/{said[0]['id']}"
    for person in (alice, bob):
        assert (await person.get(where))["content"] == "a to b"
    for method, body in (("GET", None), ("PUT", {"content": "x"}), ("DELETE", None)):
        assert await carol.refused(method, where, body, expect=404) == ("not_found",)
        assert (await carol.refused(method, "/messages/9999", body, expect=404)) == ("not_found",)
    tail = f"/channels/{said[0]['channel_id']}/messages"
    assert await carol.refused("GET", tail, expect=404) == ("not_found",)


async def test_a_message_of_a_channel_is_no_direct_message(alice: Api) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    message = await alice.post(f"/channels/{channel['id']}/messages", {"content": "hi"})
    assert await alice.refused("GET", f"/messages/{message['id']}", expect=404) == ("not_found",)


async def test_only_the_sender_edits_and_deletes(said: list[Json], alice: Api, bob: Api) -> None:
    where = f"/messages/{said[0]['id']}"
    assert await bob.refused("PUT", where, {"content": "x"}, expect=403) == ("forbidden",)
    assert await bob.refused("DELETE", where, expect=403) == ("forbidden",)
    edited = await alice.put(where, {"content": "A to B"})
    assert (edited["content"], edited["recipient_id"]) == ("A to B", bob.id)
    await alice.delete(where)
    tombstone = await bob.get(where)
    assert (tombstone["content"], tombstone["deleted_at"] is None) == (None, False)


async def test_conversations_are_listed_latest_first(
    said: list[Json], alice: Api, bob: Api, carol: Api
) -> None:
    found = (await alice.get("/auth/conversations"))["items"]
    assert [each["user"]["username"] for each in found] == ["carol", "bob"]
    with_carol = found[0]
    assert with_carol["last_message"]["content"] == "c to a"
    assert (with_carol["unread_count"], with_carol["channel_id"]) == (1, said[2]["channel_id"])
    assert with_carol["user"]["presence"] == "offline"
    assert with_carol["updated_at"] == said[2]["created_at"]
    first = await alice.get("/auth/conversations?limit=1")
    second = await alice.get(f"/auth/conversations?limit=1&cursor={first['next']}")
    assert [each["user"]["id"] for each in first["items"] + second["items"]] == [carol.id, bob.id]
    assert [each["user"]["id"] for each in (await alice.get("/auth/conversations?skip=1"))["items"]] == [
        bob.id
    ]


async def test_a_conversation_is_read_written_and_marked_by_its_two_people(
    said: list[Json], alice: Api, bob: Api, carol: Api
) -> None:
    where = f"/auth/conversations/{said[0]['conversation_id']}"
    assert texts(await bob.get(f"{where}/messages")) == ["b to a", "a to b"]
    assert texts(await bob.get(f"{where}/messages?after=0")) == ["a to b", "b to a"]
    sent = await alice.post(
        f"{where}/messages", {"content": "more", "parent_id": said[0]["id"], "nonce": "n"}
    )
    assert (sent["recipient_id"], sent["parent_id"]) == (bob.id, said[0]["id"])
    await alice.post(f"{where}/messages", {"content": "more", "nonce": "n"}, expect=200)
    marker = await bob.put(f"{where}/read")
    assert marker == {"channel_id": sent["channel_id"], "read_seq": sent["seq"]}
    assert sent["conversation_id"] not in (await bob.get("/messages/unread/count"))["by_conversation"]
    for method, tail, body in (
        ("GET", "/messages", None),
        ("POST", "/messages", {"content": "x"}),
        ("PUT", "/read", None),
    ):
        assert await carol.refused(method, where + tail, body, expect=404) == ("not_found",)
        absent = f"/auth/conversations/direct:1:9999{tail}"
        assert await alice.refused(method, absent, body, expect=404) == ("not_found",)
