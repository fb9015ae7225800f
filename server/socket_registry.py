"""All open sockets of the process: their number, and the one timer behind every heartbeat and deadline."""

import asyncio
from collections import defaultdict
from typing import Protocol

from actors.ports import Clock
from protocol.errors import Code, Refusal
from protocol.events import AnyEvent, Limits
from protocol.session import SILENT

HEARTBEAT_S = 25
HELLO_WITHIN_S = 10.0
CLOSE_WITHIN_S = 5.0
CATCH_UP_WITHIN_S = 30.0
TOO_SLOW = 4410

EXPIRED = Refusal(Code.TOKEN_EXPIRED, "The access token has expired: connect with a new one.")


class Tended(Protocol):
    """What the registry does with a socket. `slot` is the registry's own mark."""

    slot: int
    expires_at_s: float

    def flush(self) -> None: ...
    def beat(self) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def say(self, event: AnyEvent) -> None: ...
    def end_for(self, refusal: Refusal) -> None: ...


class SocketRegistry:
    """Sockets by what is due for them.

    Each is in one of `HEARTBEAT_S` slots; every second one slot is served, so that heartbeats come evenly.
    """

    def __init__(self, clock: Clock, limits: Limits, *, max_sockets: int) -> None:
        self.limits = limits
        self._clock = clock
        self._max_sockets = max_sockets
        self._slots: list[dict[Tended, None]] = [{} for _ in range(HEARTBEAT_S)]
        self._count = 0
        self._ticks = 0
        self._dirty: list[Tended] = []
        self._silent: dict[Tended, float] = {}
        self._congested: dict[Tended, float] = {}
        self._closing: dict[Tended, float] = {}
        self._expiring: defaultdict[int, list[Tended]] = defaultdict(list)

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count >= self._max_sockets

    def all(self) -> list[Tended]:
        return [socket for slot in self._slots for socket in slot]

    # What becomes of a socket.

    def add(self, socket: Tended) -> None:
        socket.slot = self._count % HEARTBEAT_S
        self._slots[socket.slot][socket] = None
        self._count += 1
        if socket.expires_at_s:
            self.expires(socket)

    def remove(self, socket: Tended) -> None:
        if self._slots[socket.slot].pop(socket, 0) is None:
            self._count -= 1
        for due in (self._silent, self._congested, self._closing):
            due.pop(socket, None)

    def await_hello(self, socket: Tended) -> None:
        self._silent[socket] = self._clock.monotonic() + HELLO_WITHIN_S

    def greeted(self, socket: Tended) -> None:
        self._silent.pop(socket, None)

    def expires(self, socket: Tended) -> None:
        """The socket's credentials end at its `expires_at_s`, wall time."""
        self._expiring[int(socket.expires_at_s) + 1].append(socket)

    def congested(self, socket: Tended) -> None:
        self._congested.setdefault(socket, self._clock.monotonic() + CATCH_UP_WITHIN_S)

    def drained(self, socket: Tended) -> None:
        self._congested.pop(socket, None)

    def closing(self, socket: Tended) -> None:
        self._closing[socket] = self._clock.monotonic() + CLOSE_WITHIN_S

    # Writing.

    def mark_dirty(self, socket: Tended) -> None:
        """The socket has something to write at the end of this tick."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self.flush)
        self._dirty.append(socket)

    def flush(self) -> None:
        """One write for each socket that has something to say."""
        dirty, self._dirty = self._dirty, []
        for socket in dirty:
            socket.flush()

    # The timer.

    async def run(self) -> None:
        """Serve heartbeats and deadlines until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            self.tick()

    def tick(self) -> None:
        """One second has passed."""
        self._ticks += 1
        for socket in list(self._slots[self._ticks % HEARTBEAT_S]):
            socket.beat()
        now_s = self._clock.monotonic()
        for socket in overdue(self._silent, now_s):
            socket.close(SILENT, "No `hello` in time.")
        for socket in overdue(self._congested, now_s):
            socket.close(TOO_SLOW, "Too slow to follow: reconnect and resume.")
        for socket in overdue(self._closing, now_s):
            socket.abort()
        self._end_expired(self._clock.now().timestamp())

    def _end_expired(self, now_s: float) -> None:
        for second in sorted(second for second in self._expiring if second <= now_s):
            for socket in self._expiring.pop(second):
                if socket in self._slots[socket.slot] and socket.expires_at_s <= now_s:
                    socket.end_for(EXPIRED)


def overdue(due: dict[Tended, float], now_s: float) -> list[Tended]:
    """Those whose time is over; they are taken out."""
    late = [socket for socket, at_s in due.items() if at_s <= now_s]
    for socket in late:
        del due[socket]
    return late
