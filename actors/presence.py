"""Who is here: presence of connected users, told in gathered rounds to those who share a channel."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from actors.fanout import Fanout
from actors.ports import Clock
from protocol.events import PresenceEvent
from protocol.ids import ChannelId, UserId
from protocol.resources import Status


class Shown(Struct, frozen=True):
    """What others see of a user who is here."""

    status: Status
    last_active_at: datetime


class Presence:
    """The statuses of connected users. Whoever is not here is offline."""

    def __init__(self, fanout: Fanout, clock: Clock) -> None:
        self._fanout = fanout
        self._clock = clock
        self._shown: dict[UserId, Shown] = {}
        self._changed: dict[UserId, tuple[ChannelId, ...]] = {}
        self._left_at: dict[UserId, datetime] = {}

    def status_of(self, user_id: UserId) -> Status:
        shown = self._shown.get(user_id)
        return shown.status if shown else "offline"

    def show(self, user_id: UserId, status: Status, channels: Iterable[ChannelId]) -> None:
        """A user is now `status`; those in `channels` hear of it with the next `tell`."""
        if self.status_of(user_id) == status:
            return
        now = self._clock.now()
        if status == "offline":
            self._shown.pop(user_id, None)
            self._left_at[user_id] = now
        else:
            self._shown[user_id] = Shown(status, now)
            self._left_at.pop(user_id, None)
        self._changed[user_id] = tuple(channels)

    def tell(self) -> None:
        """One round: each change once to everybody concerned. To be called a few times a second."""
        changed, self._changed = self._changed, {}
        left_at, self._left_at = self._left_at, {}
        for user_id, channels in changed.items():
            shown = self._shown.get(user_id)
            event = PresenceEvent(
                user_id=user_id,
                status=shown.status if shown else "offline",
                last_active_at=shown.last_active_at if shown else left_at.get(user_id),
            )
            now_in = [c for connection in self._fanout.connections_of(user_id) for c in connection.channels]
            self._fanout.tell_channels(dict.fromkeys([*channels, *now_in]), event)
