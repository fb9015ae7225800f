"""What actors need from outside, as small protocols. `storage` fits them without importing this package.

Every method may raise `protocol.errors.Unavailable`: the database cannot be reached now; try again later.
"""

from collections.abc import Collection, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol

from protocol.facts import Changes, ChannelSnapshot, Part, PartResult
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.jobs import Due, Job, JobId, JobKind, Settlement
from protocol.resources import Attachment, Channel, Message, PublicProfile, ReadyChannel


class Clock(Protocol):
    """The server's one clock."""

    def now(self) -> datetime:
        """Wall time, aware, UTC: for what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start: for timeouts and rates."""
        ...


class Commits(Protocol):
    """Where the journal writes."""

    def commit(self, parts: Sequence[Part]) -> Coroutine[Any, Any, list[PartResult]]:
        """Write all parts in one transaction; one result for each, in order.

        A part that cannot be written does not hold the others back. At most one part per channel. A store may
        begin before the first await.
        """
        ...


class Channels(Protocol):
    """What a channel actor reads. Only committed state is ever returned."""

    async def load_channel(self, channel_id: ChannelId) -> ChannelSnapshot | None:
        """None when there is no such channel, or it was deleted."""
        ...

    async def load_messages(self, channel_id: ChannelId, ids: Sequence[MessageId]) -> list[Message]:
        """Those of `ids` that are in this channel, in any order."""
        ...

    async def changes(self, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
        """At most `limit` rows, but never only some of the rows that one `seq` changed.

        `channel` is there when the channel or its memberships changed after `after`.
        """
        ...

    async def history(
        self, channel_id: ChannelId, before: Seq | None, after: Seq | None, limit: int
    ) -> list[Message]:
        """By `seq`: newest first, or oldest first when `after` is given."""
        ...


class ReactionKind(Protocol):
    """An emoji that messages can be reacted to with."""

    @property
    def id(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def image_url(self) -> str | None: ...
    @property
    def is_deleted(self) -> bool: ...


class Users(Protocol):
    """What a user actor reads, and the one thing it makes: the channel of two people's first message."""

    async def ready_channels(self, user_id: UserId) -> list[ReadyChannel]:
        """The channels the user is a member of, with markers and unread counts, by id."""
        ...

    async def open_direct(self, user_id: UserId, peer_id: UserId) -> ChannelId | None:
        """The channel of these two, made if need be; None when there is no such peer. Safe to race."""
        ...

    async def find_invite(self, join_code: str) -> ChannelId | None:
        """The channel of an invite, live or not; None when the code never existed."""
        ...

    async def find_reaction(self, code: str) -> ReactionKind | None:
        """Deleted ones too: who gave one may take it back."""
        ...

    async def find_attachments(self, owner_id: UserId, ids: Sequence[int]) -> list[Attachment]:
        """Those of `ids` that this user uploaded and that no message has yet."""
        ...

    async def has_posted(self, sender_id: UserId, nonce: str) -> bool:
        """Whether this user has sent a message with this nonce, in whatever channel."""
        ...

    async def view_channel(self, channel_id: ChannelId, user_id: UserId) -> Channel | None:
        """The channel as this user sees it; None when it does not exist."""
        ...

    async def load_profile(self, user_id: UserId) -> PublicProfile | None: ...


class Jobs(Protocol):
    """The outbox: see `storage/outbox.py`. All times are the server's clock."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be working on it, so that what is leased may be theirs."""
        ...

    async def take(
        self, kind: JobKind, limit: int, now: datetime, until: datetime, holding: Collection[JobId] = ()
    ) -> Due:
        """At most `limit` due jobs, leased until then: of a lane its first only, and none of `holding`."""
        ...

    async def extend(self, jobs: Sequence[Job], until: datetime, now: datetime) -> frozenset[JobId]:
        """Extend the leases of these; the ids of those that are still the caller's."""
        ...

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> frozenset[JobId]:
        """Write down what became of attempts; the ids of those jobs that were still the caller's."""
        ...

    async def reclaim(self, kind: JobKind, now: datetime) -> int:
        """End all leases of what a process that is gone has left; how many there were."""
        ...
