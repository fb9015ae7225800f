"""Tells outgoing webhooks what has happened, each in order and from its cursor on.

A job says that there is news, not which: whatever comes after the cursor is sent, one event after another,
and the cursor moves behind what was accepted. So nothing is left out, and after a crash a little may come
twice.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct, structs

from actors.jobs import Again, Finished, GivenUp, Job, Outcome, Retries
from actors.ports import Clock
from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq
from protocol.jobs import JobKind
from protocol.webhooks import WebhookId, WebhookJob, lane_of
from server.webhooks.letters import write_letter
from server.webhooks.outbound import Answered, Outbound, Unreached
from server.webhooks.secrets import Sealer
from storage.outbox import Outbox
from storage.webhook_feed import HookPage, Target, WebhookFeed

LOG: Final = logging.getLogger("server.webhooks")

CONCURRENCY: Final = 16
TURN_S: Final = 30.0
"""How long one webhook may keep others waiting that are due."""
RETRIES: Final = Retries(first_s=5.0, factor=4.0, max_s=21_600.0, attempts=14)
"""For about a day and a half, as receivers may be away over night."""
GONE: Final = 410
GONE_REASON: Final = "it answered 410: it wants to be told nothing any more"
SEALED: Final = "its secret cannot be read since SECRET_KEY has changed: remove it and make a new one"


Failure = Answered | Unreached
LetKnow = Callable[[ChannelId, WebhookId], Awaitable[None]]
"""Lets a channel know that one of its webhooks is told nothing any more, if that is so. Never raises."""


class Told(Struct):
    """How far one page has got, and why it got no further."""

    to: Seq
    failure: Failure | None = None


class WebhookWorker:
    """Does the jobs of kind `webhook`."""

    kind: JobKind = "webhook"
    concurrency = CONCURRENCY

    def __init__(
        self,
        feed: WebhookFeed,
        outbox: Outbox,
        sealer: Sealer,
        outbound: Outbound,
        clock: Clock,
        *,
        let_know: LetKnow,
        retries: Retries = RETRIES,
    ) -> None:
        self._feed = feed
        self._outbox = outbox
        self._sealer = sealer
        self._outbound = outbound
        self._clock = clock
        self._let_know = let_know
        self.retries = retries

    async def work(self, job: Job) -> Outcome:
        """Tell the webhook everything that is new to it; one that is gone or not active hears nothing."""
        todo = msgspec.convert(job.payload, WebhookJob)
        until_s = self._clock.monotonic() + TURN_S
        is_further = False
        while (target := await self._feed.target(todo.webhook_id)) is not None:
            page = await self._feed.page(target)
            if page.to == target.cursor:
                return Finished()
            if self._clock.monotonic() >= until_s:
                return await self._go_on_later(job, target, self._clock.now())
            secret = self._sealer.open(target.sealed_secret, target.channel_id)
            if secret is None:
                return GivenUp(SEALED)
            told = await self._tell(job, target, page, secret, until_s)
            is_further = is_further or told.to > target.cursor
            if told.failure is not None:
                return await self._failed(job, target, told, told.failure, is_further=is_further)
        if todo.channel_id is not None:
            await self._let_know(todo.channel_id, todo.webhook_id)
        return Finished()

    async def _tell(self, job: Job, target: Target, page: HookPage, secret: str, until_s: float) -> Told:
        """Send a page. The cursor moves past what was accepted, whatever ends this."""
        told = Told(target.cursor)
        try:
            await self._send(target, page, secret, told, until_s)
        finally:
            if told.to > target.cursor:
                await self._feed.move(target, told.to, job, self._clock.now())
        return told

    async def _send(self, target: Target, page: HookPage, secret: str, told: Told, until_s: float) -> None:
        """Up to the event during which the turn ends, or the first that fails."""
        for event in page.events:
            letter = write_letter(target.webhook_id, event, secret, self._clock.now())
            answer = await self._outbound.post(target.url, letter.body, letter.headers)
            if not (isinstance(answer, Answered) and 200 <= answer.status < 300):
                told.failure = answer
                return
            told.to = event.seq
            if self._clock.monotonic() >= until_s:
                return
        told.to = page.to

    async def _failed(
        self, job: Job, target: Target, told: Told, failure: Failure, *, is_further: bool
    ) -> Outcome:
        now = self._clock.now()
        reason = failure.reason if isinstance(failure, Unreached) else f"it answered {failure.status}"
        after_s = failure.after_s if isinstance(failure, Answered) else None
        about = {"webhook_id": target.webhook_id, "reason": reason, "attempt": job.attempt}
        LOG.info("a webhook cannot be told", extra=about)
        await self._feed.gather(job)
        if isinstance(failure, Answered) and failure.status == GONE:
            await self._feed.deactivate(target.webhook_id, job, GONE_REASON, now)
            await self._let_know(target.channel_id, target.webhook_id)
            return GivenUp(GONE_REASON)
        if is_further and job.attempt > 1:
            # What failed before has got through: this is a new failure, with all its attempts before it.
            wait = timedelta(seconds=self.retries.first_s if after_s is None else after_s)
            return await self._go_on_later(job, structs.replace(target, cursor=told.to), now + wait)
        return Again(after_s, reason, in_doubt=False)

    async def _go_on_later(self, job: Job, target: Target, at: datetime) -> Outcome:
        """The rest is another job, behind those of others that are due by now."""
        key = f"webhook:{target.webhook_id}:after:{target.cursor}:{job.id}"
        await self._outbox.add([news(target.webhook_id, key, at)])
        return Finished()


def news(webhook_id: WebhookId, key: str, at: datetime) -> JobQueued:
    """A job that no message causes, due at `at`."""
    payload = WebhookJob(webhook_id)
    return JobQueued(at=at, kind="webhook", key=key, lane=lane_of(webhook_id), payload=payload)
