"""What a user's actor is sent, and what every user actor of the process works with."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from actors.channel_commands import Answer, ChannelCommand, Identity
from actors.connection import Connection
from actors.fanout import Fanout
from actors.known_reactions import KnownReactions
from actors.ports import Channels, Clock, Users
from actors.presence import Presence
from actors.system import System
from protocol.commands import AnyCommand
from protocol.errors import Refusal
from protocol.events import Limits
from protocol.ids import ChannelId, Seq, SessionId
from protocol.rates import Rate
from protocol.resources import PublicProfile, ReadyChannel, Report

TRY_AGAIN = 1012

EndReason = Literal["logged_out", "revoked", "token_reused", "password_changed", "disabled", "deleted"]


class UserLimits(Struct, frozen=True):
    """`commands` None lets any number through; `ready` is what `ready` tells clients."""

    commands: Rate | None
    connections: int
    heartbeat_ms: int
    ready: Limits


class UserSurroundings(Struct, frozen=True):
    """What every user actor of the process works with."""

    system: System
    users: Users
    channels: Channels
    fanout: Fanout
    presence: Presence
    clock: Clock
    limits: UserLimits
    epoch: str
    reactions: KnownReactions


class Act(Struct, frozen=True):
    """A command from a socket."""

    by: Identity
    command: AnyCommand
    answer: Answer
    connection: Connection


class ActOn(Struct, frozen=True):
    """A command to one channel from anywhere else."""

    by: Identity
    channel_id: ChannelId
    command: ChannelCommand
    answer: Answer


class Spend(Struct, frozen=True):
    """Something outside of channels costs as much as a command."""

    answer: Answer


class Attach(Struct, frozen=True):
    """An authenticated connection wants its `ready`, and to be caught up from `cursors`.

    `epoch` is where its cursors come from; None trusts them. `is_lagging`: it was live and fell behind, and
    bears its cursors itself.
    """

    connection: Connection
    by: Identity
    cursors: dict[ChannelId, Seq]
    epoch: str | None = None
    is_lagging: bool = False

    def answer(self, refusal: Refusal) -> None:
        """Nobody can take the connection now: it is to try again."""
        self.connection.close(TRY_AGAIN, refusal.message)


class ReadyLoaded(Struct, frozen=True):
    """The channels of the user for an `Attach`, or an exception."""

    attach: Attach
    asked_at_s: float
    result: Sequence[ReadyChannel] | Exception


class Detach(Struct, frozen=True):
    """A connection is closed."""

    connection: Connection


class Behind(Struct, frozen=True):
    """A connection was taken out of a channel's audience, having heard it up to its cursor there."""

    connection: Connection


class Refresh(Struct, frozen=True):
    """The user is in this channel, and may have become a member without having heard of it."""

    channel_id: ChannelId


class EndSessions(Struct, frozen=True):
    """End live sockets: those of `only`, or all but `keep`'s."""

    reason: EndReason
    only: frozenset[SessionId] | None = None
    keep: SessionId | None = None


class ProfileChanged(Struct, frozen=True):
    """The user looks different now; those who share a channel are told."""

    profile: PublicProfile


class ProfileShown(Struct, frozen=True):
    """The channels through which others see the user, for a `ProfileChanged`, or an exception."""

    profile: PublicProfile
    result: Sequence[ReadyChannel] | Exception


class ReportChanged(Struct, frozen=True):
    """A report of the user's was filed or changed: their sockets are told."""

    report: Report


class Resolved(Struct, frozen=True):
    """What the ids in a command stand for, or why it is refused, or an exception."""

    act: Act
    result: Any
