"""One user of the run without I/O: bytes in, bytes out.

Keeps where the user stands in each channel and which sends are not acknowledged yet, which is all that
survives a lost connection. Whatever comes in is held against the channel's log.
"""

import heapq
import random
from collections.abc import Callable
from typing import Final

import msgspec

from loadtest.check import NOT_A_MESSAGE, ChannelLog, Posted
from loadtest.histogram import TICKS_PER_S
from loadtest.plan import User
from loadtest.tally import Tally
from loadtest.wire import Frequent, Nonce, Rare, Row, decode, decode_rare, encode_hello, encode_send, posted
from protocol.frames import (
    CLOSE,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    FrameParser,
    client_frame,
    read_close,
    server_frame,
)

FRAME_MAX_BYTES: Final = 64 * 1024 * 1024
RETRY_AFTER_TICKS: Final = TICKS_PER_S // 5


class Retries:
    """Sends that the server refused for now, by the tick at which they are due again."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Member, str]] = []
        self._count = 0

    def add(self, due: int, member: "Member", nonce: str) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, member, nonce))

    def pop_due(self, now: int) -> list[tuple["Member", str]]:
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2:])
        return due


class Crowd:
    """What the members of one process share."""

    def __init__(self, run: str, content: str, window: int) -> None:
        self.run = run
        self.content = content
        self.window = window
        self.sending = False
        self.tally = Tally()
        self.logs: dict[int, ChannelLog] = {}
        self.retries = Retries()

    def log(self, channel_id: int, base: int) -> ChannelLog:
        """The channel's log, begun at `base` by the first member who stands there."""
        log = self.logs.get(channel_id)
        if log is None:
            log = self.logs[channel_id] = ChannelLog(channel_id, base, self.tally.findings)
        return log


class Member:
    """One user. `channel_id` is the channel they talk in."""

    __slots__ = (
        "_channel_ids",
        "_crowd",
        "_epoch",
        "_log",
        "_now",
        "_number",
        "_out",
        "_parser",
        "_payload",
        "_resend",
        "_tail",
        "_token",
        "channel_id",
        "close_code",
        "cursors",
        "index",
        "pending",
        "ready",
        "retry_after_ms",
        "target",
    )

    def __init__(self, user: User, crowd: Crowd) -> None:
        self.index = user.index
        self.channel_id = user.channel_ids[0]
        self._channel_ids = user.channel_ids
        self._token = user.token
        self._crowd = crowd
        self._log: ChannelLog | None = None
        self._epoch = ""
        self._number = 0
        self._now = 0
        self._payload = b""
        self._out: list[bytes] = []
        self.cursors: dict[int, int] = {}
        self.pending: dict[str, int] = {}
        self.target = 0
        self.connected()

    @property
    def header_token(self) -> str | None:
        """For the first upgrade request; later connections say `hello`, which resumes in one step."""
        return None if self.cursors else self._token

    def connected(self) -> None:
        """A new connection begins: nothing of the one before matters any more."""
        self._parser = FrameParser(FRAME_MAX_BYTES, masked=False)
        self._resend = True
        self._tail = b""  # the beginning of a frame that others have seen
        self.ready = False
        self.close_code = NO_STATUS
        self.retry_after_ms = 0

    def first_bytes(self) -> bytes:
        """What to write right after the upgrade."""
        if not self.cursors:
            return b""
        return _frame(encode_hello(self._token, self.cursors, self._epoch))

    def send(self, intended: int) -> bytes:
        """A new message that was due at this tick. Without a connection it waits for the next one."""
        nonce = Nonce(self.index, self._number, intended).text(self._crowd.run)
        self._number += 1
        self.pending[nonce] = intended
        self._crowd.tally.totals.sent += 1
        return self._send_frame(nonce) if self.ready else b""

    def send_again(self, nonce: str) -> bytes:
        """After a refusal; nothing when a new connection has sent it already."""
        if not self.ready or nonce not in self.pending:
            return b""
        self._crowd.tally.resent += 1
        return self._send_frame(nonce)

    def receive(self, data: bytes, now: int) -> bytes:
        """Take in what has arrived by this tick. Returns what to write."""
        if self._tail:
            data = self._tail + data
            self._tail = b""
        at, size, log = 0, len(data), self._log
        while log is not None and at < size and self._parser.idle:
            expected = log.frame_after(self.cursors[self.channel_id])
            if expected is None:
                break
            found = data.find(expected, at)
            if found < 0:
                if size - at < len(expected) and expected.startswith(data[at:]):
                    # The parser would have to be given its rest, and all that comes with it.
                    self._tail = data[at:]
                    at = size
                break
            if found > at:
                self._take(data[at:found], now)
                at = found
            else:
                at = self._follow(log, data, at, now)
        if at < size:
            self._take(data[at:], now)
        if not self._out:
            return b""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _follow(self, log: ChannelLog, data: bytes, at: int, now: int) -> int:
        """Take in frames that others have seen already, without decoding them."""
        before = self.cursors[self.channel_id]
        at, cursor = log.follow(data, at, before)
        self.cursors[self.channel_id] = cursor
        self._delivered([due for due in log.intended(before, cursor) if due], now)
        return at

    def _take(self, data: bytes, now: int) -> None:
        for opcode, payload in self._parser.feed(data):
            if opcode == TEXT:
                self._handle(payload, now)
            elif opcode == PING:
                self._out.append(_frame(payload, PONG))
            elif opcode == CLOSE:
                self.close_code, _ = read_close(payload)
        if self._parser.error is not None:
            self._find("protocol", f"the server's frames are broken: {self._parser.error.reason}")

    def _handle(self, payload: bytes, now: int) -> None:
        try:
            event = decode(payload)
            if event.type == "ack":
                self._on_ack(event, now)
            elif event.type == "new_message":
                self._on_message(event, payload, now)
            elif (handler := _HANDLERS.get(event.type)) is not None:
                self._now, self._payload = now, payload
                handler(self, decode_rare(payload))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._find("protocol", f"an event was not understood: {error}")

    def _on_ack(self, event: Frequent, now: int) -> None:
        intended = self.pending.pop(event.reply_to, None)
        crowd = self._crowd
        if intended is None:
            self._on_another_ack(event)
            return
        tally = crowd.tally
        tally.totals.acknowledged += 1
        tally.repeated_acks += event.duplicate
        tally.ack_latency.fresh.append(now - intended)
        self.target = max(self.target, event.seq)
        crowd.logs[event.channel_id].acknowledged(event.seq, event.message_id)
        if crowd.window and crowd.sending:
            self._out.append(self.send(now))

    def _on_another_ack(self, event: Frequent) -> None:
        """One send may be repeated on one connection: its second ack must say so, and say the same."""
        if not event.duplicate:
            self._find("stray", f"an ack for {event.reply_to!r}, which is not awaited")
            return
        self._crowd.tally.repeated_acks += 1
        self._crowd.logs[event.channel_id].acknowledged(event.seq, event.message_id)

    def _on_message(self, event: Frequent, payload: bytes, now: int) -> None:
        row = event.message
        if not isinstance(row, Row):
            self._find("protocol", "a `new_message` without a message")
            return
        seen = posted(row, self._crowd.run)
        self._observe(event.channel_id, seen, payload)
        if seen.intended:
            self._delivered([seen.intended], now)

    def _on_change(self, event: Rare) -> None:
        """Any other sequenced event: its position is taken, by no message."""
        self._observe(event.channel_id, Posted(event.seq, NOT_A_MESSAGE), self._payload)

    def _observe(self, channel_id: int, seen: Posted, payload: bytes) -> None:
        log, cursor = self._crowd.logs.get(channel_id), self.cursors.get(channel_id)
        if log is None or cursor is None:
            self._find("stray", f"an event of channel {channel_id}, which was not in `ready`")
            return
        self.cursors[channel_id] = log.observe(cursor, seen, server_frame(TEXT, payload))

    def _on_error(self, event: Rare) -> None:
        if event.retryable:
            self._crowd.tally.retried[event.code] += 1
        if event.reply_to not in self.pending:
            if not event.retryable:
                self._find("refused", f"{event.code}: {bytes(event.message).decode()}")
        elif event.retryable:
            wait = event.retry_after_ms * TICKS_PER_S // 1000 or RETRY_AFTER_TICKS
            self._crowd.retries.add(self._now + int(wait * random.uniform(1, 1.5)), self, event.reply_to)
        else:
            del self.pending[event.reply_to]
            self._crowd.tally.refused[event.code] += 1
            self._find("refused", f"a send was refused: {event.code}: {bytes(event.message).decode()}")

    def _on_ready(self, event: Rare) -> None:
        standing = {channel.id: channel.last_seq for channel in event.channels}
        for channel_id in self._channel_ids:
            if channel_id not in standing:
                self._find("stray", f"channel {channel_id} is missing in `ready`")
            else:
                self.cursors.setdefault(channel_id, standing[channel_id])
                self._crowd.log(channel_id, standing[channel_id])
        self._log = self._crowd.logs.get(self.channel_id)
        self._epoch = event.epoch
        self.ready = True
        if self._resend:
            self._resend = False
            self._crowd.tally.resent += len(self.pending)
            self._out += [self._send_frame(nonce) for nonce in self.pending]

    def _on_sync(self, event: Rare) -> None:
        log, cursor = self._crowd.logs.get(event.channel_id), self.cursors.get(event.channel_id)
        if log is None or cursor is None or event.from_ > cursor:
            self._find("gap", f"catch-up of channel {event.channel_id} begins at {event.from_}, not {cursor}")
            return
        page = [posted(row, self._crowd.run) for row in event.messages]
        only_messages = not event.members and event.channel == b"null"
        self.cursors[event.channel_id] = log.observe_page(cursor, page, event.to, only_messages=only_messages)
        self._delivered([seen.intended for seen in page if seen.seq > cursor and seen.intended], self._now)

    def _on_reset(self, event: Rare) -> None:
        self._find(
            "reset", f"the server does not know position {self.cursors.get(event.channel_id)} any more"
        )

    def _on_going_away(self, event: Rare) -> None:
        self.retry_after_ms = event.retry_after_ms

    def _on_session_ended(self, event: Rare) -> None:
        self._find("session", f"the session has ended: {event.reason}")

    def _delivered(self, intended: list[int], now: int) -> None:
        tally = self._crowd.tally
        tally.totals.delivered += len(intended)
        tally.delivery_latency.fresh += [now - due for due in intended]

    def _send_frame(self, nonce: str) -> bytes:
        return _frame(encode_send(self.channel_id, self._crowd.content, nonce))

    def _find(self, kind: str, words: str) -> None:
        self._crowd.tally.findings.add(kind, f"member {self.index}: {words}")


Handler = Callable[[Member, Rare], None]

_HANDLERS: Final[dict[str, Handler]] = {
    "error": Member._on_error,
    "ready": Member._on_ready,
    "sync": Member._on_sync,
    "reset": Member._on_reset,
    "going_away": Member._on_going_away,
    "session_ended": Member._on_session_ended,
    **dict.fromkeys(
        (
            "message_update",
            "message_delete",
            "reaction_update",
            "channel_update",
            "member_joined",
            "member_left",
            "role_updated",
            "privacy_updated",
        ),
        Member._on_change,
    ),
}


def _frame(payload: bytes, opcode: int = TEXT) -> bytes:
    return client_frame(opcode, payload, random.getrandbits(32).to_bytes(4, "big"))
