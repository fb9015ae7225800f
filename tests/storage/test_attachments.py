"""Files: who may have them, that each goes with one message, and that unsent ones are forgotten."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from protocol.facts import ChannelClosed, MemberLeft, MessageDeleted, Repeats, Spent, Written
from protocol.ids import ChannelId, UserId
from protocol.resources import Attachment, Message
from storage.attachments import Attachments, NewAttachment, NewLink, Stored, TooMuchUnsent
from storage.engine import Database
from storage.sweeping import sweep_deleted_channels
from tests.storage.people import LATER, NOW, Chat, deleted, profile

DAY = timedelta(days=1)


UNSENT_MAX = 10_000_000
PICTURE = NewLink("image-1.jpeg", "image/jpeg", "https://media.example/ME1")
VOICE = NewLink("audio-2.amr", "audio/amr", "https://media.example/ME2")


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "eve")


@pytest.fixture
def files(database: Database) -> Attachments:
    return Attachments(database)


async def add(chat: Chat, files: Attachments, by: int = 0, **fields: Any) -> Attachment:
    values: dict[str, Any] = {
        "name": "a.txt",
        "content_type": "text/plain",
        "size": 3,
        "sha256": "a" * 64,
    } | fields
    added = await files.add(NewAttachment(owner_id=chat.ids[by], **values), NOW, unsent_max_bytes=UNSENT_MAX)
    assert isinstance(added, Attachment)
    return added


async def readers(chat: Chat, files: Attachments, file: Attachment) -> list[int]:
    found = [await files.find(file.id, user_id) for user_id in chat.ids]
    return [number for number, each in enumerate(found) if each is not None]


async def the_message(chat: Chat, channel_id: ChannelId) -> Message:
    (message,) = await chat.messages.history(channel_id, None, None, 1)
    return message


async def test_what_somebody_has_not_sent_is_bounded(chat: Chat, files: Attachments) -> None:
    room = await chat.channel("room")
    big = await add(chat, files, size=UNSENT_MAX - 2)
    new = NewAttachment(owner_id=chat.ids[0], name="b", content_type="text/plain", size=3, sha256="b" * 64)
    assert await files.add(new, NOW, unsent_max_bytes=UNSENT_MAX) == TooMuchUnsent()
    assert await files.find_kept(["b" * 64]) == set()
    await add(chat, files, by=1)
    await chat.say(room, "here", attachments=(big,))
    await add(chat, files)


async def test_an_unsent_file_is_its_owners(chat: Chat, files: Attachments) -> None:
    file = await add(chat, files)
    assert file == Attachment(file.id, "a.txt", "text/plain", 3, f"/files/{file.id}")
    assert await files.find(file.id, chat.ids[0]) == Stored("a.txt", "text/plain", "a" * 64)
    assert await readers(chat, files, file) == [0]
    assert await files.find(file.id + 1, chat.ids[0]) is None


async def test_a_sent_file_is_for_those_who_are_in_the_channel_now(chat: Chat, files: Attachments) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    await chat.say(room, "look", attachments=(file,))
    assert (await the_message(chat, room)).attachments == (file,)
    assert await readers(chat, files, file) == [0]
    await chat.write(room, chat.joined(room, 1))
    assert await readers(chat, files, file) == [0, 1]
    left = MemberLeft(
        at=LATER,
        seq=chat.next_seq(room),
        user=profile(chat.people[1]),
        joined_at=LATER,
        removed_by=None,
    )
    await chat.write(room, left)
    assert await readers(chat, files, file) == [0]


async def test_a_deleted_messages_file_is_gone_for_others_and_then_for_good(
    chat: Chat, files: Attachments
) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "look", attachments=(file,))
    gone = deleted(await the_message(chat, room))
    await chat.write(room, MessageDeleted(at=LATER, seq=chat.next_seq(room), message=gone))
    assert await readers(chat, files, file) == [0]
    assert await files.sweep_unsent(NOW + DAY) == 1
    assert await readers(chat, files, file) == []


async def test_a_closed_channels_files_are_gone_before_and_after_it_is_swept(
    chat: Chat, files: Attachments, database: Database
) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    await chat.write(room, chat.joined(room, 1))
    await chat.say(room, "look", attachments=(file,))
    await chat.write(room, ChannelClosed(at=LATER, seq=chat.next_seq(room)))
    assert await readers(chat, files, file) == [0]
    await sweep_deleted_channels(database)
    assert await files.sweep_unsent(NOW + DAY) == 1
    assert await files.find_kept(["a" * 64]) == set()


async def test_unsent_files_are_forgotten_in_chunks_and_others_stay(chat: Chat, files: Attachments) -> None:
    room, sent = await chat.channel("room"), await add(chat, files)
    await chat.say(room, "look", attachments=(sent,))
    for _ in range(5):
        await add(chat, files, sha256="b" * 64)
    assert await files.sweep_unsent(NOW, chunk_rows=2) == 0
    assert await files.find_kept(["a" * 64, "b" * 64, "c" * 64]) == {"a" * 64, "b" * 64}
    assert await files.sweep_unsent(LATER, chunk_rows=2) == 5
    assert await files.find_kept(["a" * 64, "b" * 64]) == {"a" * 64}


async def test_a_file_goes_with_one_message_and_nobody_else_suffers(
    chat: Chat, files: Attachments, database: Database
) -> None:
    one, two, three = [await chat.channel(name) for name in ("one", "two", "three")]
    file, other = await add(chat, files), await add(chat, files)
    results = await chat.commit(
        chat.part(one, chat.post(one, "mine", attachments=(file,))),
        chat.part(two, chat.post(two, "mine too", attachments=(other, file))),
        chat.part(three, chat.post(three, "fine")),
    )
    assert [type(result) for result in results] == [Written, Spent, Written]
    assert results[1] == Spent(frozenset({file.id}))
    assert (await the_message(chat, one)).attachments == (file,)
    again = await chat.commit(chat.part(two, chat.post(two, "then this", attachments=(other,))))
    assert [type(result) for result in again] == [Written]


async def test_two_posts_of_a_part_cannot_have_one_file(chat: Chat, files: Attachments) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    posts = (chat.post(room, text, ahead=n, attachments=(file,)) for n, text in ((1, "a"), (2, "b")))
    assert await chat.commit(chat.part(room, *posts)) == [Spent(frozenset())]


async def test_a_repeat_of_a_post_with_a_file_finds_the_first(chat: Chat, files: Attachments) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    post = chat.post(room, "look", nonce="n", attachments=(file,))
    await chat.write(room, post)
    (result,) = await chat.commit(chat.part(room, structs.replace(post, seq=chat.next_seq(room))))
    assert isinstance(result, Repeats)
    assert await chat.channels.has_posted(chat.ids[0], "n")
    assert not await chat.channels.has_posted(UserId(chat.ids[1]), "n")
    assert not await chat.channels.has_posted(chat.ids[0], "m")


async def test_sweeping_and_sending_at_once_never_lose_a_sent_file(chat: Chat, files: Attachments) -> None:
    room, file = await chat.channel("room"), await add(chat, files)
    part = chat.part(room, chat.post(room, "look", attachments=(file,)))
    (result,), swept = await asyncio.gather(chat.commit(part), files.sweep_unsent(LATER))
    assert (type(result), swept) in {(Written, 0), (Spent, 1)}


async def test_a_link_goes_with_a_message_and_is_shown_as_what_it_is(chat: Chat, files: Attachments) -> None:
    room, ann = await chat.channel("room"), chat.ids[0]
    links = await files.add_links(ann, [PICTURE, VOICE], NOW)
    assert links[0] == Attachment(links[0].id, "image-1.jpeg", "image/jpeg", 0, "https://media.example/ME1")
    assert await chat.channels.find_attachments(ann, [each.id for each in links]) == list(links)
    await chat.say(room, "", attachments=links)
    assert (await the_message(chat, room)).attachments == links
    assert await files.add_links(ann, [], NOW) == ()


async def test_nobody_downloads_a_link(chat: Chat, files: Attachments) -> None:
    room = await chat.channel("room")
    (link,) = await files.add_links(chat.ids[0], [PICTURE], NOW)
    assert await readers(chat, files, link) == []
    await chat.say(room, "look", attachments=(link,))
    assert await readers(chat, files, link) == []


async def test_a_link_is_gone_with_its_message_like_a_file(chat: Chat, files: Attachments) -> None:
    room, ann = await chat.channel("room"), chat.ids[0]
    (sent,) = await files.add_links(ann, [PICTURE], NOW)
    await chat.say(room, "look", attachments=(sent,))
    await files.add_links(ann, [VOICE], NOW)
    assert await files.sweep_unsent(NOW + DAY) == 1
    gone = deleted(await the_message(chat, room))
    await chat.write(room, MessageDeleted(at=LATER, seq=chat.next_seq(room), message=gone))
    assert (await the_message(chat, room)).attachments == ()
    assert await files.sweep_unsent(NOW + DAY) == 1
