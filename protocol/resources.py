"""The resources that clients see, the same over REST and WebSocket.

Frozen: one instance is shared by the recent changes in memory and by everything that is encoded from it.
A field that a viewer must not see, or that a kind of channel does not have, is `UNSET` and is left out.
"""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.ids import ChannelId, MessageId, Seq, SessionId, UserId

ChannelKind = Literal["channel", "direct"]
Role = Literal["owner", "admin", "member"]
Via = Literal["web", "twilio", "whatsapp", "telegram", "agent", "webhook"]
Status = Literal["online", "away", "offline"]
ReportStatus = Literal["open", "in_progress", "resolved"]
DeliveryState = Literal["sending", "queued", "sent", "delivered", "undelivered", "failed", "unknown"]


# gc=False, here and elsewhere: only data, of which no cycle can be made.
class PublicProfile(Struct, frozen=True, gc=False):
    """What others see of a user. `presence` is per moment, so broadcasts and `sync` leave it out."""

    id: UserId
    username: str
    full_name: str | None = None
    bio: str | None = None
    picture: str | None = None
    is_bot: bool = False
    presence: Status | UnsetType = UNSET


class User(Struct, frozen=True, kw_only=True):
    """A user as they and superusers see them."""

    id: UserId
    username: str
    email: str
    full_name: str | None
    bio: str | None
    phone_number: str | None
    picture: str | None
    is_active: bool
    is_superuser: bool
    is_bot: bool
    roles: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class UserRole(Struct, frozen=True):
    """A role that superusers give to users; those of channel members are something else."""

    id: int
    name: str
    description: str | None


class Attachment(Struct, frozen=True):
    """A file sent with a message. `size` in bytes.

    What came by MMS or WhatsApp stays where it is: its `url` is that of another server, and its `size` is 0.
    """

    id: int
    name: str
    content_type: str
    size: int
    url: str


class Reaction(Struct, frozen=True):
    """One emoji under one message; `user_ids` in the order of reacting."""

    reaction_id: int
    code: str
    image_url: str | None
    count: int
    user_ids: tuple[UserId, ...]


class ReactionKind(Struct, frozen=True):
    """An emoji that messages can be reacted to with: one that clients draw by its code, or a picture."""

    id: int
    code: str
    is_system: bool
    image_url: str | None

    @property
    def is_deleted(self) -> bool:
        """Whether it was a custom one: messages may still bear it, and nobody can give it any more."""
        return not self.is_system and self.image_url is None


class DeliveryPart(Struct, frozen=True):
    """How far one part has got of a message that is sent in several. `error_code` is the transport's own."""

    state: DeliveryState
    error_code: str | None = None


class Delivery(Struct, frozen=True):
    """How far a message has got over another transport, such as SMS: as far as the part that is behind most.

    One that failed counts before all others. `parts` are there when there are several.
    """

    state: DeliveryState
    transport: str
    error_code: str | None = None
    parts: tuple[DeliveryPart, ...] | UnsetType = UNSET


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """One message as it is now. `seq` is where it was posted; `content` is None once deleted.

    `recipient_id` and `is_read` exist only in direct channels; `nonce` and `stream_id` only when the command
    that made the message bore them.
    """

    id: MessageId
    channel_id: ChannelId
    conversation_id: str | None
    seq: Seq
    sender_id: UserId
    user_id: UserId
    recipient_id: UserId | UnsetType = UNSET
    content: str | None
    parent_id: MessageId | None = None
    is_read: bool | UnsetType = UNSET
    mentions: tuple[UserId, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    via: Via = "web"
    delivery: Delivery | None = None
    nonce: str | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class ChannelFields(Struct, frozen=True, kw_only=True):
    """What a channel is to whoever may see it."""

    id: ChannelId
    kind: ChannelKind
    name: str | None
    description: str | None
    conversation_id: str | None
    owner_id: UserId | None
    is_private: bool
    is_archived: bool
    member_count: int
    last_seq: Seq
    created_at: datetime
    updated_at: datetime


class ChannelInfo(ChannelFields, frozen=True, kw_only=True):
    """A channel as every member sees it: safe to broadcast."""


class Channel(ChannelFields, frozen=True, kw_only=True):
    """A channel as one viewer sees it. `my_role` is None for somebody who only discovers it.

    `join_code` is there for its owner and admins only.
    """

    my_role: Role | None
    read_seq: Seq
    unread_count: int
    join_code: str | UnsetType | None = UNSET


class ReadyChannel(Struct, frozen=True, kw_only=True):
    """One line of `ready`: where a client stands in a channel. `peer_read_seq` only in direct ones."""

    id: ChannelId
    kind: ChannelKind
    name: str | None
    conversation_id: str | None
    last_seq: Seq
    read_seq: Seq
    peer_read_seq: Seq | UnsetType = UNSET
    unread_count: int
    my_role: Role


class Member(Struct, frozen=True):
    """A member of a channel, as `GET /channels/{id}/members` lists them."""

    user: PublicProfile
    role: Role
    joined_at: datetime


class MemberChange(Struct, frozen=True):
    """A membership as it is now, for `sync`; `role` is None and `left_at` set for those who left."""

    user: PublicProfile
    role: Role | None
    joined_at: datetime
    left_at: datetime | None = None


class Invite(Struct, frozen=True, kw_only=True):
    """A way into a private channel. Without `max_uses` any number may join; None never expires."""

    join_code: str
    expires_at: datetime | None
    max_uses: int | None
    uses: int


class Edit(Struct, frozen=True):
    """An earlier text of a message and when it was replaced."""

    content: str | None
    edited_at: datetime


class Session(Struct, frozen=True, kw_only=True):
    """One login of a user. `current` marks the session that asks."""

    id: SessionId
    device_info: str | None
    ip_address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = False


class Conversation(Struct, frozen=True, kw_only=True):
    """A direct channel as one of its two members sees it; `user` is the other."""

    conversation_id: str
    channel_id: ChannelId
    user: PublicProfile
    last_message: Message | None
    unread_count: int
    updated_at: datetime


class Report(Struct, frozen=True, kw_only=True):
    """A report as its reporter and superusers see it."""

    id: int
    reporter_id: UserId
    title: str
    content: str
    status: ReportStatus
    comment: str | None
    resolved_at: datetime | None
    resolved_by: UserId | None
    created_at: datetime
    updated_at: datetime
