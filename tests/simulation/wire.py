"""One simulated connection: the transport under a real `server.socket.Socket`, and the client's end of it.

Bytes take their time and keep their order. What the server writes waits in the transport's buffer until the
client reads, which a slow client does late; the transport pauses and resumes its protocol by the same rules
as asyncio's. What the server writes is shown to `watch` in that moment, before any client sees it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from protocol.codec import JSON, Codec
from protocol.commands import AnyCommand
from protocol.events import AnyEvent
from protocol.frames import CLOSE, PING, PONG, FrameParser, client_frame, close_payload, read_close
from server.socket import Socket

MASK = b"\x01\x02\x03\x04"
Frame = tuple[int, bytes]

_DECODERS: dict[bool, Callable[[bytes], Any]] = {
    True: msgspec.json.Decoder(AnyEvent).decode,
    False: msgspec.msgpack.Decoder(AnyEvent).decode,
}
_decoded: dict[bytes, AnyEvent] = {}


def decode(codec: Codec, payload: bytes) -> AnyEvent:
    """Broadcasts are the same bytes for everybody: decoded once."""
    event = _decoded.get(payload)
    if event is None:
        if len(_decoded) > 500:
            _decoded.clear()
        event = _decoded[payload] = _DECODERS[codec is JSON](payload)
    return event


class Wire(asyncio.Transport):
    """`hear(events)` and `lost(code)` are the client's; `latency_s` is the mean of each way."""

    def __init__(
        self,
        random: Random,
        codec: Codec,
        latency_s: float,
        *,
        watch: Callable[[AnyEvent], None],
        hear: Callable[[AnyEvent], None],
        lost: Callable[[int | None], None],
    ) -> None:
        super().__init__()
        self.codec = codec
        self._loop = asyncio.get_running_loop()
        self._random = random
        self._latency_s = latency_s
        self._watch = watch
        self._hear = hear
        self._lost = lost
        self._socket: Socket | None = None
        self._parser = FrameParser(1 << 30, masked=False)
        self._outward: deque[tuple[int, list[tuple[int, bytes, AnyEvent | None]]]] = deque()
        self._inward: deque[bytes] = deque()
        self._unsent = 0
        self._most_unsent = 0
        self._high, self._low = 65_536, 16_384
        self._is_paused = False
        self._is_reading = True
        self._is_delivering = False
        self._is_carrying = False
        self._client_gone = False
        self._server_gone = False
        self._is_ending = False
        self.stalled_until_s = 0.0

    def start(self, socket: Socket) -> None:
        self._socket = socket
        socket.connection_made(self)

    # The server's end.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._server_gone or self._is_ending:
            return
        frames = []
        for opcode, payload in self._parser.feed(bytes(data)):
            event = None
            if opcode not in (CLOSE, PING, PONG):
                event = decode(self.codec, payload)
                self._watch(event)
            frames.append((opcode, payload, event))
        self._outward.append((len(data), frames))
        self._unsent += len(data)
        self._most_unsent = max(self._most_unsent, self._unsent)
        if self._unsent > self._high and not self._is_paused and self._socket is not None:
            self._is_paused = True
            self._socket.pause_writing()
        self._deliver_soon()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._carry_soon()

    def is_reading(self) -> bool:
        return self._is_reading

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """What was written is still delivered; nothing follows it."""

    def is_closing(self) -> bool:
        return self._server_gone or self._is_ending

    def close(self) -> None:
        """Deliver what was written, then end."""
        self._is_ending = True
        self._deliver_soon()

    def abort(self) -> None:
        self._end_for_server()
        self._end_for_client(None)

    # The client's end.

    def send(self, command: AnyCommand) -> None:
        self._send(self.codec.opcode, self.codec.encode(command))

    def _send(self, opcode: int, payload: bytes) -> None:
        if not self._client_gone:
            self._inward.append(client_frame(opcode, payload, MASK))
            self._carry_soon()

    def hang_up(self, notice_s: float) -> None:
        """The client is gone at once; the server notices after a while."""
        self._client_gone = True
        self._loop.call_later(notice_s, self._end_for_server)

    @property
    def most_unsent(self) -> int:
        return self._most_unsent

    @property
    def is_quiet(self) -> bool:
        """Nothing is under way in either direction."""
        return not self._outward and not self._inward

    # In between.

    def _deliver_soon(self) -> None:
        if not self._is_delivering:
            self._is_delivering = True
            self._loop.call_later(self._delay_s(), self._deliver)

    def _delay_s(self) -> float:
        return self._random.expovariate(1 / self._latency_s)

    def _deliver(self) -> None:
        """The client reads some of what waits, unless it is stalled."""
        self._is_delivering = False
        if self._loop.time() < self.stalled_until_s and not self._client_gone:
            self._is_delivering = True
            self._loop.call_at(self.stalled_until_s, self._deliver)
            return
        for _ in range(self._random.randint(1, 1 + len(self._outward))):
            if self._outward and not self._server_gone:
                self._read_one()
        if self._outward and not self._server_gone:
            self._deliver_soon()
        elif self._is_ending:
            self._end_for_server()
            self._end_for_client(None)

    def _read_one(self) -> None:
        size, frames = self._outward.popleft()
        self._unsent -= size
        if self._is_paused and self._unsent <= self._low and self._socket is not None:
            self._is_paused = False
            self._socket.resume_writing()
        for opcode, payload, event in frames:
            if self._client_gone:
                return
            if event is not None:
                self._hear(event)
            elif opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                self._send(CLOSE, close_payload(1000))
                self._end_for_client(read_close(payload)[0])

    def _carry_soon(self) -> None:
        if self._inward and not self._is_carrying and self._is_reading:
            self._is_carrying = True
            self._loop.call_later(self._delay_s(), self._carry)

    def _carry(self) -> None:
        self._is_carrying = False
        if self._server_gone or self._socket is None:
            return
        if self._inward and self._is_reading:
            data = b"".join(self._inward.popleft() for _ in range(self._random.randint(1, len(self._inward))))
            self._socket.data_received(data)
        self._carry_soon()

    def _end_for_server(self) -> None:
        if not self._server_gone and self._socket is not None:
            self._server_gone = True
            self._outward.clear()
            self._unsent = 0
            self._socket.connection_lost(None)

    def _end_for_client(self, code: int | None) -> None:
        if not self._client_gone:
            self._client_gone = True
            self._lost(code)

    def cut(self) -> None:
        """The server's process is gone: its socket hears nothing more, the client finds out."""
        self._server_gone = True
        self._loop.call_later(self._delay_s(), self._end_for_client, None)
