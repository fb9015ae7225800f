"""One member's connection: the upgrade, then bytes to and from the member; made anew when it is lost."""

import asyncio
import base64
import os
import random
import ssl
from collections.abc import Callable
from typing import Final, cast

from typing_extensions import override

from loadtest.histogram import clock
from loadtest.member import Member
from loadtest.upgrade import Address, NotWebSocket, read_answer, upgrade_request
from loadtest.wire import SUBPROTOCOL

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 3.0
CONNECT_TIMEOUT_S: Final = 10.0
READY_TIMEOUT_S: Final = 30.0
FINAL_CLOSE_CODES: Final = frozenset({1009, 4400, 4401, 4403})


class Dialer:
    """What all connections of a process are made with: at most so many are being made at once."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, at_once: int = 128) -> None:
        self.address = address
        self.tls = tls
        self.gate = asyncio.Semaphore(at_once)


class Client(asyncio.Protocol):
    """Connects a member, and again with jittered backoff whenever the connection is lost, until `close`.

    `on_ready` is called each time the member is ready; `on_final` once, with a reason, when trying again
    would be no use.
    """

    def __init__(
        self,
        member: Member,
        dialer: Dialer,
        on_ready: Callable[[], None],
        on_final: Callable[[str], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.member = member
        self._dialer = dialer
        self._on_ready = on_ready
        self._on_final = on_final
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._upgraded = False
        self._answered = b""
        self._key = ""
        self._failures = 0
        self._retry_after_s = 0.0
        self._closing = False

    def connect(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._dial())

    def write(self, data: bytes) -> None:
        if data and self._upgraded and self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        self._closing = True
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _dial(self) -> None:
        address = self._dialer.address
        self.member.connected()
        try:
            async with self._dialer.gate, asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, address.host, address.port, ssl=self._dialer.tls
                )
        except (OSError, TimeoutError):
            self._try_later()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._upgraded = False
        self._answered = b""
        self._timer = asyncio.get_running_loop().call_later(READY_TIMEOUT_S, self._transport.abort)
        self._key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            upgrade_request(self._dialer.address, self._key, SUBPROTOCOL, self.member.header_token)
        )

    @override
    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._closing:
            return
        if not self._upgraded and not (data := self._read_answer(transport, data)):
            return
        member = self.member
        was_ready = member.ready
        out = member.receive(data, clock())
        if out:
            transport.write(out)
        if member.ready and not was_ready:
            self._failures = 0
            self._stop_timer()
            self._on_ready()

    def _read_answer(self, transport: asyncio.Transport, data: bytes) -> bytes:
        """The bytes behind the answer to the upgrade, once that is all there and says yes."""
        self._answered += data
        try:
            answer = read_answer(self._answered, self._key)
        except NotWebSocket as error:
            self._give_up(str(error))
            return b""
        if answer is None:
            return b""
        if answer.status == 101:
            self._upgraded = True
            transport.write(self.member.first_bytes())
            return answer.rest
        self._retry_after_s = answer.retry_after_s
        if answer.status == 429 or answer.status >= 500:
            transport.abort()
        else:
            self._give_up(f"the server answered the upgrade with {answer.status}")
        return b""

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        was_ready, self.member.ready = self.member.ready, False
        self._transport = None
        self._upgraded = False
        self._stop_timer()
        if self._closing:
            return
        if was_ready:
            self._on_lost()
        if self.member.close_code in FINAL_CLOSE_CODES:
            self._give_up(f"the server closed a connection with {self.member.close_code}")
        else:
            self._try_later()

    def _try_later(self) -> None:
        if self._closing:
            return
        longest = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**self._failures)
        longest = max(longest, self.member.retry_after_ms / 1000)
        wait_s = self._retry_after_s + random.uniform(0, longest)
        self._failures += 1
        self._retry_after_s = 0.0
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.connect)

    def _give_up(self, reason: str) -> None:
        self.close()
        self._on_final(reason)
