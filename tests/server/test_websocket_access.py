"""What a socket's commands may reach: channels and messages of others, absent, private, archived, left."""

from typing import Any

import pytest

from protocol.codec import JSON, MSGPACK, Codec
from tests.server.rest.client import Json
from tests.server.talking import Place, Talk

ABSENT = 2**40
CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])


def commands_to(channel_id: int, message_id: int) -> list[Json]:
    """Everything that names a channel."""
    on_message = {"channel_id": channel_id, "message_id": message_id}
    return [
        {"type": "send", "channel_id": channel_id, "content": "x", "nonce": "nonce"},
        {"type": "edit", "content": "x"} | on_message,
        {"type": "delete"} | on_message,
        {"type": "react", "code": "thumbsup"} | on_message,
        {"type": "unreact", "code": "thumbsup"} | on_message,
        {"type": "read", "channel_id": channel_id, "seq": 1},
        {"type": "history", "channel_id": channel_id},
        {"type": "sync", "channel_id": channel_id, "from": 0},
        {"type": "leave", "channel_id": channel_id},
        {"type": "typing", "channel_id": channel_id},
    ]


async def refusals(talk: Talk, channel_id: int, message_id: int) -> list[tuple[str, str]]:
    """What each command to a channel is refused with."""
    codes = []
    for command in commands_to(channel_id, message_id):
        error = await talk.ask(command)
        assert error["type"] == "error", (command, error)
        assert not error["retryable"]
        codes.append((error["code"], error["message"]))
    return codes


async def posted(talk: Talk, channel_id: int, content: str = "hello", **more: Any) -> Json:
    """The ack of a message."""
    nonce = f"{content}-{len(talk.events)}"
    command = {"type": "send", "channel_id": channel_id, "content": content, "nonce": nonce}
    ack = await talk.ask(command | more)
    assert ack["type"] == "ack", ack
    return ack


@CODECS
async def test_a_private_channel_cannot_be_told_from_one_that_does_not_exist(
    home: Place, codec: Codec
) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    private = await home.channel(alice, is_private=True)
    ack = await posted(await home.live(alice), private)
    talk = await home.live(bob, codec)
    to_private = await refusals(talk, private, ack["message_id"])
    assert to_private == await refusals(talk, ABSENT, ABSENT)
    assert {code for code, _ in to_private} == {"not_found"}
    joins = [await talk.ask({"type": "join", "channel_id": each}) for each in (private, ABSENT)]
    assert [(error["code"], error["message"]) for error in joins] == [
        (joins[1]["code"], joins[1]["message"])
    ] * 2
    assert joins[0]["code"] == "not_found"
    assert await talk.is_well()


async def test_a_public_channel_of_others_is_closed_to_who_is_no_member(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice)
    ack = await posted(await home.live(alice), channel_id)
    talk = await home.live(bob)
    assert {code for code, _ in await refusals(talk, channel_id, ack["message_id"])} == {"forbidden"}
    page = await alice.get(f"/channels/{channel_id}/messages")
    assert [message["content"] for message in page["items"]] == ["hello"]


async def test_a_direct_channel_of_others_cannot_be_told_from_one_that_does_not_exist(home: Place) -> None:
    alice, bob, carol = [await home.person(name) for name in ("alice", "bob", "carol")]
    writer = await home.live(alice)
    ack = await writer.ask({"type": "send", "recipient_id": bob.id, "content": "psst", "nonce": "1"})
    talk = await home.live(carol)
    assert await refusals(talk, ack["channel_id"], ack["message_id"]) == await refusals(talk, ABSENT, ABSENT)
    error = await talk.ask({"type": "join", "channel_id": ack["channel_id"]})
    assert error["code"] == "not_found"


async def test_messages_that_are_absent_or_elsewhere_are_not_found(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    here, there = await home.channel(alice, bob), await home.channel(bob)
    elsewhere = await posted(await home.live(bob), there)
    talk = await home.live(alice)
    for message_id in (ABSENT, elsewhere["message_id"]):
        for command in commands_to(here, message_id)[1:5]:
            error = await talk.ask(command)
            assert (error["type"], error["code"]) == ("error", "not_found")
        error = await talk.ask(
            {"type": "send", "channel_id": here, "content": "x", "nonce": "n", "parent_id": message_id}
        )
        assert (error["type"], error["field"]) == ("error", "parent_id")


async def test_messages_of_others_may_be_neither_edited_nor_deleted(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    ack = await posted(await home.live(alice), channel_id)
    talk = await home.live(bob)
    for command in commands_to(channel_id, ack["message_id"])[1:3]:
        error = await talk.ask(command)
        assert (error["type"], error["code"]) == ("error", "forbidden")


async def test_absent_people_invites_reactions_streams_and_files_are_refused_by_name(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.live(alice)
    ack = await posted(talk, channel_id)
    on_message = {"channel_id": channel_id, "message_id": ack["message_id"]}
    send = {"type": "send", "content": "x", "nonce": "nonce"}
    for command, code, field in [
        (send | {"recipient_id": ABSENT}, "not_found", "recipient_id"),
        (send | {"recipient_id": alice.id}, "invalid", "recipient_id"),
        (send | {"channel_id": channel_id, "attachments": [1]}, "invalid", "attachments"),
        ({"type": "join", "join_code": "nonsense"}, "not_found", "join_code"),
        ({"type": "react", "code": "nonsense"} | on_message, "invalid", "code"),
        ({"type": "cancel", "stream_id": "nonsense"}, "not_found", "stream_id"),
    ]:
        error = await talk.ask(command)
        assert (error["type"], error["code"], error["field"]) == ("error", code, field)
    assert await talk.is_well()


async def test_an_archived_channel_is_read_and_not_written(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    talk = await home.live(alice)
    ack = await posted(talk, channel_id)
    await alice.put(f"/channels/{channel_id}", {"is_archived": True})
    for command in commands_to(channel_id, ack["message_id"])[:4]:
        error = await talk.ask(command)
        assert (error["type"], error["code"]) == ("error", "channel_archived")
    history = await talk.ask({"type": "history", "channel_id": channel_id})
    assert [message["content"] for message in history["messages"]] == ["hello"]


async def test_a_repeated_nonce_gets_the_first_ack_and_is_told_to_nobody_again(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    talk, listener = await home.live(alice), await home.live(bob)
    send = {"type": "send", "channel_id": channel_id, "content": "once", "nonce": "same"}
    first = await talk.ask(send)
    again = await talk.ask(send | {"content": "twice"})
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert (first["message_id"], first["seq"]) == (again["message_id"], again["seq"])
    assert (await posted(talk, channel_id, "next"))["seq"] == first["seq"] + 1
    contents = [(await listener.hear("new_message"))["message"]["content"] for _ in range(2)]
    assert contents == ["once", "next"]


# Leaving and coming.


async def test_a_removed_member_hears_and_may_do_nothing_more(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob, is_private=False)
    ack = await posted(await home.live(alice), channel_id)
    talks = [await home.live(bob), await home.live(bob, MSGPACK)]
    await alice.put(f"/channels/{channel_id}/privacy", {"is_private": True})
    await alice.delete(f"/channels/{channel_id}/members/{bob.id}")
    await alice.post(f"/channels/{channel_id}/messages", {"content": "secret"})
    for talk in talks:
        removed = await talk.hear("channel_removed")
        assert (removed["channel_id"], removed["reason"]) == (channel_id, "removed")
        assert {code for code, _ in await refusals(talk, channel_id, ack["message_id"])} == {"not_found"}
        assert "secret" not in str(talk.events)
    resumed = await home.resumed(bob, (channel_id, 1))
    gone = await resumed.next()
    assert (gone["type"], gone["channel_id"]) == ("channel_removed", channel_id)


async def test_who_joins_is_told_of_the_channel_first_and_then_of_everything_in_it(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice)
    writer, talk = await home.live(alice), await home.live(bob)
    joined = await talk.ask({"type": "join", "channel_id": channel_id})
    assert joined["type"] == "ack"
    await posted(writer, channel_id, "welcome")
    event = await talk.hear("new_message")
    assert event["message"]["content"] == "welcome"
    about = [each for each in talk.events if each.get("channel_id") == channel_id or each.get("channel")]
    kinds = [each["type"] for each in about if each["type"] not in ("ack", "presence")]
    assert kinds[0] == "channel_added"
    start = next(each for each in about if each["type"] == "channel_added")["channel"]["last_seq"]
    seqs = [each["seq"] for each in about if each["type"] != "ack" and "seq" in each]
    assert seqs == list(range(start + 1, event["seq"] + 1))


async def test_an_invite_lets_in_by_its_code_until_it_is_revoked(home: Place) -> None:
    alice, bob, carol = [await home.person(name) for name in ("alice", "bob", "carol")]
    channel_id = await home.channel(alice, is_private=True)
    invite = await alice.post(f"/channels/{channel_id}/invite", {})
    join = {"type": "join", "join_code": invite["join_code"]}
    talk = await home.live(bob)
    assert (await talk.ask(join))["type"] == "ack"
    assert (await posted(talk, channel_id))["channel_id"] == channel_id
    await alice.delete(f"/channels/{channel_id}/invites/{invite['join_code']}")
    error = await (await home.live(carol)).ask(join)
    assert (error["type"], error["code"]) == ("error", "gone")


# Devices and history.


async def test_all_devices_of_a_user_hear_the_same_and_one_ack_each(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    devices = [await home.live(alice), await home.live(alice, MSGPACK), await home.resumed(alice)]
    ack = await posted(devices[0], channel_id)
    for device in devices:
        event = await device.hear("new_message")
        assert (event["seq"], event["message"]["id"]) == (ack["seq"], ack["message_id"])
    assert (await devices[1].ask({"type": "read", "channel_id": channel_id, "seq": ack["seq"]}))[
        "type"
    ] == "ack"
    acks = [[event["type"] for event in device.events].count("ack") for device in devices]
    assert acks == [1, 1, 0]


async def test_reading_on_one_device_moves_the_marker_on_the_others(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    ack = await posted(await home.live(alice), channel_id)
    one, other = await home.live(bob), await home.live(bob)
    assert (await one.ask({"type": "read", "channel_id": channel_id, "seq": ack["seq"]}))["type"] == "ack"
    marker = await other.hear("read")
    assert (marker["user_id"], marker["read_seq"]) == (bob.id, ack["seq"])


@CODECS
async def test_history_is_paged_in_both_directions(home: Place, codec: Codec) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.live(alice, codec)
    seqs = [(await posted(talk, channel_id, f"m{n}"))["seq"] for n in range(7)]
    ask = {"type": "history", "channel_id": channel_id, "limit": 3}
    backward: list[int] = []
    before: dict[str, int] = {}
    while True:
        page = await talk.ask(ask | before)
        backward += [message["seq"] for message in page["messages"]]
        if not page["more"]:
            break
        before = {"before": backward[-1]}
    assert backward == seqs[::-1]
    page = await talk.ask(ask | {"after": seqs[2]})
    assert ([message["seq"] for message in page["messages"]], page["more"]) == (seqs[3:6], True)
    page = await talk.ask(ask | {"limit": 2**53})
    assert (len(page["messages"]), page["more"]) == (7, False)
