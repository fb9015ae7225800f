"""What an event brings to whoever looks at the screen."""

from msgspec import Struct

from protocol.commands import Send
from protocol.errors import Code
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Message
from server.terminal.view import ChannelView


class Connected(Struct, frozen=True):
    """The connection works (again): what is not acknowledged is to be sent once more."""


class Entered(Struct, frozen=True):
    """We are a member of this channel now."""

    channel: ChannelView


class Gone(Struct, frozen=True):
    """We are not a member any more."""

    channel: ChannelView
    reason: str


class Posted(Struct, frozen=True):
    channel: ChannelView
    message: Message


class Changed(Struct, frozen=True):
    """A message as it is now: edited, deleted, reacted to."""

    channel: ChannelView
    message: Message


class Older(Struct, frozen=True):
    """Messages that were asked for, oldest first."""

    channel: ChannelView
    messages: tuple[Message, ...]


class Joined(Struct, frozen=True):
    channel: ChannelView
    user_id: UserId


class Left(Struct, frozen=True):
    channel: ChannelView
    user_id: UserId


class Typing(Struct, frozen=True):
    channel: ChannelView
    user_id: UserId


class Acknowledged(Struct, frozen=True):
    """The send is on disk, in this channel and there with this `seq`."""

    send: Send
    channel_id: ChannelId
    seq: Seq


class SendRefused(Struct, frozen=True):
    """A command was refused; `send` when it was one. None for `retry_after_ms`: for good."""

    send: Send | None
    code: Code
    message: str
    retry_after_ms: int | None
    field: str | None = None


class Forgotten(Struct, frozen=True):
    """The server has another life than our cursor: it starts this channel from the beginning."""

    channel: ChannelView


class MissedSome(Struct, frozen=True):
    """An event came that is not the next: `sync` is to be asked for from the cursor."""

    channel: ChannelView


News = (
    Connected
    | Entered
    | Gone
    | Posted
    | Changed
    | Older
    | Joined
    | Left
    | Typing
    | Acknowledged
    | SendRefused
    | Forgotten
    | MissedSome
)
