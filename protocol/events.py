"""What the server says over the socket: one tagged union.

Broadcast events are the same bytes for every recipient, so they carry nothing that depends on the viewer.
Next on a message's path: `codec.py` turns an event into bytes, `actors/fanout.py` writes them.
"""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.errors import Code
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import (
    Channel,
    ChannelInfo,
    MemberChange,
    Message,
    PublicProfile,
    ReadyChannel,
    Report,
    Role,
    Status,
)


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """Base of all events."""


class Limits(Struct, frozen=True):
    """What the server accepts; None is no limit. `burst`: at once; `unsent_bytes`: how far readers lag."""

    frame_bytes: int
    content_chars: int
    commands_per_s: float | None
    burst: int | None
    unsent_bytes: int


class Ready(Event, frozen=True, kw_only=True, tag="ready"):
    connection_id: str
    epoch: str
    user: PublicProfile
    channels: tuple[ReadyChannel, ...]
    heartbeat_ms: int
    limits: Limits


class SyncPage(Event, frozen=True, kw_only=True, tag="sync", rename={"from_": "from"}):
    """Every row of a channel that changed after `from_` and up to `to`, as it is now, by its last change."""

    reply_to: str | UnsetType = UNSET
    channel_id: ChannelId
    from_: Seq
    to: Seq
    messages: tuple[Message, ...]
    members: tuple[MemberChange, ...]
    channel: ChannelInfo | None
    more: bool = False


class Reset(Event, frozen=True, kw_only=True, tag="reset"):
    """The client's cursor is from another life of the database: forget the channel and start from 0."""

    reply_to: str | UnsetType = UNSET
    channel_id: ChannelId


class Ack(Event, frozen=True, kw_only=True, tag="ack", omit_defaults=True):
    """The command is done, and what it changed is on disk."""

    reply_to: str | UnsetType = UNSET
    message_id: MessageId | UnsetType = UNSET
    channel_id: ChannelId | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    reply_to: str | UnsetType = UNSET
    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET
    field: str | UnsetType = UNSET


class Pong(Event, frozen=True, kw_only=True, tag="pong"):
    reply_to: str | UnsetType = UNSET
    t: int | float | None = None


class HistoryPage(Event, frozen=True, kw_only=True, tag="history"):
    """Newest first; with `after`, oldest first."""

    reply_to: str | UnsetType = UNSET
    channel_id: ChannelId
    messages: tuple[Message, ...]
    more: bool


class Sequenced(Event, frozen=True, kw_only=True):
    """Base of the events that take a channel's next `seq`."""

    channel_id: ChannelId
    seq: Seq


class NewMessage(Sequenced, frozen=True, kw_only=True, tag="new_message"):
    message: Message


class MessageUpdate(Sequenced, frozen=True, kw_only=True, tag="message_update"):
    message: Message


class MessageDelete(Sequenced, frozen=True, kw_only=True, tag="message_delete"):
    message_id: MessageId
    deleted_at: datetime


class ReactionUpdate(Sequenced, frozen=True, kw_only=True, tag="reaction_update"):
    """`count` is how many now react with `code`, this change included."""

    message_id: MessageId
    code: str
    user_id: UserId
    added: bool
    count: int


class MemberJoined(Sequenced, frozen=True, kw_only=True, tag="member_joined"):
    user: PublicProfile
    role: Role


class MemberLeft(Sequenced, frozen=True, kw_only=True, tag="member_left"):
    """`removed_by` is None for somebody who left by themselves."""

    user_id: UserId
    removed_by: UserId | None


class RoleUpdated(Sequenced, frozen=True, kw_only=True, tag="role_updated"):
    user_id: UserId
    role: Role


class ChannelUpdate(Sequenced, frozen=True, kw_only=True, tag="channel_update"):
    channel: ChannelInfo


class PrivacyUpdated(Sequenced, frozen=True, kw_only=True, tag="privacy_updated"):
    channel: ChannelInfo


class ChannelAdded(Event, frozen=True, kw_only=True, tag="channel_added"):
    """The viewer is now a member; `channel.last_seq` is the cursor to start from."""

    channel: Channel


class ChannelRemoved(Event, frozen=True, kw_only=True, tag="channel_removed"):
    channel_id: ChannelId
    reason: Literal["left", "removed", "deleted", "not_visible"]


class ReadMarker(Event, frozen=True, kw_only=True, tag="read"):
    channel_id: ChannelId
    user_id: UserId
    read_seq: Seq


class TypingEvent(Event, frozen=True, kw_only=True, tag="typing"):
    channel_id: ChannelId
    user_id: UserId


class PresenceEvent(Event, frozen=True, kw_only=True, tag="presence"):
    user_id: UserId
    status: Status
    last_active_at: datetime | None


class UserUpdate(Event, frozen=True, kw_only=True, tag="user_update"):
    user: PublicProfile


class ReportUpdate(Event, frozen=True, kw_only=True, tag="report_update"):
    report: Report


class SessionEnded(Event, frozen=True, kw_only=True, tag="session_ended"):
    reason: Literal["logged_out", "revoked", "token_reused", "password_changed", "disabled", "deleted"]


class AgentDelta(Event, frozen=True, kw_only=True, tag="agent_delta"):
    """Text of an agent's running answer; `offset` in characters from its beginning."""

    stream_id: str
    channel_id: ChannelId
    agent_id: UserId
    reply_to_message_id: MessageId
    offset: int
    text: str
    done: bool


class Lagging(Event, frozen=True, kw_only=True, tag="lagging"):
    """The reader was too slow and events were left out; a fresh `ready` and `sync` follow."""


class GoingAway(Event, frozen=True, kw_only=True, tag="going_away"):
    """The server is shutting down: reconnect after a random part of `retry_after_ms`."""

    retry_after_ms: int


SequencedEvent = (
    NewMessage
    | MessageUpdate
    | MessageDelete
    | ReactionUpdate
    | MemberJoined
    | MemberLeft
    | RoleUpdated
    | ChannelUpdate
    | PrivacyUpdated
)

AnyEvent = (
    SequencedEvent
    | Ready
    | SyncPage
    | Reset
    | Ack
    | ErrorEvent
    | Pong
    | HistoryPage
    | ChannelAdded
    | ChannelRemoved
    | ReadMarker
    | TypingEvent
    | PresenceEvent
    | UserUpdate
    | ReportUpdate
    | SessionEnded
    | AgentDelta
    | Lagging
    | GoingAway
)
