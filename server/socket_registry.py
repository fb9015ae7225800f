"""All open sockets of the process: their number, and the one timer behind every heartbeat and deadline."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Protocol, get_args

from actors.ports import Clock
from protocol.commands import AnyCommand
from protocol.errors import Code, Refusal
from protocol.events import AnyEvent, Limits
from protocol.session import SILENT

LOG: Final = logging.getLogger("server")
TICK_S: Final = 1.0
HEARTBEAT_S: Final = 25
HELLO_WITHIN_S: Final = 10.0
CLOSE_WITHIN_S: Final = 5.0
CATCH_UP_WITHIN_S: Final = 30.0
TOO_SLOW: Final = 4410

EXPIRED: Final = Refusal(Code.TOKEN_EXPIRED, "The access token has expired: connect with a new one.")


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
    `commands`, `refusals` and `closes` count what sockets asked, were refused and were closed with, for the
    metrics; `on_flushed` is called when everything that a tick had to say is written.
    """

    def __init__(self, clock: Clock, limits: Limits, *, max_sockets: int) -> None:
        self.limits = limits
        self._clock = clock
        self._max_sockets = max_sockets
        self._slots: list[dict[Tended, None]] = [{} for _ in range(HEARTBEAT_S)]
        self._count = 0
        self._added = 0
        self._ticks = 0
        self._is_refusing = False
        self._emptied: asyncio.Future[None] | None = None
        self._dirty: list[Tended] = []
        self.commands: dict[type[AnyCommand], int] = dict.fromkeys(get_args(AnyCommand), 0)
        self.refusals: Counter[Code] = Counter()
        self.closes: Counter[int] = Counter()
        self.on_flushed: Callable[[], None] = lambda: None
        self._silent: dict[Tended, float] = {}
        self._congested: dict[Tended, float] = {}
        self._closing: dict[Tended, float] = {}
        self._expiring: dict[Tended, float] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether another socket may not be added."""
        return self._is_refusing or self._count >= self._max_sockets

    @property
    def lagging(self) -> int:
        """How many sockets have more unsent than their readers keep up with."""
        return len(self._congested)

    def all(self) -> list[Tended]:
        return [socket for slot in self._slots for socket in slot]

    # What becomes of a socket.

    def add(self, socket: Tended) -> None:
        # Not by their number: where one comes for each that leaves, all would end up in one slot.
        socket.slot = self._added % HEARTBEAT_S
        self._added += 1
        self._slots[socket.slot][socket] = None
        self._count += 1
        if socket.expires_at_s:
            self.expires(socket)

    def remove(self, socket: Tended) -> None:
        if self._slots[socket.slot].pop(socket, 0) is None:
            self._count -= 1
        for due in (self._silent, self._congested, self._closing, self._expiring):
            due.pop(socket, None)
        if not self._count and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def refuse_new(self) -> None:
        """From now on there is no room for another socket."""
        self._is_refusing = True

    async def emptied(self) -> None:
        """Wait until no socket is left."""
        if self._count:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def await_hello(self, socket: Tended) -> None:
        self._silent[socket] = self._clock.monotonic() + HELLO_WITHIN_S

    def greeted(self, socket: Tended) -> None:
        self._silent.pop(socket, None)

    def expires(self, socket: Tended) -> None:
        """The socket's credentials end at its `expires_at_s`, wall time."""
        self._expiring[socket] = socket.expires_at_s

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
            try:
                socket.flush()
            except Exception as error:
                give_up(socket, error)
        self.on_flushed()

    # The timer.

    async def run(self) -> None:
        """Serve heartbeats and deadlines until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """`TICK_S` have passed."""
        self._ticks += 1
        tend(list(self._slots[self._ticks % HEARTBEAT_S]), lambda socket: socket.beat())
        now_s = self._clock.monotonic()
        tend(overdue(self._silent, now_s), lambda socket: socket.close(SILENT, "No `hello` in time."))
        tend(
            overdue(self._congested, now_s),
            lambda socket: socket.close(TOO_SLOW, "Too slow: reconnect and resume."),
        )
        tend(overdue(self._closing, now_s), lambda socket: socket.abort())
        now_s = self._clock.now().timestamp()
        tend(overdue(self._expiring, now_s), lambda socket: socket.end_for(EXPIRED))


def overdue(due: dict[Tended, float], now_s: float) -> list[Tended]:
    """Those whose time is over; they are taken out."""
    late = [socket for socket, at_s in due.items() if at_s <= now_s]
    for socket in late:
        del due[socket]
    return late


def tend(sockets: Iterable[Tended], action: Callable[[Tended], None]) -> None:
    """Do this to each socket. One that fails is given up, and hurts no other."""
    for socket in sockets:
        try:
            action(socket)
        except Exception as error:
            give_up(socket, error)


def give_up(socket: Tended, error: Exception) -> None:
    LOG.error("a socket failed and is let go", exc_info=error)
    socket.abort()
