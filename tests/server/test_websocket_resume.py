"""Coming back from where one stood: nothing is missing, nothing is told twice, nothing of others is shown."""

from typing import Any

import pytest

from protocol.codec import JSON, MSGPACK
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, Talk

ABSENT = 2**40


async def post(person: Api, channel_id: int, *contents: str) -> list[int]:
    """The `seq`s of new messages."""
    path = f"/channels/{channel_id}/messages"
    return [(await person.post(path, {"content": content}))["seq"] for content in contents]


async def next_about(talk: Talk, channel_id: int) -> Json:
    """The next event of this channel."""
    while True:
        event = await talk.next()
        if event.get("channel_id") == channel_id:
            return event


def contents(page: Json) -> list[str]:
    return [message["content"] for message in page["messages"]]


async def test_each_channel_that_is_named_gets_a_sync_and_then_its_live_events(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    missed, current, unnamed = [await home.channel(alice, bob) for _ in range(3)]
    await post(alice, missed, "one", "two")
    talk = await home.resumed(bob, (missed, 2), (current, 2))
    pages = {page["channel_id"]: page for page in [await talk.hear("sync"), await talk.hear("sync")]}
    assert set(pages) == {missed, current}
    page = pages[missed]
    assert (page["from"], page["to"], contents(page), page["more"]) == (2, 4, ["one", "two"], False)
    page = pages[current]
    assert (page["from"], page["to"], page["messages"], page["members"], page["channel"]) == (
        2,
        2,
        [],
        [],
        None,
    )
    for channel_id, seq in ((missed, 5), (current, 3), (unnamed, 3)):
        await post(alice, channel_id, "live")
        event = await next_about(talk, channel_id)
        assert (event["type"], event["seq"]) == ("new_message", seq)


async def test_a_sync_shows_each_row_once_and_as_it_is_now(home: Place) -> None:
    alice, bob, carol = [await home.person(name) for name in ("alice", "bob", "carol")]
    channel_id = await home.channel(alice, bob, carol)
    path = f"/channels/{channel_id}"
    await post(alice, channel_id, "first", "second", "third")
    first, second, _ = reversed((await alice.get(f"{path}/messages"))["items"])
    await alice.put(f"{path}/messages/{first['id']}", {"content": "edited"})
    await alice.delete(f"{path}/messages/{second['id']}")
    await alice.put(path, {"description": "new"})
    await carol.post(f"{path}/leave", expect=204)
    talk = await home.resumed(bob, (channel_id, 0))
    page = await talk.hear("sync")
    assert contents(page) == ["third", "edited", None]
    assert [message["deleted_at"] is not None for message in page["messages"]] == [False, False, True]
    assert {member["user"]["username"]: member["role"] for member in page["members"]} == {
        "alice": "owner",
        "bob": "member",
        "carol": None,
    }
    assert page["channel"]["description"] == "new"
    assert not {"my_role", "read_seq", "unread_count", "join_code"} & set(page["channel"])


async def test_a_channel_that_the_caller_may_not_see_is_removed(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    own, private = await home.channel(bob), await home.channel(alice, is_private=True)
    left, public = await home.channel(alice, bob), await home.channel(alice)
    await bob.post(f"/channels/{left}/leave", expect=204)
    named = (ABSENT, private, left, public)
    talk = await home.resumed(bob, *((channel_id, 1) for channel_id in named), (own, 1))
    removed = [await talk.hear("channel_removed") for _ in named]
    assert {event["channel_id"] for event in removed} == set(named)
    assert len({event["reason"] for event in removed}) == 1
    await post(alice, public, "not for bob")
    await post(bob, own, "for bob")
    await talk.hear("new_message")
    assert "not for bob" not in str(talk.events)
    assert [event["channel_id"] for event in talk.events if event["type"] == "sync"] == [own]


@pytest.mark.parametrize("cursor", [10_000, 2**53])
async def test_a_cursor_from_the_future_starts_from_nothing(home: Place, cursor: int) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    await post(alice, channel_id, "only")
    talk = await home.resumed(alice, (channel_id, cursor))
    reset, page = await next_about(talk, channel_id), await next_about(talk, channel_id)
    assert (reset["type"], page["type"]) == ("reset", "sync")
    assert (page["from"], page["to"], contents(page)) == (0, 2, ["only"])
    await post(alice, channel_id, "live")
    assert (await talk.hear("new_message"))["seq"] == 3


async def test_a_cursor_from_another_life_of_the_database_starts_from_nothing(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    await post(alice, channel_id, "only")
    talk = await home.resumed(alice, (channel_id, 1), epoch="another life")
    reset, page = await next_about(talk, channel_id), await next_about(talk, channel_id)
    assert (reset["type"], page["type"], page["from"], contents(page)) == ("reset", "sync", 0, ["only"])


async def test_a_cursor_of_this_life_is_trusted(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    epoch = (await (await home.upgraded(alice.token)).hear("ready"))["epoch"]
    talk = await home.resumed(alice, (channel_id, 1), epoch=epoch)
    page = await next_about(talk, channel_id)
    assert (page["type"], page["from"], page["to"]) == ("sync", 1, 1)


async def test_a_thousand_cursors_may_be_named_and_no_more(home: Place) -> None:
    alice = await home.person("alice")
    own = await home.channel(alice)
    cursors = [{"channel_id": own + n, "seq": 1} for n in range(1001)]
    hello = {"type": "hello", "token": alice.token}
    talk = await home.upgraded()
    talk.say(hello | {"resume": cursors}, hello | {"resume": cursors[:1000]})
    error = await talk.next()
    assert (error["code"], error["field"]) == ("invalid", "resume")
    await talk.hear("sync")
    for _ in range(999):
        await talk.hear("channel_removed")
    assert await talk.is_well()


# With the header, by `sync`.


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
async def test_with_the_header_sync_brings_what_was_missed(home: Place, codec: Any) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    await post(alice, channel_id, "missed")
    talk = await home.upgraded(bob.token, codec)
    ready = await talk.hear("ready")
    assert ready["channels"][0]["last_seq"] == 3
    await post(alice, channel_id, "live")
    page = await talk.ask({"type": "sync", "channel_id": channel_id, "from": 2, "epoch": ready["epoch"]})
    assert (page["type"], page["from"], page["more"], contents(page)[0]) == ("sync", 2, False, "missed")
    event = await next_about(talk, channel_id) if page["to"] == 3 else talk.events[1]
    assert (event["type"], event["seq"]) == ("new_message", 4)


async def test_sync_from_the_future_or_another_life_resets_and_starts_from_nothing(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    await post(alice, channel_id, "only")
    talk = await home.live(alice)
    sync = {"type": "sync", "channel_id": channel_id}
    for stale in ({"from": 10_000}, {"from": 1, "epoch": "another life"}):
        reset = await talk.ask(sync | stale)
        page = await talk.next()
        assert (reset["type"], reset["channel_id"], page["reply_to"]) == ("reset", channel_id, "asked")
        assert (page["type"], page["from"], contents(page)) == ("sync", 0, ["only"])
    assert await talk.is_well()


async def test_a_long_past_comes_in_pages_of_at_most_two_hundred_rows(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    writer = await home.live(alice)
    writer.say(
        *[
            {"type": "send", "channel_id": channel_id, "content": str(n), "nonce": str(n), "id": str(n)}
            for n in range(450)
        ]
    )
    for _ in range(450):
        await writer.hear("ack")
    talk = await home.resumed(bob, (channel_id, 2))
    pages = [await talk.hear("sync")]
    while pages[-1]["to"] < 452:
        pages.append(await talk.hear("sync"))
        assert pages[-1]["from"] == pages[-2]["to"]
    assert max(len(page["messages"]) for page in pages) <= 200
    assert [content for page in pages for content in contents(page)] == [str(n) for n in range(450)]
    await post(alice, channel_id, "live")
    assert (await talk.hear("new_message"))["seq"] == 453


async def test_nothing_is_missed_or_repeated_while_others_go_on_writing(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    writer = await home.live(alice)
    sent = 0

    def write_more() -> None:
        nonlocal sent
        numbers = range(sent, sent + 40)
        send = {"type": "send", "channel_id": channel_id}
        writer.say(*[send | {"content": str(n), "nonce": str(n)} for n in numbers])
        sent += 40

    write_more()
    seen: list[str] = []
    stands = 0
    for _ in range(5):
        write_more()
        talk = await home.resumed(bob, (channel_id, stands))
        write_more()
        for _ in range(30):
            event = await next_about(talk, channel_id)
            if event["type"] == "sync":
                assert event["from"] == stands
                seen += contents(event)
                stands = event["to"]
            elif event["type"] == "new_message":
                assert event["seq"] == stands + 1
                seen.append(event["message"]["content"])
                stands = event["seq"]
            if stands == 2 + sent:
                break
        talk.wire.close()
    talk = await home.resumed(bob, (channel_id, stands))
    while stands < 2 + sent:
        event = await next_about(talk, channel_id)
        seen += contents(event) if event["type"] == "sync" else [event["message"]["content"]]
        stands = event["to"] if event["type"] == "sync" else event["seq"]
    assert seen == [str(n) for n in range(sent)]


async def test_a_page_of_changes_keeps_to_the_limit_that_was_asked_for(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    await post(alice, channel_id, *"abcde")
    page = await alice.get(f"/channels/{channel_id}/changes?after=1&limit=2")
    assert (contents(page), page["to"], page["more"]) == (["a", "b"], 3, True)
