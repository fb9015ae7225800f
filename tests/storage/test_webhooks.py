"""Webhooks are kept without their secrets, and every change of theirs is in the audit log."""

import pytest

from protocol.audit import Doer
from protocol.ids import ChannelId, Seq
from protocol.webhooks import EVENT_NAMES, Webhook
from storage.audit import AuditFilter, AuditLog
from storage.engine import Database
from storage.outbox import Outbox
from storage.webhooks import CHANNEL_MAX, Ahead, NewWebhook, Webhooks
from tests.storage.people import LATER, NOW, Chat


class Kept(Webhooks):
    """Those of Ann's room."""

    def __init__(self, chat: Chat, room: ChannelId) -> None:
        super().__init__(chat.database)
        self.chat = chat
        self.room = room
        self.ann = Doer(chat.ids[0], "192.0.2.1")

    async def incoming(self, secret_hash: str = "hash") -> Webhook:
        new = NewWebhook(channel_id=self.room, direction="incoming", name="Bot", secret_hash=secret_hash)
        made = await self.create(new, self.ann, NOW)
        assert made is not None
        return made

    async def listening(self) -> Webhook:
        new = NewWebhook(
            channel_id=self.room,
            direction="outgoing",
            url="https://x.org",
            events=EVENT_NAMES,
            sealed_secret="sealed",
        )
        made = await self.create(new, self.ann, NOW)
        assert made is not None
        return made


@pytest.fixture
async def kept(database: Database) -> Kept:
    chat = await Chat.of(database, "ann")
    return Kept(chat, await chat.channel("room"))


async def test_an_incoming_one_is_found_by_its_secret_and_has_a_bot(kept: Kept) -> None:
    made = await kept.incoming()
    hook = await kept.find("hash")
    assert hook is not None
    assert (hook.webhook_id, hook.channel_id, hook.bot.id) == (made.id, kept.room, made.user_id)
    assert (hook.bot.full_name, hook.bot.is_bot) == ("Bot", True)
    assert await kept.find("other") is None


async def test_one_that_is_removed_is_found_by_nobody(kept: Kept) -> None:
    made = await kept.incoming()
    other_room = await kept.chat.channel("other")
    assert not await kept.remove(other_room, made.id, kept.ann, LATER)
    assert await kept.remove(kept.room, made.id, kept.ann, LATER)
    assert not await kept.remove(kept.room, made.id, kept.ann, LATER)
    assert await kept.find("hash") is None
    assert await kept.list_of(kept.room) == []


async def test_the_channel_knows_its_active_outgoing_ones(kept: Kept) -> None:
    await kept.incoming()
    made = [await kept.listening(), await kept.listening()]
    assert await kept.outgoing(kept.room) == tuple(each.id for each in made)
    snapshot = await kept.chat.messages.load_channel(kept.room)
    assert snapshot is not None
    assert snapshot.outgoing == tuple(each.id for each in made)


async def test_an_outgoing_one_begins_where_the_channel_stands(kept: Kept) -> None:
    await kept.chat.say(kept.room, "before")
    made = await kept.listening()
    assert (made.cursor, made.events, made.url) == (2, EVENT_NAMES, "https://x.org")


async def test_a_channel_has_so_many_and_no_more(kept: Kept) -> None:
    for number in range(CHANNEL_MAX):
        await kept.incoming(f"hash {number}")
    new = NewWebhook(channel_id=kept.room, direction="incoming", name="Bot", secret_hash="more")
    assert await kept.create(new, kept.ann, NOW) is None
    listed = await kept.list_of(kept.room, limit=3)
    assert len(listed) == 3
    rest = await kept.list_of(kept.room, before=listed[-1].id)
    assert len(rest) == CHANNEL_MAX - 3
    assert await kept.list_of(kept.room, skip=1, limit=2) == listed[1:]


async def test_a_replay_moves_the_cursor_and_queues_a_job(kept: Kept, database: Database) -> None:
    made = await kept.listening()
    replayed = await kept.replay(kept.room, made.id, Seq(0), kept.ann, NOW)
    assert isinstance(replayed, Webhook)
    assert replayed.cursor == 0
    (job,) = (await Outbox(database).take("webhook", 5, NOW, LATER)).jobs
    assert job.lane == f"webhook:{made.id}"
    assert isinstance(await kept.replay(kept.room, made.id, Seq(9), kept.ann, NOW), Ahead)
    incoming = await kept.incoming()
    assert await kept.replay(kept.room, incoming.id, Seq(0), kept.ann, NOW) is None


async def test_who_changed_what_is_recorded(kept: Kept, database: Database) -> None:
    made = await kept.listening()
    await kept.replay(kept.room, made.id, Seq(0), kept.ann, NOW)
    await kept.remove(kept.room, made.id, kept.ann, NOW)
    entries = await AuditLog(database).list_entries(AuditFilter(target_type="webhook"))
    assert [each.action for each in entries] == ["webhook.deleted", "webhook.replayed", "webhook.created"]
    assert {(each.actor_id, each.ip_address) for each in entries} == {(kept.chat.ids[0], "192.0.2.1")}
    assert entries[1].detail == {"channel_id": kept.room, "after": 0, "before": 1}
