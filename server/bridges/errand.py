"""One attempt to deliver one message by one bridge, part by part, and never twice.

A part is noted in its channel as `sending` before it goes out, and as accepted before the next one does. What
an earlier attempt may have sent is looked for before it is sent again.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from actors.channel_commands import BeginDelivery, Identity, MoveDelivery
from actors.chat import Chat
from actors.jobs import Again, Doubtful, Finished, GivenUp, Job, Outcome
from actors.ports import Clock
from protocol.ids import ChannelId, UserId
from protocol.jobs import BridgeJob
from protocol.message_text import text_of
from protocol.resources import DeliveryState, PublicProfile
from server.bridges.bridge import (
    Absent,
    Accepted,
    Bridge,
    Destination,
    InDoubt,
    Lost,
    NotNow,
    Parcel,
    Rejected,
)
from server.bridges.parts import split
from storage.deliveries import Deliveries, DeliveryRow, Due

LOG: Final = logging.getLogger("server.bridges")
SETTLED_AFTER_S: Final = 60.0
"""What cannot be found so long after an attempt that may have sent it was not sent, however that ended."""
LOOK_AGAIN_AFTER_S: Final = SETTLED_AFTER_S + 1.0
"""This attempt is written down a moment after the wait begins, and counts from then."""


class Surroundings(Struct, frozen=True):
    """What delivering works with."""

    chat: Chat
    deliveries: Deliveries
    clock: Clock
    public_url: str


class Errand:
    """`may_have_sent`: this attempt has handed a part over, and nobody has noted what became of it."""

    def __init__(self, around: Surroundings, bridge: Bridge, job: Job, due: Due) -> None:
        self._around = around
        self._bridge = bridge
        self._job = job
        self._message = due.message
        self._texts = split(text_of(due.message, around.public_url), bridge.part_max_chars)
        self._unsent = unsent_parts(due.parts, len(self._texts))
        self._is_again = job.is_again
        self.may_have_sent = False

    async def run(self, todo: BridgeJob) -> Outcome:
        """Deliver what is not yet. Raises Refused when the channel cannot note it, and Unavailable."""
        if not self._unsent:
            return Finished()
        await self._begin()
        destination = await self._bridge.find_destination(todo)
        if isinstance(destination, Rejected):
            return await self._cannot_reach(destination)
        for part in self._unsent:
            outcome = await self._deliver(part, destination)
            if outcome is not None:
                return outcome
        return Finished()

    async def give_up(self, *, in_doubt: bool) -> None:
        """That was the last attempt: say so on the message."""
        due = await self._around.deliveries.load(self._message.channel_id, self._message.seq)
        if due is not None:
            await write_off(self._around, due, len(self._texts), in_doubt=in_doubt)

    async def _cannot_reach(self, rejected: Rejected) -> Outcome:
        """Where an earlier attempt may have sent it cannot be known any more."""
        if not self._is_again:
            return await self._reject(0, rejected)
        await self.give_up(in_doubt=True)
        return Doubtful(rejected.reason)

    async def _deliver(self, part: int, destination: Destination) -> Outcome | None:
        """None when this part is done."""
        parcel = Parcel(destination, self._texts[part], self._message.id, part, self._job.queued_at)
        match await self._find_or_send(part, parcel):
            case Accepted() as accepted:
                await self._accept(part, accepted)
                return None
            case Rejected() as rejected:
                return await self._reject(part, rejected)
            case outcome:
                return outcome

    async def _find_or_send(self, part: int, parcel: Parcel) -> Accepted | Rejected | Again | Doubtful:
        if self._is_again:
            found = await self._look_for(part, parcel)
            if not isinstance(found, Absent):
                return found
            # News of it may have come while it was looked for.
            noted = await self._noted(part)
            if noted is not None:
                return noted
            # With this part not sent, those after it are not either.
            self._is_again = False
        return await self._send(parcel)

    async def _send(self, parcel: Parcel) -> Accepted | Rejected | Again:
        self.may_have_sent = True
        match await self._bridge.send(parcel):
            case NotNow() as later:
                return Again(later.after_s, later.reason, in_doubt=False)
            case InDoubt() as doubt:
                return Again(None, doubt.reason, in_doubt=True)
            case outcome:
                return outcome

    async def _look_for(self, part: int, parcel: Parcel) -> Accepted | Absent | Again | Doubtful:
        is_settled = self._is_settled()
        match await self._bridge.look_for(parcel):
            case NotNow() as later:
                return Again(later.after_s, later.reason, in_doubt=True)
            case Lost() as lost:
                await self.give_up(in_doubt=True)
                return Doubtful(lost.reason)
            case Absent():
                # What is still on its way cannot be found yet.
                on_its_way = Again(LOOK_AGAIN_AFTER_S, "it may still be on its way", in_doubt=True)
                return Absent() if is_settled else on_its_way
            case found:
                LOG.info("had been sent before", extra=self._named(part))
                return found

    async def _noted(self, part: int) -> Accepted | None:
        """What its channel knows of this part by now."""
        due = await self._around.deliveries.load(self._message.channel_id, self._message.seq)
        row = due.parts[part] if due is not None and part < len(due.parts) else None
        if row is None or row.external_id is None:
            return None
        return Accepted(row.external_id, row.state)

    def _is_settled(self) -> bool:
        idle = self._around.clock.now() - self._job.idle_since
        return idle.total_seconds() >= SETTLED_AFTER_S

    async def _begin(self) -> None:
        begin = BeginDelivery(
            message_id=self._message.id,
            transport=self._bridge.name,
            parts=len(self._texts),
            sending=frozenset(self._unsent),
        )
        await self._ask(begin)

    async def _accept(self, part: int, accepted: Accepted) -> None:
        LOG.info("sent", extra=self._named(part) | {"external_id": accepted.external_id})
        await self._move(part, accepted.state, external_id=accepted.external_id, segments=accepted.segments)
        self.may_have_sent = False

    async def _reject(self, first: int, rejected: Rejected) -> GivenUp:
        LOG.warning("not sent: %s", rejected.reason, extra=self._named(first))
        for part in self._unsent:
            if part >= first:
                await self._move(part, "failed", error_code=rejected.error_code)
        return GivenUp(rejected.reason)

    async def _move(self, part: int, state: DeliveryState, **known: Any) -> None:
        await self._ask(MoveDelivery(message_id=self._message.id, part=part, state=state, **known))

    async def _ask(self, command: BeginDelivery | MoveDelivery) -> None:
        await note(self._around.chat, self._message.sender_id, self._message.channel_id, command)

    def _named(self, part: int) -> dict[str, object]:
        return {"bridge": self._bridge.name, "message_id": self._message.id, "part": part}


async def note(
    chat: Chat, author_id: UserId, channel_id: ChannelId, command: BeginDelivery | MoveDelivery
) -> None:
    """Have the channel of a message note how far it has got. Raises Refused."""
    await chat.ask(Identity(PublicProfile(author_id, "")), channel_id, command)


async def write_off(around: Surroundings, due: Due, count: int, *, in_doubt: bool) -> None:
    """Say on a message of `count` parts that what is left of it will not be sent. Raises Refused."""
    message, left = due.message, unsent_parts(due.parts, count)
    for part in left:
        # Parts go out in order: only of the first can there be any doubt.
        state: DeliveryState = "unknown" if in_doubt and part == left[0] else "failed"
        move = MoveDelivery(message_id=message.id, part=part, state=state)
        await note(around.chat, message.sender_id, message.channel_id, move)


def unsent_parts(rows: Sequence[DeliveryRow], count: int) -> list[int]:
    """Those of `count` parts that no transport has accepted."""
    return [part for part in range(count) if part >= len(rows) or rows[part].external_id is None]
