"""What fan-out needs of a connected client, whatever it is connected by."""

from typing import Protocol

from protocol.codec import Codec
from protocol.ids import ChannelId, Seq, SessionId, UserId


class Connection(Protocol):
    """One open socket of a user.

    It is *live* once its `ready` is written and until it falls behind: only then do events go to it. While it
    is not, whatever it misses is made good by the next `ready` and the catch-up behind it.
    """

    @property
    def codec(self) -> Codec: ...

    user_id: UserId
    session_id: SessionId | None
    is_live: bool
    is_stale: bool
    """Whether its user's channels changed while it was not live, so that a `ready` being prepared is old."""
    channels: dict[ChannelId, None]
    """The channels whose audience it is in."""
    cursors: dict[ChannelId, Seq]
    """The channels that it is still to be caught up in, each from the `seq` that its client has applied."""
    is_catching_up: bool
    """Whether somebody is working on `cursors`."""
    connection_id: str

    def write(self, frames: bytes) -> None:
        """Append to what this tick sends; joined and written once. Ignored once the connection is closed."""
        ...

    async def drained(self) -> bool:
        """Wait until the reader has taken most of what was written; False when the connection is gone."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say why and close, after what was written before."""
        ...

    def go_live(self) -> None:
        """`ready` is about to be written: from here on events go to it, unless it has closed meanwhile."""
        ...

    @property
    def is_congested(self) -> bool:
        """Whether the reader is behind, so that ephemeral events are not for it."""
        ...
