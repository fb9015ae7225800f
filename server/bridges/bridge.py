"""What a bridge to another transport is: one class, and what it says of each part that it is to deliver.

`arrivals.py` takes what a bridge has understood into the chat; `deliverer.py` hands it what is to go out.
`docs/bridges.md` adds one.
"""

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from protocol.ids import MessageId
from protocol.jobs import Bridge as BridgeName
from protocol.jobs import BridgeJob
from protocol.resources import DeliveryState, PublicProfile
from storage.attachments import NewLink


class Arrival(Struct, frozen=True):
    """Something that a user has written from elsewhere. The same `nonce` again is the same message.

    `links` are what came with it, and may be all there is.
    """

    author: PublicProfile
    content: str
    nonce: str
    links: tuple[NewLink, ...] = ()


class Destination(Struct, frozen=True):
    """Where to reach a user, and as whom of ours to write there, both as the transport spells it."""

    to: str
    sender: str = ""


class Parcel(Struct, frozen=True):
    """Part `part` of a message, counted from 0. Nothing of it can have been sent before `since`."""

    destination: Destination
    text: str
    message_id: MessageId
    part: int
    since: datetime


class Accepted(Struct, frozen=True):
    """The transport has it, under an id of its own."""

    external_id: str
    state: DeliveryState = "queued"
    segments: int | None = None


class Rejected(Struct, frozen=True):
    """The transport does not take it, and never will."""

    reason: str
    error_code: str | None = None


class NotNow(Struct, frozen=True):
    """It was certainly not sent. `after_s` as the transport asks for it; None: as the outbox has it."""

    reason: str
    after_s: float | None = None


class InDoubt(Struct, frozen=True):
    """It may have been sent."""

    reason: str


class Absent(Struct, frozen=True):
    """The transport says that it never got it."""


class Lost(Struct, frozen=True):
    """Nobody can say whether it was sent."""

    reason: str


class Bridge(Protocol):
    """One way in and out: `name` is the `via` of its messages; longer texts than the maximum go in parts.

    It is made without I/O; `close` ends what its use has opened.
    """

    name: BridgeName
    part_max_chars: int

    async def find_destination(self, job: BridgeJob) -> Destination | Rejected:
        """Where its user was when they wrote by this bridge last, before what is to go out: never elsewhere.

        The same for every attempt, or else rejected.
        """
        ...

    async def send(self, parcel: Parcel) -> Accepted | Rejected | NotNow | InDoubt:
        """Send it once. Never raises for what the transport or the network does."""
        ...

    async def look_for(self, parcel: Parcel) -> Accepted | Absent | NotNow | Lost:
        """Whether an earlier attempt got through. `NotNow`: it cannot be asked now."""
        ...

    async def close(self) -> None: ...
