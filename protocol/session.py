"""One socket's side of the wire protocol without I/O: bytes in, what to do about them out.

It knows what may be said when: `hello` first, commands once the socket is open, nothing after a violation.
Next on a message's path: `server/socket.py` takes the commands to the user's actor.
"""

from typing import Final

import msgspec
from msgspec import UNSET

from protocol.codec import Codec, Undecodable
from protocol.commands import AnyCommand, Hello
from protocol.errors import Code, Refusal
from protocol.events import ErrorEvent
from protocol.frames import BINARY, CLOSE, NO_STATUS, PING, PONG, TEXT, FrameParser, read_close, server_frame

MISSED_BEATS_MAX: Final = 2
IDLE_FRAMES_MAX: Final = 1000
"""How many frames that bear no command may come between two heartbeats: they cost no token."""
PASSED_OVER_MAX_BYTES: Final = 128 * 1024
"""How much a client may still say after the server has closed, before its own close."""
NORMAL: Final = 1000
MALFORMED: Final = 4400
UNAUTHENTICATED: Final = 4401
SILENT: Final = 4408
TOO_MANY: Final = 4429


class Say(msgspec.Struct, frozen=True):
    """Frames to write. `refused`: they say why something is not done."""

    frames: bytes
    refused: Code | None = None


class End(msgspec.Struct, frozen=True):
    """Close the socket with this code, after what was said before."""

    code: int
    reason: str


class Farewell(msgspec.Struct, frozen=True):
    """The client closes, with this code; answer in kind and let go."""

    code: int


Heard = AnyCommand | Say | End | Farewell

_BEAT: Final = server_frame(PING, b"")
_GREET_FIRST: Final = Refusal(Code.UNAUTHENTICATED, "Send `hello` with a token first.")


class Session:
    """The conversation with one client.

    `is_greeted`: credentials were given, with the upgrade or by `hello`. `is_open`: commands may be acted on;
    until then they are held, in order, by whoever runs this.
    """

    __slots__ = (
        "_idle_frames",
        "_parser",
        "_passed_over",
        "_ping",
        "_unanswered",
        "codec",
        "is_greeted",
        "is_open",
    )

    def __init__(self, codec: Codec, max_frame_bytes: int, *, is_greeted: bool) -> None:
        self.codec = codec
        self.is_greeted = is_greeted
        self.is_open = False
        self._parser = FrameParser(max_frame_bytes, masked=True)
        self._idle_frames = 0
        self._passed_over = 0
        self._ping: bytes | None = None
        self._unanswered = 0

    def receive(self, data: bytes) -> list[Heard]:
        """What the client said in these bytes, in order. Nothing follows an `End` or a `Farewell`.

        Of several pings the last is answered (RFC 6455, 5.5.3).
        """
        heard: list[Heard] = []
        messages = self._parser.feed(data)
        if messages:
            # Part of a frame is no sign of life: its rest may never come.
            self._unanswered = 0
        opcode_of_codec, decode = self.codec.opcode, self.codec.decode
        for opcode, payload in messages:
            if opcode == opcode_of_codec:
                command = decode(payload)
                if self.is_greeted and not isinstance(command, Undecodable):
                    heard.append(command)
                elif self._greet(command, heard):
                    return heard
            elif self._control(opcode, payload, heard):
                return heard
        self._end_of_data(heard)
        return heard

    def is_farewell(self, data: bytes) -> bool:
        """Whether the client closes in these bytes. To be asked once the server has closed.

        All else is passed over; a client that does not come to its close soon is not listened to any more.
        """
        self._passed_over += len(data)
        if self._passed_over > PASSED_OVER_MAX_BYTES:
            return False
        return any(opcode == CLOSE for opcode, _ in self._parser.feed(data))

    def beat(self) -> Say | End:
        """A heartbeat is due: ask whether the client is there, or give up on one that has not answered."""
        self._idle_frames = 0
        if self._unanswered >= MISSED_BEATS_MAX:
            return End(SILENT, "No answer to two heartbeats.")
        self._unanswered += 1
        return Say(_BEAT)

    def _greet(self, command: AnyCommand | Undecodable, heard: list[Heard]) -> bool:
        """Take what is not an ordinary command; whether the conversation ends with it."""
        if isinstance(command, Undecodable):
            heard.append(self._error(command.refusal, command.reply_to))
            if command.refusal.code is not Code.MALFORMED:
                return self._is_flood(heard)
            heard.append(End(MALFORMED, command.refusal.message))
            return True
        if isinstance(command, Hello):
            self.is_greeted = True
            heard.append(command)
            return False
        heard += [self._error(_GREET_FIRST, command.id), End(UNAUTHENTICATED, _GREET_FIRST.message)]
        return True

    def _control(self, opcode: int, payload: bytes, heard: list[Heard]) -> bool:
        """Take a frame that bears no command; whether the conversation ends with it."""
        match opcode:
            case _ if opcode == PING:
                self._ping = payload
            case _ if opcode == CLOSE:
                code, _ = read_close(payload)
                heard.append(Farewell(NORMAL if code == NO_STATUS else code))
                return True
            case _ if opcode in (TEXT, BINARY):
                refusal = Refusal(Code.MALFORMED, "The subprotocol needs frames of the other kind.")
                heard += [self._error(refusal, None), End(MALFORMED, refusal.message)]
                return True
        return self._is_flood(heard)

    def _is_flood(self, heard: list[Heard]) -> bool:
        """Count a frame that bears no command; whether the conversation ends with it."""
        self._idle_frames += 1
        if self._idle_frames <= IDLE_FRAMES_MAX:
            return False
        heard.append(End(TOO_MANY, "Too many frames that bear no command."))
        return True

    def _end_of_data(self, heard: list[Heard]) -> None:
        """Say what all the frames together ask for."""
        ping, self._ping = self._ping, None
        if ping is not None:
            heard.append(Say(server_frame(PONG, ping)))
        if self._parser.error is not None:
            heard.append(End(self._parser.error.close_code, self._parser.error.reason))

    def _error(self, refusal: Refusal, reply_to: str | None) -> Say:
        event = ErrorEvent(
            reply_to=UNSET if reply_to is None else reply_to,
            code=refusal.code,
            message=refusal.message,
            retryable=refusal.meaning.retryable,
            field=UNSET if refusal.field is None else refusal.field,
        )
        return Say(self.codec.frame(event), refusal.code)
