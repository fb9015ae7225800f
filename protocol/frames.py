"""RFC 6455 framing without I/O: bytes to messages, and messages to frames.

A parser belongs to one socket and holds nothing but the frame or the fragments that are not whole yet. Every
limit is applied to a frame's header, before the bytes that it announces are kept.
Next on a message's path: inbound, `codec.py`; outbound, the socket's transport.
"""

from struct import Struct
from typing import Final

import msgspec

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NO_STATUS: Final = 1005
PROTOCOL_ERROR: Final = 1002
INVALID_DATA: Final = 1007
TOO_LARGE: Final = 1009

CONTROL_MAX_BYTES: Final = 125
MAX_FRAGMENTS: Final = 1024

_FIN: Final = 0x80
_MASKED: Final = 0x80
_WHOLE: Final = frozenset((_FIN | TEXT, _FIN | BINARY))
_CONTROL: Final = frozenset((CLOSE, PING, PONG))

# A name for it saves a lookup and an object, twice a frame.
_from_bytes = int.from_bytes
_pack = Struct("!BB").pack
_pack_16 = Struct("!BBH").pack
_pack_64 = Struct("!BBQ").pack


class FrameError(msgspec.Struct, frozen=True):
    """How the other side broke the protocol, and the code to close with."""

    close_code: int
    reason: str


class FrameParser:
    """Turns one direction of a socket into messages. `masked` is True for what clients send.

    `error` is None until the other side breaks the protocol. After that, and after a close frame, the parser
    has `ended`: it drops whatever still arrives.
    """

    __slots__ = (
        "_fragments",
        "_held",
        "_mask_bit",
        "_max_bytes",
        "_need",
        "_opcode",
        "_parts",
        "ended",
        "error",
    )

    def __init__(self, max_message_bytes: int, *, masked: bool) -> None:
        self._max_bytes = max_message_bytes
        self._mask_bit = _MASKED if masked else 0
        self._held: bytearray | None = None  # the beginning of a frame
        self._need = 0  # how long that must be before another look is worthwhile
        self._parts: bytearray | None = None  # the fragments of a message
        self._opcode = CONTINUATION
        self._fragments = 0
        self.ended = False
        self.error: FrameError | None = None

    @property
    def idle(self) -> bool:
        """Whether everything fed so far was whole messages: nothing is held that waits for its rest."""
        return self._held is None and self._parts is None

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole messages as (opcode, payload) in order of arrival, control frames among them.

        What came before a violation is returned as ever: look at `error` once it is handled. Text is not
        checked to be UTF-8. The time is linear in the bytes fed, however they are cut.
        """
        messages: list[tuple[int, bytes]] = []
        if self.ended:
            return messages
        if self._held is not None:
            self._held += data
            if len(self._held) < self._need:
                return messages
            data = bytes(self._held)
            self._held = None
        taken = self._take(data, messages)
        if taken < len(data) and not self.ended:
            self._held = bytearray(data[taken:])
        return messages

    def _take(self, data: bytes, messages: list[tuple[int, bytes]]) -> int:
        """Move the whole frames at the front of `data` to `messages`; return how many bytes they had."""
        mask_bit = self._mask_bit
        head = 6 if mask_bit else 2
        size = len(data)
        at = 0
        while at + 2 <= size:
            first = data[at]
            length = data[at + 1] ^ mask_bit
            start = at + head
            # The usual lengths are read here, not in a function: that is a third of the time of a frame.
            if length == 126 and at + 4 <= size and (medium := data[at + 2] << 8 | data[at + 3]) > 125:
                length = medium
                start += 2
            elif length > 125:
                length = self._long_length(data, at, length)
                if length < 0:
                    return at
                start += 8
            plain = first in _WHOLE and self._parts is None and length <= self._max_bytes
            if not plain and not self._admits(first, length):
                return at
            end = start + length
            if end > size:
                self._need = end - at
                return at
            payload = data[start:end]
            if mask_bit:
                payload = apply_mask(payload, data[start - 4 : start])
            at = end
            if plain:
                messages.append((first & 0xF, payload))
            elif not self._put(first, payload, messages):
                return at
        self._need = 2
        return at

    def _long_length(self, data: bytes, at: int, length: int) -> int:
        """A payload length of 64 bits; -1 when a length is wrong or not all here."""
        width = 2 if length == 126 else 8
        if length > 127:
            self._fail(PROTOCOL_ERROR, "clients mask their frames, servers do not")
        elif len(data) - at < 2 + width:
            self._need = 2 + width
        else:
            length = _from_bytes(data[at + 2 : at + 2 + width], "big")
            if 0x10000 <= length < 1 << 63:
                return length
            self._fail(PROTOCOL_ERROR, "length not in the shortest form, or over 63 bits")
        return -1

    def _admits(self, first: int, length: int) -> bool:
        """Whether the frame with this header may come now."""
        opcode = first & 0xF
        if first & 0x70:
            self._fail(PROTOCOL_ERROR, "reserved bits set, but no extension was agreed")
        elif opcode in _CONTROL:
            if length > CONTROL_MAX_BYTES or not first & _FIN:
                self._fail(PROTOCOL_ERROR, "control frame too long or fragmented")
        elif opcode > BINARY:
            self._fail(PROTOCOL_ERROR, "unknown opcode")
        elif (opcode == CONTINUATION) != (self._parts is not None):
            self._fail(PROTOCOL_ERROR, "fragments out of order")
        elif len(self._parts or b"") + length > self._max_bytes:
            self._fail(TOO_LARGE, f"message over {self._max_bytes} bytes")
        elif self._fragments == MAX_FRAGMENTS:
            self._fail(TOO_LARGE, f"message in over {MAX_FRAGMENTS} fragments")
        return not self.ended

    def _put(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> bool:
        """Take in a control frame or a fragment. False when no frame may follow."""
        opcode = first & 0xF
        if opcode == CLOSE:
            self._put_close(payload, messages)
        elif opcode in _CONTROL:
            messages.append((opcode, payload))
        else:
            self._put_fragment(first, payload, messages)
        return not self.ended

    def _put_close(self, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        self.ended = True
        self.error = _close_error(payload)
        if self.error is None:
            messages.append((CLOSE, payload))

    def _put_fragment(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        if self._parts is None:
            self._parts = bytearray()
            self._opcode = first & 0xF
        self._parts += payload
        self._fragments += 1
        if first & _FIN:
            messages.append((self._opcode, bytes(self._parts)))
            self._parts = None
            self._fragments = 0

    def _fail(self, close_code: int, reason: str) -> None:
        self.ended = True
        self.error = FrameError(close_code, reason)
        self._parts = None


def _close_error(payload: bytes) -> FrameError | None:
    """What is wrong with a close frame's payload (RFC 6455, 5.5.1 and 7.4)."""
    if not payload:
        return None
    code = _from_bytes(payload[:2], "big")
    if len(payload) == 1 or not _may_be_sent(code):
        return FrameError(PROTOCOL_ERROR, "bad close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return FrameError(INVALID_DATA, "close reason is not UTF-8")
    return None


def _may_be_sent(code: int) -> bool:
    return (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) or 3000 <= code <= 4999


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame that a parser let through; `NO_STATUS` when it gave none."""
    if not payload:
        return NO_STATUS, ""
    return _from_bytes(payload[:2], "big"), payload[2:].decode()


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """The payload XOR the 4-byte mask, repeated (RFC 6455, 5.3); its own inverse."""
    # One XOR of two large integers is the fastest way without C.
    words = (len(payload) + 3) >> 2
    value = _from_bytes(payload, "little") ^ _from_bytes(mask * words, "little")
    return value.to_bytes(words * 4, "little")[: len(payload)]


def server_frame(opcode: int, payload: bytes) -> bytes:
    """One whole unmasked frame: the same bytes for every recipient."""
    length = len(payload)
    if 125 < length < 0x10000:
        # Most messages: without a call of its own for the head.
        return _pack_16(_FIN | opcode, 126, length) + payload
    return _head(opcode, length, 0) + payload


def client_frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """One whole frame, masked with these 4 bytes, which should be random for each frame (RFC 6455, 10.3)."""
    return _head(opcode, len(payload), _MASKED) + mask + apply_mask(payload, mask)


def close_frame(code: int, reason: str = "") -> bytes:
    """The server's close frame; a reason that does not fit is cut between characters."""
    return server_frame(CLOSE, close_payload(code, reason))


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame holds; a reason that does not fit is cut between characters."""
    text = reason.encode()[: CONTROL_MAX_BYTES - 2].decode(errors="ignore")
    return code.to_bytes(2, "big") + text.encode()


def _head(opcode: int, length: int, mask_bit: int) -> bytes:
    if length <= CONTROL_MAX_BYTES:
        return _pack(_FIN | opcode, mask_bit | length)
    if length < 0x10000:
        return _pack_16(_FIN | opcode, mask_bit | 126, length)
    return _pack_64(_FIN | opcode, mask_bit | 127, length)
