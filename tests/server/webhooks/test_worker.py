"""One job tells one webhook all that is new to it, and leaves others their turn."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from typing_extensions import override

from actors.jobs import Again, Finished
from protocol.audit import Doer
from protocol.facts import JobQueued
from protocol.ids import ChannelId
from protocol.jobs import Job, Settlement
from protocol.webhooks import EVENT_NAMES, Webhook, WebhookId, WebhookJob, lane_of
from server.webhooks.outbound import Outbound
from server.webhooks.secrets import Sealer, new_signing_secret
from server.webhooks.worker import TURN_S, WebhookWorker
from storage.engine import Database
from storage.outbox import Outbox
from storage.webhook_feed import PAGE_ROWS, WebhookFeed
from storage.webhooks import NewWebhook, Webhooks
from tests.server.talking import StillClock
from tests.stand_ins.receiver import Receiver, Replies
from tests.storage.people import Chat


class HastyClock(StillClock):
    """Every look at it takes as long as a webhook's whole turn."""

    @override
    def monotonic(self) -> float:
        self.moved_s += TURN_S
        return self.moved_s


class SteadyClock(StillClock):
    """Every look at it takes a third of a webhook's turn."""

    @override
    def monotonic(self) -> float:
        self.moved_s += TURN_S / 3
        return self.moved_s


class Scene:
    """A room with messages, and a webhook that is to be told them."""

    def __init__(self, database: Database, outbound: Outbound) -> None:
        self.database = database
        self.outbound = outbound
        self.clock = StillClock()
        self.sealer = Sealer(b"k" * 32)
        self.box = Outbox(database)
        self.webhook: Webhook | None = None
        self.let_go: list[tuple[ChannelId, WebhookId]] = []

    async def begin(self, told: Receiver, messages: int) -> None:
        chat = await Chat.of(self.database, "ann")
        room = await chat.channel("room")
        told.secret = new_signing_secret()
        new = NewWebhook(
            channel_id=room,
            direction="outgoing",
            url=told.url,
            events=EVENT_NAMES,
            sealed_secret=self.sealer.seal(told.secret, room),
        )
        self.webhook = await Webhooks(self.database).create(new, Doer(), self.clock.now())
        for number in range(messages):
            await chat.say(room, f"{number}")

    async def job(self, key: str = "news") -> Job:
        assert self.webhook is not None
        now, lane = self.clock.now(), lane_of(self.webhook.id)
        payload = WebhookJob(self.webhook.id, self.webhook.channel_id)
        await self.box.add([JobQueued(at=now, kind="webhook", key=key, lane=lane, payload=payload)])
        return (await self.due())[0]

    async def due(self) -> tuple[Job, ...]:
        now = self.clock.now()
        return (await self.box.take("webhook", 5, now, now + timedelta(seconds=30))).jobs

    def worker(self, clock: StillClock | None = None) -> WebhookWorker:
        feed = WebhookFeed(self.database)
        return WebhookWorker(
            feed, self.box, self.sealer, self.outbound, clock or self.clock, let_know=self.let_know
        )

    async def let_know(self, channel_id: ChannelId, webhook_id: WebhookId) -> None:
        self.let_go.append((channel_id, webhook_id))


@pytest.fixture
async def scene(sqlite_url: str) -> AsyncIterator[Scene]:
    database = await Database.open(sqlite_url)
    outbound = Outbound(is_private_allowed=True)
    yield Scene(database, outbound)
    await outbound.close()
    await database.close()


async def test_whoever_has_had_a_turn_goes_on_in_another_job(scene: Scene, told: Receiver) -> None:
    await scene.begin(told, messages=1)
    job = await scene.job()
    assert await scene.worker(HastyClock()).work(job) == Finished()
    assert told.attempts == 0
    await scene.box.settle([Settlement(job=job, state="done")], scene.clock.now())
    scene.clock.moved_s += 10 * TURN_S
    (later,) = await scene.due()
    assert later.lane == job.lane
    assert await scene.worker().work(later) == Finished()
    assert told.texts == ["0"]


async def test_a_turn_ends_within_a_page(scene: Scene, told: Receiver) -> None:
    await scene.begin(told, messages=4)
    job = await scene.job()
    assert await scene.worker(SteadyClock()).work(job) == Finished()
    assert told.texts == ["0", "1"]
    await scene.box.settle([Settlement(job=job, state="done")], scene.clock.now())
    scene.clock.moved_s += 10 * TURN_S
    (later,) = await scene.due()
    assert await scene.worker().work(later) == Finished()
    assert told.texts == ["0", "1", "2", "3"]


async def test_a_failure_is_repeated_and_asks_for_the_time_it_was_told(scene: Scene, told: Receiver) -> None:
    await scene.begin(told, messages=1)
    told.otherwise = Replies(503, {"Retry-After": "7"})
    outcome = await scene.worker().work(await scene.job())
    assert outcome == Again(7.0, "it answered 503", in_doubt=False)


@pytest.mark.parametrize(("headers", "wait_s"), [({}, 5), ({"Retry-After": "7"}, 7)])
async def test_a_failure_behind_what_got_through_has_all_its_attempts(
    scene: Scene, told: Receiver, headers: dict[str, str], wait_s: int
) -> None:
    await scene.begin(told, messages=PAGE_ROWS + 2)
    told.otherwise = Replies(500)
    job = await scene.job()
    assert isinstance(await scene.worker().work(job), Again)
    now = scene.clock.now()
    await scene.box.settle([Settlement(job=job, state="pending", next_at=now)], now)
    (job,) = await scene.due()
    assert job.attempt == 2
    told.otherwise = Replies(500, headers)
    told.will(*[Replies()] * (PAGE_ROWS + 1))
    assert await scene.worker().work(job) == Finished()
    await scene.box.settle([Settlement(job=job, state="done")], now)
    assert await scene.due() == ()
    scene.clock.moved_s += wait_s
    (later,) = await scene.due()
    assert later.attempt == 1
    told.otherwise = Replies()
    assert await scene.worker().work(later) == Finished()
    assert told.texts == [f"{number}" for number in range(PAGE_ROWS + 2)]


async def test_a_webhook_that_is_gone_hears_nothing_and_its_channel_hears_that(
    scene: Scene, told: Receiver
) -> None:
    await scene.begin(told, messages=1)
    job = await scene.job()
    assert scene.webhook is not None
    await Webhooks(scene.database).remove(
        scene.webhook.channel_id, scene.webhook.id, Doer(), scene.clock.now()
    )
    assert await scene.worker().work(job) == Finished()
    assert told.attempts == 0
    assert scene.let_go == [(scene.webhook.channel_id, scene.webhook.id)]
