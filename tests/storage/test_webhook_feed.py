"""What a webhook is still to be told: everything once, in order, page after page, and nothing twice."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec import structs

from protocol.audit import Doer
from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq
from protocol.jobs import Job, Settlement
from protocol.webhooks import EVENT_NAMES, EventName, WebhookId, WebhookJob, lane_of
from storage.engine import Database
from storage.outbox import Outbox
from storage.webhook_feed import Target, WebhookFeed
from storage.webhooks import NewWebhook, Webhooks
from tests.storage.people import LATER, NOW, Chat, delete, edit

UNTIL = NOW + timedelta(hours=1)


class Told(WebhookFeed):
    """One webhook of one room."""

    def __init__(self, chat: Chat, room: ChannelId, webhook_id: WebhookId) -> None:
        super().__init__(chat.database)
        self.chat = chat
        self.room = room
        self.webhook_id = webhook_id
        self.box = Outbox(chat.database)
        self._jobs = 0

    async def now(self, cursor: int | None = None, events: Sequence[EventName] = EVENT_NAMES) -> Target:
        target = await self.target(self.webhook_id)
        assert target is not None
        cursor = target.cursor if cursor is None else cursor
        return structs.replace(target, cursor=Seq(cursor), events=frozenset(events))

    async def after(
        self, cursor: int, limit: int = 50, events: Sequence[EventName] = EVENT_NAMES
    ) -> list[tuple[int, str, str | None]]:
        """All that comes after a cursor, read in pages of this size."""
        found: list[tuple[int, str, str | None]] = []
        while True:
            page = await self.page(await self.now(cursor, events), limit)
            found += [(each.seq, each.name.partition(".")[2], each.message.content) for each in page.events]
            if not page.more:
                return found
            assert page.to > cursor
            cursor = page.to

    async def queue(self) -> None:
        self._jobs += 1
        job = JobQueued(
            at=NOW,
            kind="webhook",
            key=f"news {self._jobs}",
            lane=lane_of(self.webhook_id),
            payload=WebhookJob(self.webhook_id),
        )
        await self.box.add([job])

    async def take(self) -> list[Job]:
        return list((await self.box.take("webhook", 10, NOW, UNTIL)).jobs)


@pytest.fixture
async def told(database: Database) -> Told:
    chat = await Chat.of(database, "ann", "bob")
    room = await chat.channel("room")
    new = NewWebhook(
        channel_id=room,
        direction="outgoing",
        url="https://x.org",
        events=EVENT_NAMES,
        sealed_secret="sealed",
    )
    made = await Webhooks(database).create(new, Doer(), NOW)
    assert made is not None
    return Told(chat, room, made.id)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_posts_come_in_their_order_and_changes_where_they_happened(told: Told, limit: int) -> None:
    chat, room = told.chat, told.room
    one = await chat.say(room, "one")
    await chat.say(room, "two")
    gone = await chat.say(room, "three")
    await edit(chat, room, one, "one, better")
    await delete(chat, room, gone)
    await chat.say(room, "four")
    assert await told.after(1, limit) == [
        (2, "created", "one, better"),
        (3, "created", "two"),
        (5, "updated", "one, better"),
        (6, "deleted", None),
        (7, "created", "four"),
    ]
    assert (await told.after(4, limit))[0] == (5, "updated", "one, better")
    assert await told.after(1, limit, ["message.deleted"]) == [(6, "deleted", None)]
    assert await told.after(7, limit) == []


async def test_other_channels_are_not_told(told: Told) -> None:
    other = await told.chat.channel("other")
    await told.chat.say(other, "elsewhere")
    await told.chat.say(told.room, "here")
    assert await told.after(0) == [(2, "created", "here")]


async def test_an_event_says_who_and_when(told: Told) -> None:
    await told.chat.say(told.room, "one")
    (event,) = (await told.page(await told.now())).events
    assert (event.sender.username, event.at) == ("ann", NOW)


async def test_a_cursor_moves_once_from_where_it_was(told: Told) -> None:
    await told.queue()
    (job,) = await told.take()
    before = await told.now()
    assert await told.move(before, Seq(5), job, NOW)
    assert not await told.move(before, Seq(6), job, NOW)
    assert (await told.now()).cursor == 5


async def test_an_open_job_stands_for_those_behind_it(told: Told) -> None:
    for _ in range(3):
        await told.queue()
    (job,) = await told.take()
    await told.gather(job)
    assert [each.count for each in await told.box.backlogs()] == [1]
    await told.queue()
    assert await told.move(await told.now(), Seq(2), job, NOW)
    await told.box.settle([Settlement(job=job, state="done")], NOW)
    assert await told.take() == []


async def test_what_was_given_up_is_overcome_by_what_gets_through(told: Told) -> None:
    await told.queue()
    (first,) = await told.take()
    await told.box.settle([Settlement(job=first, state="failed", error="it answered 500")], NOW)
    (listed,) = await Webhooks(told.chat.database).list_of(told.room)
    assert (listed.is_active, listed.failure, listed.next_attempt_at) == (True, "it answered 500", None)
    await told.queue()
    (second,) = await told.take()
    assert await told.move(await told.now(), Seq(2), second, NOW)
    (listed,) = await Webhooks(told.chat.database).list_of(told.room)
    assert listed.failure is None


async def test_what_is_not_active_or_gone_is_no_target(told: Told) -> None:
    await told.queue()
    (job,) = await told.take()
    await told.deactivate(told.webhook_id, job, "it is gone", LATER)
    assert await told.target(told.webhook_id) is None
    (listed,) = await Webhooks(told.chat.database).list_of(told.room)
    assert (listed.is_active, listed.failure, listed.next_attempt_at) == (False, "it is gone", None)
    assert await told.target(WebhookId(99)) is None
