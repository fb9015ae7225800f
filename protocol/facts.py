"""What has been decided in a channel, numbered, on its way to the database; and what the database answered.

A fact is past tense and complete: storage writes it and the fan-out shows it without asking anybody. Next on
a message's path: `actors/journal.py` gathers facts into commits, `storage/messages.py` writes them.
"""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from protocol.audit import AuditRecord
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.jobs import Bridge, JobKind
from protocol.resources import (
    Attachment,
    ChannelInfo,
    DeliveryState,
    Invite,
    MemberChange,
    Message,
    PublicProfile,
    Role,
    Via,
)
from protocol.webhooks import WebhookId


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """Base. `at` is the server's clock when it was decided."""

    at: datetime


class Numbered(Fact, frozen=True, kw_only=True):
    """A fact that takes the channel's next `seq` and becomes an event."""

    seq: Seq


class MessagePosted(Numbered, frozen=True, kw_only=True):
    """`recipient_id` and `conversation_id` in direct channels only. The id is given by the commit."""

    sender_id: UserId
    content: str
    nonce: str | None
    recipient_id: UserId | None = None
    conversation_id: str | None = None
    parent_id: MessageId | None = None
    mentions: tuple[UserId, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    via: Via = "web"
    stream_id: str | None = None


class MessageEdited(Numbered, frozen=True, kw_only=True):
    """`message` as it is now; `previous` is the text that it replaces."""

    message: Message
    previous: str | None


class MessageDeleted(Numbered, frozen=True, kw_only=True):
    message: Message


class PartDelivery(Struct, frozen=True):
    """How far part `part` of a message, counted from 0, has got; an `external_id` of None is no news."""

    part: int
    state: DeliveryState
    error_code: str | None = None
    external_id: str | None = None
    segments: int | None = None


class DeliveryChanged(Numbered, frozen=True, kw_only=True):
    """A message has got further over another transport: `message` as it is now, `parts` that have changed."""

    message: Message
    transport: str
    parts: tuple[PartDelivery, ...]


class ReactionChanged(Numbered, frozen=True, kw_only=True):
    """`message` as it is now; `count` is how many react with `code` after this."""

    message: Message
    user_id: UserId
    reaction_id: int
    code: str
    added: bool
    count: int


class MemberJoined(Numbered, frozen=True, kw_only=True):
    """`invite_code` is the invite that this used up once."""

    user: PublicProfile
    role: Role
    invite_code: str | None = None


class MemberLeft(Numbered, frozen=True, kw_only=True):
    """`joined_at` is when the membership that ends began; `removed_by` is None for leaving by oneself."""

    user: PublicProfile
    joined_at: datetime
    removed_by: UserId | None = None


class RoleChanged(Numbered, frozen=True, kw_only=True):
    """A new role; `owner` makes this user the channel's `owner_id`."""

    user: PublicProfile
    joined_at: datetime
    role: Role


class ChannelChanged(Numbered, frozen=True, kw_only=True):
    """Name, description or archive flag; `channel` as it is now."""

    channel: ChannelInfo


class PrivacyChanged(Numbered, frozen=True, kw_only=True):
    """`channel` as it is now. All invites but `join_code` (None once public) are revoked."""

    channel: ChannelInfo
    join_code: str | None


class ChannelClosed(Numbered, frozen=True, kw_only=True):
    """The channel is gone for everybody and its name is free."""


class MarkerMoved(Fact, frozen=True, kw_only=True):
    """A member has read up to `read_seq`; markers never go back."""

    user_id: UserId
    read_seq: Seq


class MemberRenamed(Fact, frozen=True, kw_only=True):
    """A member has another user name. It is kept with the user, so nothing is written of it here."""

    user_id: UserId
    username: str


class WebhooksKnown(Fact, frozen=True, kw_only=True):
    """Which active webhooks are to be told what happens here, from now on; written elsewhere before."""

    outgoing: tuple[WebhookId, ...]


class InviteCreated(Fact, frozen=True, kw_only=True):
    invite: Invite
    created_by: UserId


class InviteRevoked(Fact, frozen=True, kw_only=True):
    join_code: str


class Audited(Fact, frozen=True, kw_only=True):
    """What was decided beside this is for the audit log."""

    record: AuditRecord


class JobQueued(Fact, frozen=True, kw_only=True):
    """Something is to be done outside because of what was decided beside this: kept in the outbox.

    `key` is made of what causes it: a repeated one is ignored. Jobs of one `lane` are done one after another,
    in the order of their queueing; those without one do not wait for each other. `payload` names the message
    by its channel and `seq`.
    """

    kind: JobKind
    key: str
    payload: Struct
    lane: str | None = None


NumberedFact = (
    MessagePosted
    | MessageEdited
    | MessageDeleted
    | DeliveryChanged
    | ReactionChanged
    | MemberJoined
    | MemberLeft
    | RoleChanged
    | ChannelChanged
    | PrivacyChanged
    | ChannelClosed
)
AnyFact = (
    NumberedFact
    | MarkerMoved
    | MemberRenamed
    | WebhooksKnown
    | InviteCreated
    | InviteRevoked
    | Audited
    | JobQueued
)


class Part(Struct, frozen=True):
    """One channel's share of a commit: written whole or not at all.

    It moves the channel from `expected` to `expected` + the number of numbered facts, and fails if the
    channel does not stand at `expected`: that is the fence.
    """

    channel_id: ChannelId
    expected: Seq
    last_seq: Seq
    facts: tuple[AnyFact, ...]

    @property
    def posts(self) -> int:
        """How many messages it posts."""
        return [fact.__class__ for fact in self.facts].count(MessagePosted)


class Written(Struct, frozen=True):
    """The part is on disk. One id for each `MessagePosted`, in order."""

    message_ids: tuple[MessageId, ...]


class Fenced(Struct, frozen=True):
    """The channel did not stand at `expected`: somebody else owns it, or an earlier part failed."""


class Repeats(Struct, frozen=True):
    """Nothing was written: these (sender, nonce) pairs exist already, with their first messages."""

    messages: dict[tuple[UserId, str], Message]


class Taken(Struct, frozen=True):
    """Nothing was written: another channel has the name."""


class Spent(Struct, frozen=True):
    """Nothing was written: these files went with other messages, or are gone.

    Without any, two posts of the part name the same file.
    """

    file_ids: frozenset[int]


class Failed(Struct, frozen=True):
    """Nothing is known to be written; `reason` is for the log, never for a client."""

    reason: str


PartResult = Written | Fenced | Repeats | Taken | Spent | Failed


class MemberRow(Struct, frozen=True):
    """A member as the channel's owner keeps them in memory.

    For direct channels only: `read_seq`, and the `bridge` that their own last message here came by.
    """

    user_id: UserId
    username: str
    role: Role
    joined_at: datetime
    read_seq: Seq | UnsetType = UNSET
    is_bot: bool = False
    bridge: Bridge | None = None


class ChannelSnapshot(Struct, frozen=True, kw_only=True):
    """All that deciding in a channel needs, at one moment. Live invites only, the standing one included.

    `outgoing` are the active webhooks that are told what happens here.
    """

    info: ChannelInfo
    join_code: str | None
    members: tuple[MemberRow, ...]
    invites: tuple[Invite, ...]
    outgoing: tuple[WebhookId, ...] = ()


class Changes(Struct, frozen=True, kw_only=True):
    """Rows that changed after a cursor, each as it is now, by the `seq` of their last change.

    Complete up to `to`; with `more`, there are others after it. `last_seq` is where the channel stood when
    this was read: a row that changed after `to` and up to there is missing.
    """

    to: Seq
    last_seq: Seq
    messages: tuple[Message, ...]
    members: tuple[MemberChange, ...]
    channel: ChannelInfo | None
    more: bool
