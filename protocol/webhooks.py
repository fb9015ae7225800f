"""Webhooks: what other programs post into a channel, and what they are told of it.

`actors/consequences.py` says when there is news for them; `server/webhooks/worker.py` tells it.
"""

from datetime import datetime
from typing import Final, Literal, NewType, get_args

from msgspec import UNSET, Struct, UnsetType

from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Message, PublicProfile

WebhookId = NewType("WebhookId", int)

Direction = Literal["incoming", "outgoing"]
EventName = Literal["message.created", "message.updated", "message.deleted"]
EVENT_NAMES: Final[tuple[EventName, ...]] = get_args(EventName)


class WebhookJob(Struct, frozen=True):
    """There is news for a webhook: all that it has not been told yet, from its cursor on.

    `channel_id` is the channel that says so, where one does.
    """

    webhook_id: WebhookId
    channel_id: ChannelId | None = None


def lane_of(webhook_id: WebhookId) -> str:
    """Whatever is to be told to one webhook is told one after another."""
    return f"webhook:{webhook_id}"


class Webhook(Struct, frozen=True, kw_only=True):
    """One webhook as those see it who manage it.

    Incoming ones post as the bot `user_id`. Outgoing ones have been told everything up to the `seq` `cursor`;
    while `is_active` is false they are told nothing. Of either kind, those of somebody who is no admin any
    more become inactive, and those of a disabled user rest. `failure` is why the last attempt failed, or why
    it is not active, and `next_attempt_at` when the next one is due: null with a `failure` means that it was
    given up.
    """

    id: WebhookId
    channel_id: ChannelId
    direction: Direction
    name: str | None
    user_id: UserId | None
    url: str | None
    events: tuple[EventName, ...]
    cursor: Seq
    is_active: bool
    failure: str | None = None
    next_attempt_at: datetime | None = None
    created_by: UserId | None
    created_at: datetime
    updated_at: datetime
    secret: str | UnsetType = UNSET


class HookEvent(Struct, frozen=True, kw_only=True):
    """What happened at `seq`, with the message as it is when this is told."""

    name: EventName
    seq: Seq
    at: datetime
    message: Message
    sender: PublicProfile
