"""Direct channels as conversations."""

import asyncio

import pytest

from protocol.facts import MarkerMoved, MessageDeleted, Written
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Message
from storage.conversations import Conversations
from storage.engine import Database
from tests.storage.people import LATER, NOW, Chat, deleted, direct_fields


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


async def tell(chat: Chat, sender: int, recipient: int, content: str) -> MessageId:
    channel_id = await chat.direct(sender, recipient)
    return await chat.say(channel_id, content, by=sender, **direct_fields(chat, sender, recipient))


def texts(found: list[Message]) -> list[str | None]:
    return [message.content for message in found]


async def test_two_who_write_to_each_other_at_once_get_one_channel(chat: Chat) -> None:
    pairs = [(0, 1), (1, 0)] * 5
    opened = await asyncio.gather(*(chat.channels.open_direct(chat.ids[a], chat.ids[b]) for a, b in pairs))
    assert len(set(opened)) == 1
    assert opened[0] is not None
    snapshot = await chat.messages.load_channel(opened[0])
    assert snapshot is not None
    assert snapshot.info.kind == "direct"
    assert snapshot.info.last_seq == 1
    assert snapshot.info.conversation_id == f"direct:{chat.ids[0]}:{chat.ids[1]}"
    assert {(member.user_id, member.role, member.read_seq) for member in snapshot.members} == {
        (chat.ids[0], "member", 0),
        (chat.ids[1], "member", 0),
    }


async def test_nobody_opens_a_channel_with_somebody_who_is_not_there(chat: Chat) -> None:
    assert await chat.channels.open_direct(chat.ids[0], UserId(404)) is None


async def test_conversations_come_with_the_other_side_the_last_word_and_what_is_unread(chat: Chat) -> None:
    await tell(chat, 0, 1, "hello bob")
    await tell(chat, 1, 0, "hello ann")
    await tell(chat, 1, 0, "are you there")
    await tell(chat, 2, 0, "hello from cid")
    found = await Conversations(chat.database).list_conversations(chat.ids[0])
    assert [conversation.user.username for conversation in found] == ["cid", "bob"]
    last = [conversation.last_message for conversation in found]
    assert [message.content for message in last if message] == ["hello from cid", "are you there"]
    assert [conversation.unread_count for conversation in found] == [1, 2]
    assert found[0].updated_at == NOW


async def test_conversations_come_in_pages(chat: Chat) -> None:
    first = await tell(chat, 0, 1, "older")
    second = await tell(chat, 0, 2, "newer")
    conversations = Conversations(chat.database)
    (newest,) = await conversations.list_conversations(chat.ids[0], limit=1)
    assert newest.last_message is not None
    assert newest.last_message.id == second
    (rest,) = await conversations.list_conversations(chat.ids[0], before=second)
    assert rest.last_message is not None
    assert rest.last_message.id == first
    assert await conversations.list_conversations(chat.ids[0], skip=2) == []


async def test_a_channel_in_which_nothing_was_said_is_no_conversation(chat: Chat) -> None:
    await chat.direct(0, 1)
    assert await Conversations(chat.database).list_conversations(chat.ids[0]) == []


async def test_only_the_two_find_their_conversation(chat: Chat) -> None:
    channel_id = await chat.direct(0, 1)
    key = f"direct:{chat.ids[0]}:{chat.ids[1]}"
    conversations = Conversations(chat.database)
    assert await conversations.find(chat.ids[0], key) == channel_id
    assert await conversations.find(chat.ids[1], key) == channel_id
    assert await conversations.find(chat.ids[2], key) is None
    assert await conversations.find(chat.ids[0], "direct:7:8") is None


async def test_only_the_two_find_a_direct_message(chat: Chat) -> None:
    message_id = await tell(chat, 0, 1, "secret")
    public = await chat.say(await chat.channel("public"), "open")
    conversations = Conversations(chat.database)
    for reader in (0, 1):
        found = await conversations.find_message(chat.ids[reader], message_id)
        assert found is not None
        assert found.content == "secret"
        assert found.recipient_id == chat.ids[1]
    assert await conversations.find_message(chat.ids[2], message_id) is None
    assert await conversations.find_message(chat.ids[0], public) is None


async def test_direct_messages_are_listed_by_box_and_by_the_other_side(chat: Chat) -> None:
    await chat.say(await chat.channel("public"), "not direct")
    for sender, recipient in ((0, 1), (1, 0), (0, 2), (1, 2)):
        await tell(chat, sender, recipient, f"{sender} to {recipient}")
    conversations, ann = Conversations(chat.database), chat.ids[0]
    assert texts(await conversations.list_messages(ann)) == ["0 to 2", "1 to 0", "0 to 1"]
    assert texts(await conversations.list_messages(ann, box="sent")) == ["0 to 2", "0 to 1"]
    assert texts(await conversations.list_messages(ann, box="received")) == ["1 to 0"]
    assert texts(await conversations.list_messages(ann, peer_id=chat.ids[2])) == ["0 to 2"]
    (first,) = await conversations.list_messages(ann, limit=1)
    assert texts(await conversations.list_messages(ann, before=first.id)) == ["1 to 0", "0 to 1"]
    assert texts(await conversations.list_messages(ann, skip=1, limit=1)) == ["1 to 0"]


async def test_what_is_unread_moves_with_the_marker(chat: Chat) -> None:
    first = await tell(chat, 1, 0, "one")
    await tell(chat, 1, 0, "two")
    await tell(chat, 2, 0, "three")
    conversations, ann = Conversations(chat.database), chat.ids[0]
    key = f"direct:{ann}:{chat.ids[1]}"
    other = f"direct:{ann}:{chat.ids[2]}"
    assert await conversations.count_unread(ann) == {key: 2, other: 1}
    assert texts(await conversations.list_messages(ann, unread=True)) == ["three", "two", "one"]
    channel_id = await chat.direct(0, 1)
    await chat.write(channel_id, MarkerMoved(at=LATER, user_id=ann, read_seq=Seq(2)))
    assert await conversations.count_unread(ann) == {key: 1, other: 1}
    assert texts(await conversations.list_messages(ann, unread=True)) == ["three", "two"]
    assert await is_read(chat, channel_id, first)
    assert not await is_read(chat, channel_id, MessageId(first + 1))
    assert await conversations.list_unread(ann) == [(channel_id, 3), (await chat.direct(0, 2), 2)]


async def test_ones_own_words_and_deleted_ones_are_never_unread(chat: Chat) -> None:
    message_id = await tell(chat, 1, 0, "gone")
    channel_id = await chat.direct(0, 1)
    (message,) = await chat.messages.load_messages(channel_id, [message_id])
    seq = chat.next_seq(channel_id)
    await chat.write(channel_id, MessageDeleted(at=LATER, seq=seq, message=deleted(message)))
    conversations = Conversations(chat.database)
    for reader in (0, 1):
        assert await conversations.count_unread(chat.ids[reader]) == {}
        assert await conversations.list_unread(chat.ids[reader]) == []


async def test_ready_tells_how_far_the_other_side_has_read(chat: Chat) -> None:
    await tell(chat, 0, 1, "hello")
    (ready,) = await chat.channels.ready_channels(chat.ids[1])
    assert (ready.read_seq, ready.peer_read_seq, ready.unread_count) == (0, 2, 1)
    (ready,) = await chat.channels.ready_channels(chat.ids[0])
    assert (ready.read_seq, ready.peer_read_seq, ready.unread_count) == (2, 0, 0)


async def is_read(chat: Chat, channel_id: ChannelId, message_id: MessageId) -> bool:
    (message,) = await chat.messages.load_messages(channel_id, [message_id])
    return message.is_read is True


async def test_a_repeated_direct_message_is_answered_with_the_first(chat: Chat) -> None:
    channel_id = await chat.direct(0, 1)
    fields = direct_fields(chat, 0, 1) | {"nonce": "n"}
    results = await chat.commit(chat.part(channel_id, chat.post(channel_id, "once", **fields)))
    assert isinstance(results[0], Written)
    (result,) = await chat.commit(chat.part(channel_id, chat.post(channel_id, "twice", **fields)))
    assert not isinstance(result, Written)
    assert len(await Conversations(chat.database).list_messages(chat.ids[0])) == 1
