"""What outgoing webhooks are still to be told, from their cursors on.

Every `seq` at which a message was posted is an event, and so is the last change of each message. All tell of
the message as it is now, so that what was posted and deleted meanwhile is told as deleted only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, delete, exists, select, update

from protocol.ids import ChannelId, Seq, UserId
from protocol.jobs import Job
from protocol.resources import Message, PublicProfile
from protocol.webhooks import EventName, HookEvent, WebhookId, lane_of
from storage.channel_rows import LIVE
from storage.engine import Database
from storage.message_rows import load_messages
from storage.tables import channels, messages, outbox, users, webhooks
from storage.user_rows import PROFILE_COLUMNS, profile_of

PAGE_ROWS: Final = 50


class Target(Struct, frozen=True, kw_only=True):
    """An active outgoing webhook and how far it has been told."""

    webhook_id: WebhookId
    channel_id: ChannelId
    url: str
    sealed_secret: str
    events: frozenset[EventName]
    cursor: Seq


class HookPage(Struct, frozen=True):
    """Events in the order of their `seq`, complete up to `to`; with `more`, there is more after it."""

    events: tuple[HookEvent, ...]
    to: Seq
    more: bool


class WebhookFeed:
    """Whoever moves a cursor holds the job that is open for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def target(self, webhook_id: WebhookId) -> Target | None:
        """None when it is gone, with its channel or without, or is not to be told anything."""
        row = await self._database.read(
            lambda c: c.execute(_TARGETS.where(webhooks.c.id == webhook_id)).one_or_none()
        )
        if row is None:
            return None
        return Target(
            webhook_id=row.id,
            channel_id=row.channel_id,
            url=row.url,
            sealed_secret=row.sealed_secret,
            events=frozenset(row.events),
            cursor=row.cursor,
        )

    async def page(self, target: Target, limit: int = PAGE_ROWS) -> HookPage:
        """What comes after the target's cursor."""
        return await self._database.read(lambda connection: _page(connection, target, limit))

    async def move(self, target: Target, to: Seq, job: Job, now: datetime) -> bool:
        """It has been told everything up to there; False when somebody else has moved its cursor meanwhile.

        What failed before is overcome.
        """
        return await self._database.write(lambda connection: _move(connection, target, to, job, now))

    async def gather(self, job: Job) -> None:
        """Let this open job, which will read on from the cursor, stand for those that wait behind it."""
        await self._database.write(lambda connection: _gather(connection, job))

    async def deactivate(self, webhook_id: WebhookId, job: Job, reason: str, now: datetime) -> None:
        """Tell it nothing any more; whoever lists it sees why."""
        await self._database.write(lambda connection: _deactivate(connection, webhook_id, job, reason, now))


_maker = users.alias("maker")
ANSWERED_FOR: Final = ~exists().where(
    _maker.c.id == webhooks.c.created_by, ~_maker.c.is_active | _maker.c.deleted_at.is_not(None)
)
"""Webhooks of disabled users rest, and those of deleted ones are over."""

_TARGETS = (
    select(webhooks)
    .join(channels, channels.c.id == webhooks.c.channel_id)
    .where(webhooks.c.direction == "outgoing", webhooks.c.is_active, LIVE, ANSWERED_FOR)
)


def _page(connection: Connection, target: Target, limit: int) -> HookPage:
    last_seq = connection.execute(
        select(channels.c.last_seq).where(channels.c.id == target.channel_id)
    ).scalar_one_or_none()
    if last_seq is None or last_seq <= target.cursor:
        return HookPage((), target.cursor, more=False)
    posted = _marks(connection, target, "seq", last_seq, limit)
    to = posted[-1].seq if len(posted) == limit else last_seq
    changed = _marks(connection, target, "changed_seq", to, limit)
    to = changed[-1].changed_seq if len(changed) == limit else to
    marks = {row.seq: (row.id, True) for row in posted if row.seq <= to}
    marks |= {row.changed_seq: (row.id, False) for row in changed}
    return HookPage(_events(connection, target, marks), Seq(to), more=to < last_seq)


def _marks(connection: Connection, target: Target, name: str, to: Seq, limit: int) -> Sequence[Any]:
    """Messages by where they were posted, or changed last, after the cursor and up to `to`."""
    column, of_channel = messages.c[name], messages.c.channel_id == target.channel_id
    query = select(messages.c.id, messages.c.seq, messages.c.changed_seq).where(of_channel)
    query = query.where(column > target.cursor, column <= to).order_by(column).limit(limit)
    if name == "changed_seq":
        query = query.where(messages.c.changed_seq != messages.c.seq)
    return connection.execute(query).all()


def _events(connection: Connection, target: Target, marks: dict[Seq, Any]) -> tuple[HookEvent, ...]:
    found = load_messages(connection, list({message_id for message_id, _ in marks.values()}))
    by_id = {message.id: message for message in found}
    senders = _senders(connection, {message.sender_id for message in found})
    events = []
    for seq, (message_id, is_posted) in sorted(marks.items()):
        message = by_id[message_id]
        name, at = _kind(message, is_posted=is_posted)
        is_over = is_posted and message.deleted_at is not None
        if name in target.events and not is_over:
            sender = senders[message.sender_id]
            events.append(HookEvent(name=name, seq=seq, at=at, message=message, sender=sender))
    return tuple(events)


def _kind(message: Message, *, is_posted: bool) -> tuple[EventName, datetime]:
    if is_posted:
        return "message.created", message.created_at
    if message.deleted_at is not None:
        return "message.deleted", message.deleted_at
    return "message.updated", message.updated_at


def _senders(connection: Connection, ids: set[UserId]) -> dict[UserId, PublicProfile]:
    """Deleted users too: what is left of them is no secret."""
    rows = connection.execute(select(*PROFILE_COLUMNS).where(users.c.id.in_(ids))) if ids else ()
    return {row.user_id: profile_of(row) for row in rows}


def _move(connection: Connection, target: Target, to: Seq, job: Job, now: datetime) -> bool:
    is_there = (webhooks.c.id == target.webhook_id) & (webhooks.c.cursor == target.cursor)
    moved = update(webhooks).where(is_there).values(cursor=to, updated_at=now)
    if connection.execute(moved).rowcount != 1:
        return False
    _gather(connection, job)
    overcome = outbox.c.state.in_(("failed", "unknown")) & (outbox.c.lane == lane_of(target.webhook_id))
    connection.execute(delete(outbox).where(outbox.c.kind == "webhook", overcome))
    connection.execute(update(outbox).where(outbox.c.id == job.id).values(last_error=None))
    return True


def _deactivate(connection: Connection, webhook_id: WebhookId, job: Job, reason: str, now: datetime) -> None:
    off = update(webhooks).where(webhooks.c.id == webhook_id).values(is_active=False, updated_at=now)
    connection.execute(off)
    connection.execute(update(outbox).where(outbox.c.id == job.id).values(last_error=reason))


def _gather(connection: Connection, job: Job) -> None:
    is_behind = (outbox.c.lane == job.lane) & (outbox.c.id > job.id)
    is_untouched = (outbox.c.state == "pending") & (outbox.c.attempts == 0)
    connection.execute(delete(outbox).where(is_behind, is_untouched))
