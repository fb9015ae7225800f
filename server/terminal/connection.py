"""The socket of a client: made again, with jittered backoff, whenever it is lost, and resumed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import msgspec

from protocol.codec import JSON
from protocol.commands import AnyCommand, Auth
from protocol.events import AnyEvent, ErrorEvent, GoingAway, Ready
from server.terminal.api import Api, ApiRefused, Unreachable
from server.terminal.state import ClientState

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 10.0
CREDENTIALS: Final = 4401
FINAL_CODES: Final = {
    1009: "a message was too large for the server",
    4400: "the server did not understand this client",
    4403: "your account is disabled",
}
# Renewed well before it ends, so that a socket is not closed for it.
RENEW_AT: Final = 0.8
# The server pings every 25 s: a connection that is silent for longer is dead.
TIMEOUTS: Final = aiohttp.ClientWSTimeout(ws_receive=65.0, ws_close=2.0)
_decode = msgspec.json.Decoder(AnyEvent).decode


class Ended(Exception):
    """Connecting again would be no use; its text says why."""


class Connection:
    """`on_event` takes each event in order; `on_lost` hears each time that the connection is lost."""

    def __init__(
        self,
        api: Api,
        state: ClientState,
        on_event: Callable[[AnyEvent], Awaitable[None]],
        on_lost: Callable[[], None],
    ) -> None:
        self._api = api
        self._state = state
        self._on_event = on_event
        self._on_lost = on_lost
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._was_ready = False
        self._failures = 0
        self._wait_s = 0.0

    async def send(self, command: AnyCommand) -> None:
        """Lost without a word when there is no connection: what must not be lost, the state keeps."""
        if self._socket is not None and self._was_ready:
            try:
                await self._socket.send_str(JSON.encode(command).decode())
            except (aiohttp.ClientError, OSError):
                return

    async def run(self, session: aiohttp.ClientSession) -> None:
        """For as long as it is of use: raises Ended."""
        url = self._api.url.replace("http", "ws", 1) + "/ws"
        while True:
            try:
                async with session.ws_connect(
                    url,
                    protocols=[JSON.subprotocol],
                    max_msg_size=0,
                    timeout=TIMEOUTS,
                ) as socket:
                    await self._converse(socket)
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await self._lost()

    async def renew(self) -> None:
        """Fetch new credentials before the old ones end, and tell the open socket."""
        while self._api.tokens is not None:
            await asyncio.sleep(self._api.tokens.expires_in * RENEW_AT)
            try:
                await self._api.refresh()
            except Unreachable:
                await asyncio.sleep(BACKOFF_MAX_S)
            except ApiRefused as refused:
                raise Ended(f"log in again: {refused}") from None
            else:
                await self.send(Auth(token=self._api.tokens.access_token))

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Returns when the socket has ended, in whatever way."""
        tokens = self._api.tokens
        if tokens is None:
            raise Ended("not logged in")
        self._socket = socket
        await socket.send_str(JSON.encode(self._state.hello(tokens.access_token)).decode())
        async for frame in socket:
            event = _event(frame)
            if event is None:
                continue
            if isinstance(event, Ready):
                self._was_ready, self._failures, self._wait_s = True, 0, 0.0
            elif isinstance(event, GoingAway):
                self._wait_s = event.retry_after_ms / 1000
            await self._on_event(event)
            if isinstance(event, ErrorEvent) and not self._was_ready:
                await socket.close()
        if socket.close_code == CREDENTIALS:
            await self._log_in_again()
        elif socket.close_code in FINAL_CODES:
            raise Ended(FINAL_CODES[socket.close_code])

    async def _log_in_again(self) -> None:
        try:
            await self._api.refresh()
        except ApiRefused as refused:
            raise Ended(f"log in again: {refused}") from None
        except Unreachable:
            return

    async def _lost(self) -> None:
        self._socket = None
        if self._was_ready:
            self._on_lost()
        self._was_ready = False
        longest = max(self._wait_s, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**self._failures))
        self._failures += 1
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter needs no secrecy


def _event(frame: aiohttp.WSMessage) -> AnyEvent | None:
    """None for what this client does not know: a newer server may say more."""
    if frame.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        event: AnyEvent = _decode(frame.data)
    except msgspec.ValidationError:
        return None
    return event
