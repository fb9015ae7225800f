"""A channel's past as it is read back: history, changes, replies, and messages that changed."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import func, insert, select

from protocol.facts import MemberLeft, ReactionChanged, Spent
from protocol.ids import ChannelId, Seq
from protocol.resources import Message
from storage.engine import Database
from storage.tables import (
    attachments,
    channels,
    deliveries,
    mentions,
    message_edits,
    message_reactions,
)
from tests.storage.people import LATER, NOW, Chat, delete, edit, edited, get, profile


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat.of(database, "ann", "bob", "cid")


@pytest.fixture
async def room(chat: Chat) -> ChannelId:
    return await chat.channel("room")


def reacted(
    chat: Chat, room: ChannelId, message: Message, by: int, *, ahead: int = 1, added: bool = True
) -> ReactionChanged:
    return ReactionChanged(
        at=LATER,
        seq=chat.next_seq(room, ahead),
        message=message,
        user_id=chat.ids[by],
        reaction_id=1,
        code="thumbsup",
        added=added,
        count=1,
    )


async def count(chat: Chat, table: Any) -> int:
    query = select(func.count()).select_from(table)
    return await chat.database.read(lambda connection: connection.execute(query).scalar_one())


# History.


async def test_history_goes_back_from_the_newest_or_on_from_a_cursor(chat: Chat, room: ChannelId) -> None:
    await chat.write(room, *(chat.post(room, f"{n}", ahead=n - 1) for n in range(2, 7)))

    async def page(before: int | None, after: int | None, limit: int) -> list[int]:
        older = None if before is None else Seq(before)
        newer = None if after is None else Seq(after)
        return [message.seq for message in await chat.messages.history(room, older, newer, limit)]

    assert await page(None, None, 3) == [6, 5, 4]
    assert await page(4, None, 10) == [3, 2]
    assert await page(None, 3, 2) == [4, 5]
    assert await page(6, 3, 10) == [4, 5]
    assert await page(None, 6, 10) == []


async def test_a_message_of_another_channel_is_not_found_in_this_one(chat: Chat, room: ChannelId) -> None:
    elsewhere = await chat.say(await chat.channel("elsewhere"), "x")
    assert await chat.messages.load_messages(room, [elsewhere]) == []
    assert await chat.messages.load_messages(room, []) == []


async def test_replies_come_newest_first_in_pages(chat: Chat, room: ChannelId) -> None:
    parent = await chat.say(room, "parent")
    for text in ("a", "b", "c"):
        await chat.say(room, text, parent_id=parent)
    found = await chat.messages.replies(parent)
    assert [message.content for message in found] == ["c", "b", "a"]
    assert [m.content for m in await chat.messages.replies(parent, before=found[0].seq, limit=1)] == ["b"]
    assert [m.content for m in await chat.messages.replies(parent, skip=2)] == ["a"]


# Messages that change.


async def test_an_edit_keeps_the_earlier_texts(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "one")
    await edit(chat, room, message_id, "two")
    await edit(chat, room, message_id, "three")
    message = await get(chat, room, message_id)
    assert (message.content, message.edited_at, message.created_at) == ("three", LATER, NOW)
    assert [earlier.content for earlier in await chat.messages.edits(message_id)] == ["two", "one"]
    assert [earlier.content for earlier in await chat.messages.edits(message_id, skip=1)] == ["one"]


async def test_a_deleted_message_keeps_its_place_and_nothing_else(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "secret", mentions=(chat.ids[1],), nonce="n")
    await edit(chat, room, message_id, "still secret")
    await chat.write(room, reacted(chat, room, await get(chat, room, message_id), 1))
    await delete(chat, room, message_id)
    message = await get(chat, room, message_id)
    assert (message.content, message.deleted_at, message.seq, message.nonce) == (None, LATER, 2, "n")
    assert (message.mentions, message.reactions) == ((), ())
    assert await chat.messages.edits(message_id) == []
    for table in (mentions, message_reactions, message_edits):
        assert await count(chat, table) == 0


async def test_an_edit_mentions_others_in_place_of_those_before(chat: Chat, room: ChannelId) -> None:
    ann, bob = chat.ids[:2]
    kept = await chat.say(room, "@ann", mentions=(ann,))
    message_id = await chat.say(room, "@ann @bob", mentions=(ann, bob))
    for text, mentioned in (("@bob @ann", (bob, ann)), ("@bob", (bob,)), ("nobody", ()), ("@ann", (ann,))):
        await edit(chat, room, message_id, text, mentions=mentioned)
        assert (await get(chat, room, message_id)).mentions == mentioned
    assert (await get(chat, room, kept)).mentions == (ann,)


async def test_the_last_of_several_edits_in_one_commit_says_who_is_mentioned(
    chat: Chat, room: ChannelId
) -> None:
    ann, bob = chat.ids[:2]
    message_id = await chat.say(room, "@ann", mentions=(ann,))
    one = await get(chat, room, message_id)
    two = structs.replace(one, content="@bob", mentions=(bob,))
    three = structs.replace(one, content="nobody", mentions=())
    await chat.write(room, edited(chat, room, one, two), edited(chat, room, two, three, ahead=2))
    assert (await get(chat, room, message_id)).mentions == ()
    await chat.write(room, edited(chat, room, three, two), edited(chat, room, two, one, ahead=2))
    assert (await get(chat, room, message_id)).mentions == (ann,)


async def test_reactions_are_shown_in_the_order_of_reacting(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "x")
    message = await get(chat, room, message_id)
    await chat.write(room, reacted(chat, room, message, 1), reacted(chat, room, message, 0, ahead=2))
    (reaction,) = (await get(chat, room, message_id)).reactions
    assert (reaction.reaction_id, reaction.code, reaction.count) == (1, "thumbsup", 2)
    assert reaction.user_ids == (chat.ids[1], chat.ids[0])
    again = (reacted(chat, room, message, 1, added=False), reacted(chat, room, message, 1, ahead=2))
    await chat.write(room, *again)
    (reaction,) = (await get(chat, room, message_id)).reactions
    assert reaction.user_ids == (chat.ids[0], chat.ids[1])


async def test_a_reaction_given_and_taken_back_at_once_is_none(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "x")
    message = await get(chat, room, message_id)
    both = (reacted(chat, room, message, 1), reacted(chat, room, message, 1, ahead=2, added=False))
    await chat.write(room, *both)
    assert (await get(chat, room, message_id)).reactions == ()


async def test_files_are_sent_once(chat: Chat, room: ChannelId) -> None:
    file_id = await upload(chat)
    (file,) = await chat.channels.find_attachments(chat.ids[0], [file_id, 404])
    message_id = await chat.say(room, "look", attachments=(file,))
    assert (await get(chat, room, message_id)).attachments == (file,)
    assert await chat.channels.find_attachments(chat.ids[0], [file_id]) == []
    (result,) = await chat.commit(chat.part(room, chat.post(room, "again", attachments=(file,))))
    assert result == Spent(frozenset({file_id}))


async def test_only_the_uploader_can_send_a_file(chat: Chat) -> None:
    file_id = await upload(chat)
    assert await chat.channels.find_attachments(chat.ids[1], [file_id]) == []


async def test_a_file_of_a_deleted_message_belongs_to_none(chat: Chat, room: ChannelId) -> None:
    (file,) = await chat.channels.find_attachments(chat.ids[0], [await upload(chat)])
    message_id = await chat.say(room, "look", attachments=(file,))
    await delete(chat, room, message_id)
    assert (await get(chat, room, message_id)).attachments == ()
    assert await chat.channels.find_attachments(chat.ids[0], [file.id]) == [file]


async def upload(chat: Chat) -> int:
    row = insert(attachments).values(
        owner_id=chat.ids[0],
        name="a.png",
        content_type="image/png",
        size=7,
        sha256="0" * 64,
        created_at=NOW,
        updated_at=NOW,
    )
    added = row.returning(attachments.c.id)
    return int(await chat.database.write(lambda connection: connection.execute(added).scalar_one()))


async def test_the_latest_delivery_is_shown(chat: Chat, room: ChannelId) -> None:
    message_id = await chat.say(room, "x")
    times = {"created_at": NOW, "updated_at": NOW}
    first = {"message_id": message_id, "transport": "sms", "state": "queued", "error_code": None, **times}
    last = first | {"state": "failed", "error_code": "30003"}
    rows = insert(deliveries).values([first, last])
    await chat.database.write(lambda connection: connection.execute(rows).rowcount)
    delivery = (await get(chat, room, message_id)).delivery
    assert delivery is not None
    assert (delivery.state, delivery.transport, delivery.error_code) == ("failed", "sms", "30003")


# Changes.


async def test_changes_are_the_rows_as_they_are_now_by_their_last_change(chat: Chat, room: ChannelId) -> None:
    first = await chat.say(room, "one")
    second = await chat.say(room, "two")
    await chat.write(room, chat.joined(room, 1))
    await edit(chat, room, first, "one again")
    changes = await chat.messages.changes(room, Seq(0), 200)
    assert (changes.to, changes.more) == (5, False)
    assert [(message.id, message.content) for message in changes.messages] == [
        (second, "two"),
        (first, "one again"),
    ]
    assert [(member.user.username, member.role) for member in changes.members] == [
        ("ann", "owner"),
        ("bob", "member"),
    ]
    assert changes.channel is not None
    assert changes.channel.member_count == 2
    assert changes.channel.last_seq == 5


async def test_changes_after_a_cursor_hold_only_what_changed_since(chat: Chat, room: ChannelId) -> None:
    await chat.say(room, "one")
    second = await chat.say(room, "two")
    changes = await chat.messages.changes(room, Seq(2), 200)
    assert [message.id for message in changes.messages] == [second]
    assert (changes.members, changes.channel, changes.to, changes.more) == ((), None, 3, False)
    nothing = await chat.messages.changes(room, Seq(3), 200)
    assert (nothing.messages, nothing.to, nothing.more) == ((), 3, False)


async def test_members_who_left_are_in_the_changes(chat: Chat, room: ChannelId) -> None:
    await chat.write(room, chat.joined(room, 1))
    left = MemberLeft(at=LATER, seq=chat.next_seq(room), user=profile(chat.people[1]), joined_at=LATER)
    await chat.write(room, left)
    changes = await chat.messages.changes(room, Seq(2), 200)
    (member,) = changes.members
    assert (member.user.username, member.role, member.left_at) == ("bob", None, LATER)
    assert changes.channel is not None


async def test_pages_of_changes_miss_nothing(chat: Chat, room: ChannelId) -> None:
    ids = await chat.write(room, *(chat.post(room, f"{n}", ahead=n) for n in range(1, 8)))
    await chat.write(room, chat.joined(room, 1))
    await edit(chat, room, ids[0], "changed")
    await edit(chat, room, ids[3], "changed")
    cursor, pages, seen = Seq(0), 0, []
    while True:
        page = await chat.messages.changes(room, cursor, 3)
        assert len(page.messages) + len(page.members) <= 3
        assert page.to > cursor
        seen += [message.id for message in page.messages]
        cursor, pages = page.to, pages + 1
        if not page.more:
            break
    assert cursor == 11
    assert pages == 3
    assert seen == [ids[1], ids[2], ids[4], ids[5], ids[6], ids[0], ids[3]]


async def test_what_one_change_changed_comes_in_one_page(chat: Chat) -> None:
    room = await chat.direct(0, 1)
    await chat.say(room, "hello")
    page = await chat.messages.changes(room, Seq(0), 1)
    assert (len(page.members), len(page.messages), page.to, page.more) == (2, 0, 1, True)
    rest = await chat.messages.changes(room, page.to, 1)
    assert (len(rest.members), len(rest.messages), rest.to, rest.more) == (0, 1, 2, False)


async def test_the_seq_of_a_channels_own_change_moves_with_it_only(chat: Chat, room: ChannelId) -> None:
    changed = select(channels.c.changed_seq).where(channels.c.id == room)
    await chat.say(room, "x")
    assert await chat.database.read(lambda connection: connection.execute(changed).scalar_one()) == 1
    await chat.write(room, chat.joined(room, 1))
    assert await chat.database.read(lambda connection: connection.execute(changed).scalar_one()) == 3
