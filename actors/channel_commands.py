"""What can be asked of a channel's actor, whatever the transport, and how it answers.

A command carries everything that deciding needs and the channel does not hold: who asks, the profile of whom
it is about, the emoji or attachments that ids stood for.
"""

from collections.abc import Callable
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from actors.connection import Connection
from protocol.errors import Refusal
from protocol.events import HistoryPage, SyncPage
from protocol.ids import ChannelId, MessageId, Seq, SessionId, UserId
from protocol.resources import (
    Attachment,
    ChannelInfo,
    DeliveryState,
    Invite,
    Message,
    PublicProfile,
    Role,
    Via,
)
from protocol.webhooks import WebhookId


class Identity(Struct, frozen=True):
    """Who asks, and from which address. `session_id` is None for those who need none: agents and bridges."""

    profile: PublicProfile
    is_superuser: bool = False
    session_id: SessionId | None = None
    address: str | None = None

    @property
    def user_id(self) -> UserId:
        return self.profile.id


class ChannelCommand(Struct, frozen=True, kw_only=True, gc=False):
    """Base of the commands to one channel."""


class PostMessage(ChannelCommand, frozen=True, kw_only=True):
    content: str
    nonce: str | None
    parent_id: MessageId | None = None
    attachments: tuple[Attachment, ...] = ()
    via: Via = "web"
    stream_id: str | None = None


class OnMessage(ChannelCommand, frozen=True, kw_only=True):
    """Base of the commands about one message of the channel."""

    message_id: MessageId


class EditMessage(OnMessage, frozen=True, kw_only=True):
    content: str


class DeleteMessage(OnMessage, frozen=True, kw_only=True):
    pass


class ReactTo(OnMessage, frozen=True, kw_only=True):
    """Add or take back the asker's reaction; doing so twice changes nothing."""

    reaction_id: int
    code: str
    image_url: str | None
    added: bool


class BeginDelivery(OnMessage, frozen=True, kw_only=True):
    """A bridge begins to send the message in `parts` parts; those of `sending` are to go out now."""

    transport: str
    parts: int
    sending: frozenset[int]


class MoveDelivery(OnMessage, frozen=True, kw_only=True):
    """Part `part`, counted from 0, has got as far as `state`; what is behind that already stays."""

    part: int
    state: DeliveryState
    error_code: str | None = None
    external_id: str | None = None
    segments: int | None = None


class JoinChannel(ChannelCommand, frozen=True, kw_only=True):
    """With `join_code`, into a private channel; without, into a public one."""

    join_code: str | None = None


class LeaveChannel(ChannelCommand, frozen=True, kw_only=True):
    pass


class Withdraw(ChannelCommand, frozen=True, kw_only=True):
    """The asker's account is deleted. `heir` inherits the channel, if the asker owns it and is not alone."""

    heir: PublicProfile | None


class RemoveMember(ChannelCommand, frozen=True, kw_only=True):
    member: PublicProfile


class SetRole(ChannelCommand, frozen=True, kw_only=True):
    """`owner` hands the channel over; the former owner becomes admin."""

    member: PublicProfile
    role: Role


class ChangeChannel(ChannelCommand, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET


class SetPrivacy(ChannelCommand, frozen=True, kw_only=True):
    """`join_code` is the standing invite to use when the channel goes private."""

    is_private: bool
    join_code: str


class CloseChannel(ChannelCommand, frozen=True, kw_only=True):
    pass


class CreateInvite(ChannelCommand, frozen=True, kw_only=True):
    join_code: str
    expires_at: datetime | None
    max_uses: int | None


class RevokeInvite(ChannelCommand, frozen=True, kw_only=True):
    join_code: str


class MoveMarker(ChannelCommand, frozen=True, kw_only=True):
    """The asker has read up to `seq`; past the end means all, and markers never go back."""

    seq: Seq


class Rename(ChannelCommand, frozen=True, kw_only=True):
    """The asker has another user name, the one of their profile."""


class KnowWebhooks(ChannelCommand, frozen=True, kw_only=True):
    """These active webhooks are to be told what happens here; whoever says so has authorised it."""

    outgoing: tuple[WebhookId, ...]


class ShowTyping(ChannelCommand, frozen=True, kw_only=True):
    pass


class ReadHistory(ChannelCommand, frozen=True, kw_only=True):
    before: Seq | None = None
    after: Seq | None = None
    limit: int = 50


class ReadChanges(ChannelCommand, frozen=True, kw_only=True):
    """One page of what changed after `after`; a cursor past the end is from another life: `Done.reset`."""

    after: Seq
    limit: int = 200


class ReadMessage(OnMessage, frozen=True, kw_only=True):
    """One message, for those who may see the channel."""


class LookAt(ChannelCommand, frozen=True, kw_only=True):
    """Who the asker is here: the one check behind every read that goes past the channel to the database.

    `needs` is the least role that may look; None lets anyone look at a public channel.
    """

    needs: Role | None = "member"


class Done(Struct, frozen=True, kw_only=True, gc=False):
    """The command is done and committed. What else is set depends on the command.

    `seq` is the last change that it made, or the channel's last one when it changed nothing.
    """

    channel_id: ChannelId
    seq: Seq
    message: Message | None = None
    duplicate: bool = False
    invite: Invite | None = None
    invites: tuple[Invite, ...] = ()
    info: ChannelInfo | None = None
    role: Role | None = None
    read_seq: Seq | None = None
    join_code: str | None = None
    history: HistoryPage | None = None
    sync: SyncPage | None = None
    reset: bool = False
    behind: bool = False


Result = Done | Refusal
Answer = Callable[[Result], None]
"""Called exactly once, from the event loop, with what became of a command."""


class Ask(Struct, frozen=True):
    """A command to a channel on its way: who asks, what, and who hears the answer."""

    by: Identity
    command: ChannelCommand
    answer: Answer


class Resume(Struct, frozen=True):
    """Bring `connection` from `after` into the channel's audience, if memory reaches back so far.

    Answered with `Done` once it is subscribed, and with `Done.behind` when a page from the database was
    written first: the caller asks again from where that ended, when the reader has taken it.
    """

    by: Identity
    connection: Connection
    after: Seq
    answer: Answer
