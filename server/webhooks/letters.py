"""What an outgoing webhook is sent: an event as JSON, signed as Standard Webhooks says.

The scheme is at https://www.standardwebhooks.com; receivers verify with its libraries.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from standardwebhooks.webhooks import Webhook as Signer

from protocol.ids import ChannelId, Seq
from protocol.resources import Message, PublicProfile
from protocol.webhooks import EventName, HookEvent, WebhookId
from server.version import version


class Data(Struct, frozen=True, kw_only=True):
    """`message` as it is when this is sent; `seq` is where the event is in the channel."""

    channel_id: ChannelId
    seq: Seq
    message: Message
    sender: PublicProfile


class Payload(Struct, frozen=True, kw_only=True):
    """The body. `timestamp` is when it happened."""

    type: EventName
    timestamp: datetime
    data: Data


class Letter(Struct, frozen=True):
    """One request."""

    body: bytes
    headers: Mapping[str, str]


def write_letter(webhook_id: WebhookId, event: HookEvent, secret: str, now: datetime) -> Letter:
    """The id is the same whenever this event is sent to this webhook, so that receivers can tell repeats."""
    data = Data(
        channel_id=event.message.channel_id, seq=event.seq, message=event.message, sender=event.sender
    )
    body = msgspec.json.encode(Payload(type=event.name, timestamp=event.at, data=data))
    letter_id = f"msg_{webhook_id}_{event.seq}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Parley/{version()}",
        "webhook-id": letter_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(secret).sign(letter_id, now, body.decode()),
    }
    return Letter(body, headers)
