"""Webhooks as those see them who manage them: made, listed, removed, told again; and whose secret one is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Select, delete, func, insert, or_, select, update

from protocol.audit import Doer
from protocol.facts import JobQueued
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import PublicProfile
from protocol.webhooks import Direction, EventName, Webhook, WebhookId, WebhookJob, lane_of
from storage.audit import record_act
from storage.bots import NO_ADDRESS
from storage.channel_rows import LIVE, OUTGOING
from storage.engine import Database
from storage.job_rows import QUEUE_JOBS, job_row
from storage.tables import channels, outbox, users, webhooks
from storage.user_rows import EXISTS, PROFILE_COLUMNS, profile_of
from storage.webhook_feed import ANSWERED_FOR

CHANNEL_MAX: Final = 20
"""How many webhooks a channel may have."""
MAKER_LEFT: Final = "whoever made it does not manage the channel any more"


class NewWebhook(Struct, frozen=True, kw_only=True):
    """Incoming: with `name` and `secret_hash`; outgoing: with `url`, `events` and `sealed_secret`."""

    channel_id: ChannelId
    direction: Direction
    name: str | None = None
    secret_hash: str | None = None
    url: str | None = None
    events: tuple[EventName, ...] = ()
    sealed_secret: str | None = None


class Hook(Struct, frozen=True):
    """Where an incoming webhook posts, and as whom."""

    webhook_id: WebhookId
    channel_id: ChannelId
    bot: PublicProfile


class Ahead(Struct, frozen=True):
    """The channel has not come to where it was to be told again from."""


class Webhooks:
    """All changes are recorded in the audit log, in their own transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewWebhook, by: Doer, now: datetime) -> Webhook | None:
        """None when the channel has as many as it may. An incoming one gets a bot of its own.

        An outgoing one is told what happens from now on.
        """
        return await self._database.write(lambda connection: _create(connection, new, by, now))

    async def list_of(
        self, channel_id: ChannelId, *, before: WebhookId | None = None, skip: int = 0, limit: int = 50
    ) -> list[Webhook]:
        """Newest first."""
        query = _ALL.where(webhooks.c.channel_id == channel_id).order_by(webhooks.c.id.desc())
        if before is not None:
            query = query.where(webhooks.c.id < before)
        return await self._database.read(lambda c: _load(c, query.offset(skip).limit(limit)))

    async def outgoing(self, channel_id: ChannelId) -> tuple[WebhookId, ...]:
        """The active ones that are told what happens in the channel."""
        parameters = {"channel_id": channel_id}
        return await self._database.read(lambda c: tuple(c.execute(OUTGOING, parameters).scalars()))

    async def remove(self, channel_id: ChannelId, webhook_id: WebhookId, by: Doer, now: datetime) -> bool:
        """False when the channel has no such webhook. What its bot has said stays."""
        return await self._database.write(lambda c: _remove(c, channel_id, webhook_id, by, now))

    async def replay(
        self, channel_id: ChannelId, webhook_id: WebhookId, after: Seq, by: Doer, now: datetime
    ) -> Webhook | Ahead | None:
        """Tell an outgoing one everything after this `seq`, at once and even if it had been given up.

        None when the channel has no such webhook.
        """
        return await self._database.write(lambda c: _replay(c, channel_id, webhook_id, after, by, now))

    async def find(self, secret_hash: str) -> Hook | None:
        """The incoming webhook with this secret, if its channel and its bot are there and active."""
        row = await self._database.read(
            lambda c: c.execute(_HOOKS.where(webhooks.c.secret_hash == secret_hash)).one_or_none()
        )
        return None if row is None else Hook(row.id, row.channel_id, profile_of(row))


_HOOKS = (
    select(webhooks.c.id, webhooks.c.channel_id, *PROFILE_COLUMNS)
    .join(channels, channels.c.id == webhooks.c.channel_id)
    .join(users, users.c.id == webhooks.c.bot_id)
    .where(webhooks.c.direction == "incoming", webhooks.c.is_active, LIVE, EXISTS, users.c.is_active)
    .where(ANSWERED_FOR)
)
_ALL = select(webhooks, users.c.full_name.label("name")).outerjoin(users, users.c.id == webhooks.c.bot_id)


def _create(connection: Connection, new: NewWebhook, by: Doer, now: datetime) -> Webhook | None:
    of_channel = webhooks.c.channel_id == new.channel_id
    count = connection.execute(select(func.count()).select_from(webhooks).where(of_channel)).scalar_one()
    if count >= CHANNEL_MAX:
        return None
    cursor = select(channels.c.last_seq).where(channels.c.id == new.channel_id)
    row = insert(webhooks).values(
        channel_id=new.channel_id,
        created_by=by.user_id,
        direction=new.direction,
        url=new.url,
        secret_hash=new.secret_hash,
        sealed_secret=new.sealed_secret,
        events=list(new.events),
        cursor=connection.execute(cursor).scalar_one() if new.direction == "outgoing" else 0,
        created_at=now,
        updated_at=now,
    )
    webhook_id: WebhookId = connection.execute(row.returning(webhooks.c.id)).scalar_one()
    if new.direction == "incoming":
        is_it = webhooks.c.id == webhook_id
        bot_id = _make_bot(connection, webhook_id, new.name, now)
        connection.execute(update(webhooks).where(is_it).values(bot_id=bot_id))
    detail = {"channel_id": new.channel_id, "direction": new.direction}
    record_act(connection, by.did("webhook.created", "webhook", webhook_id, detail), now)
    return _load(connection, _ALL.where(webhooks.c.id == webhook_id))[0]


def _make_bot(connection: Connection, webhook_id: WebhookId, name: str | None, now: datetime) -> UserId:
    """`webhook-7`, or, where a person has that name, `webhook-7-1` and so on."""
    username = base = f"webhook-{webhook_id}"
    number = 0
    while _is_taken(connection, username):
        number += 1
        username = f"{base}-{number}"
    made = insert(users).values(
        username=username,
        email=f"{username}@{NO_ADDRESS}",
        full_name=name,
        is_bot=True,
        created_at=now,
        updated_at=now,
    )
    user_id: UserId = connection.execute(made.returning(users.c.id)).scalar_one()
    return user_id


def _is_taken(connection: Connection, username: str) -> bool:
    address = f"{username}@{NO_ADDRESS}"
    taken = or_(func.lower(users.c.username) == username, func.lower(users.c.email) == address)
    return connection.execute(select(users.c.id).where(taken)).first() is not None


def _remove(
    connection: Connection, channel_id: ChannelId, webhook_id: WebhookId, by: Doer, now: datetime
) -> bool:
    gone = delete(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.channel_id == channel_id)
    row = connection.execute(gone.returning(webhooks.c.bot_id, webhooks.c.direction)).one_or_none()
    if row is None:
        return False
    if row.bot_id is not None:
        bot = update(users).where(users.c.id == row.bot_id)
        connection.execute(bot.values(is_active=False, updated_at=now))
    detail = {"channel_id": channel_id, "direction": row.direction}
    record_act(connection, by.did("webhook.deleted", "webhook", webhook_id, detail), now)
    return True


def _replay(
    connection: Connection,
    channel_id: ChannelId,
    webhook_id: WebhookId,
    after: Seq,
    by: Doer,
    now: datetime,
) -> Webhook | Ahead | None:
    is_it = (webhooks.c.id == webhook_id) & (webhooks.c.channel_id == channel_id)
    query = _ALL.where(is_it, webhooks.c.direction == "outgoing")
    found = _load(connection, query)
    if not found:
        return None
    last_seq = connection.execute(select(channels.c.last_seq).where(channels.c.id == channel_id)).scalar_one()
    if after > last_seq:
        return Ahead()
    # Whoever turns it on again answers for it from then on.
    answers = webhooks.c.created_by if found[0].is_active or by.user_id is None else by.user_id
    again = update(webhooks).where(is_it).values(cursor=after, is_active=True, created_by=answers)
    connection.execute(again.values(updated_at=now))
    _start_over(connection, webhook_id, after, now)
    detail = {"channel_id": channel_id, "after": after, "before": found[0].cursor}
    record_act(connection, by.did("webhook.replayed", "webhook", webhook_id, detail), now)
    return _load(connection, query)[0]


def _start_over(connection: Connection, webhook_id: WebhookId, after: Seq, now: datetime) -> None:
    """A new job, and the one that may be waiting before it is due at once, with all attempts before it."""
    waiting = update(outbox).where(outbox.c.lane == lane_of(webhook_id), outbox.c.state == "pending")
    connection.execute(waiting.values(attempts=0, last_error=None, next_attempt_at=now, updated_at=now))
    job = JobQueued(
        at=now,
        kind="webhook",
        key=f"webhook:{webhook_id}:replay:{after}:{now.timestamp()}",
        lane=lane_of(webhook_id),
        payload=WebhookJob(webhook_id),
    )
    QUEUE_JOBS.run(connection, [job_row(job)])


def _load(connection: Connection, query: Select[Any]) -> list[Webhook]:
    rows = connection.execute(query).all()
    failures = _failures(connection, [row.id for row in rows if row.direction == "outgoing"])
    return [_webhook(row, failures.get(lane_of(row.id))) for row in rows]


def _failures(connection: Connection, ids: Sequence[WebhookId]) -> dict[str, Any]:
    """The last trouble with each, by lane: it is forgotten as soon as something has got through."""
    of_these = outbox.c.lane.in_([lane_of(webhook_id) for webhook_id in ids])
    open_or_not = outbox.c.state.in_(("pending", "sending", "failed", "unknown"))
    query = select(outbox).where(outbox.c.kind == "webhook", open_or_not, of_these)
    query = query.where(outbox.c.last_error.is_not(None)).order_by(outbox.c.id)
    return {row.lane: row for row in connection.execute(query)} if ids else {}


def _webhook(row: Any, failure: Any) -> Webhook:
    is_waiting = row.is_active and failure is not None and failure.state in ("pending", "sending")
    return Webhook(
        id=row.id,
        channel_id=row.channel_id,
        direction=row.direction,
        name=row.name,
        user_id=row.bot_id,
        url=row.url,
        events=tuple(row.events or ()),
        cursor=row.cursor,
        is_active=row.is_active,
        failure=_why_inactive(row) if failure is None else failure.last_error,
        next_attempt_at=failure.next_attempt_at if is_waiting else None,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _why_inactive(row: Any) -> str | None:
    """Where no failure is known: those of long ago are swept."""
    if row.is_active:
        return None
    return MAKER_LEFT if row.direction == "incoming" else f"{MAKER_LEFT}, or it answered 410 long ago"
