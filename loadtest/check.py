"""The check: every acknowledged message reached every member exactly once, in order, without a gap.

A process keeps one log per channel: what the first of its members to see a position saw there. Everybody else
must see the same there, byte for byte while it is recent. Whoever runs the check compares the logs of several
processes by digest.
"""

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

NOT_A_MESSAGE: Final = -1
_UNKNOWN: Final = 0
_KEPT_FRAMES: Final = 1024
_FOLLOWED_AT_ONCE: Final = 64
_EXAMPLES: Final = 20


class Findings:
    """What was found wrong: how often, by kind, and the first few cases in words."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []

    def add(self, kind: str, words: str, count: int = 1) -> None:
        self.counts[kind] += count
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {words}")


class Posted(NamedTuple):
    """One position of a channel as a member saw it. `sender` and `number` name the send that made it.

    `intended` is the tick at which it was to be sent; 0 when the message is not of this run.
    """

    seq: int
    message_id: int
    sender: int = 0
    number: int = 0
    intended: int = 0


class ChannelLog:
    """What one channel's members have seen, which must be the same for all of them."""

    __slots__ = (
        "_base",
        "_forgotten",
        "_frames",
        "_ids",
        "_intended",
        "_numbers",
        "_unsettled",
        "channel_id",
        "findings",
    )

    def __init__(self, channel_id: int, base: int, findings: Findings) -> None:
        self.channel_id = channel_id
        self.findings = findings
        self._base = base
        self._ids = array("q")
        self._forgotten = 0  # positions, from the base, whose frames are not kept any more
        self._frames: list[bytes] = []
        self._intended: list[int] = []
        self._numbers: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._unsettled: dict[int, int] = {}

    @property
    def last(self) -> int:
        """The last position that any member has seen."""
        return self._base + len(self._ids)

    def frame_after(self, cursor: int) -> bytes | None:
        """The frame that a member who stands there must get next; None when it is not known or not kept."""
        index = cursor - self._base - self._forgotten
        return self._frames[index] if 0 <= index < len(self._frames) else None

    def follow(self, data: bytes, at: int, cursor: int) -> tuple[int, int]:
        """How far `data`, from `at`, is what others saw after `cursor`: the new `at` and `cursor`."""
        index = cursor - self._base - self._forgotten
        while True:
            for frame in self._frames[index : index + _FOLLOWED_AT_ONCE]:
                if not data.startswith(frame, at):
                    return at, cursor
                at += len(frame)
                cursor += 1
            index += _FOLLOWED_AT_ONCE
            if index >= len(self._frames):
                return at, cursor

    def intended(self, after: int, up_to: int) -> list[int]:
        """When the messages at these positions, all of them kept, were to be sent."""
        offset = self._base + self._forgotten
        return self._intended[after - offset : up_to - offset]

    def observe(self, cursor: int, posted: Posted, frame: bytes = b"") -> int:
        """What a member who stood at `cursor` saw next. Returns where that member stands now."""
        seq = posted.seq
        if seq <= cursor:
            self._report("repeated", f"position {seq} was delivered again to a member who stood at {cursor}")
            return cursor
        if seq > cursor + 1:
            self._report("gap", f"a member who stood at {cursor} was given {seq}", seq - cursor - 1)
        self._agree(posted, frame)
        return seq

    def observe_page(self, cursor: int, page: Sequence[Posted], to: int, *, only_messages: bool) -> int:
        """A page of catch-up, which ends at `to`. Returns where the member stands now."""
        for posted in page:
            if posted.seq > cursor:
                if not only_messages:
                    self._pass_over(cursor, posted.seq - 1)
                    cursor = posted.seq - 1
                cursor = self.observe(cursor, posted)
        if to > cursor and only_messages:
            self._report("gap", f"a page up to {to} ended at {cursor}", to - cursor)
        else:
            self._pass_over(cursor, to)
        return max(cursor, to)

    def acknowledged(self, seq: int, message_id: int) -> None:
        """The server said that this message is there. It must be, sooner or later."""
        known = self._at(seq)
        if known == _UNKNOWN:
            self._unsettled[seq] = message_id
        elif known != message_id:
            self._report("order", f"message {message_id} was acknowledged at {seq}, where {known} is")

    def settle(self) -> None:
        """No more will come: an acknowledged message that nobody has seen is lost."""
        for seq, message_id in self._unsettled.items():
            self._report("lost", f"message {message_id} was acknowledged at {seq}, and nobody got it")
        self._unsettled.clear()

    def must_have_reached(self, target: int, cursor: int, who: str) -> None:
        """No more will come: whoever stands before `target` lost what is between."""
        if cursor < target:
            self._report("lost", f"{who} stands at {cursor}, the last was {target}", target - cursor)

    def digest(self, up_to: int) -> str:
        """The same for two logs that hold the same messages at the same positions up to there."""
        kept = self._ids[: max(0, up_to - self._base)]
        return hashlib.sha256(f"{self._base}:".encode() + kept.tobytes()).hexdigest()

    def _agree(self, posted: Posted, frame: bytes) -> None:
        known = self._at(posted.seq)
        if known == _UNKNOWN:
            self._append(posted, frame)
        elif known != posted.message_id:
            self._report("order", f"position {posted.seq} held message {known}, then {posted.message_id}")

    def _append(self, posted: Posted, frame: bytes) -> None:
        seq, index = posted.seq, posted.seq - self._base - 1
        if index < 0:
            return
        while len(self._ids) <= index:
            self._ids.append(_UNKNOWN)
        self._ids[index] = posted.message_id
        self._keep(index, frame, posted.intended)
        if self._unsettled and (promised := self._unsettled.pop(seq, posted.message_id)) != posted.message_id:
            self._report("order", f"position {seq} was promised to {promised}, and holds {posted.message_id}")
        if posted.intended:
            self._count_once(posted)

    def _keep(self, index: int, frame: bytes, intended: int) -> None:
        """Frames are kept in one unbroken run; one that does not continue it starts another."""
        if not frame or index != self._forgotten + len(self._frames):
            self._frames.clear()
            self._intended.clear()
            self._forgotten = index if frame else len(self._ids)
        if frame:
            self._frames.append(frame)
            self._intended.append(intended)
        if len(self._frames) > 2 * _KEPT_FRAMES:
            del self._frames[:_KEPT_FRAMES], self._intended[:_KEPT_FRAMES]
            self._forgotten += _KEPT_FRAMES

    def _count_once(self, posted: Posted) -> None:
        numbers = self._numbers[posted.sender]
        if posted.number >= len(numbers):
            numbers.extend(bytes(posted.number + 64 - len(numbers)))
        if numbers[posted.number]:
            self._report(
                "doubled", f"send {posted.number} of member {posted.sender} is there twice: {posted.seq}"
            )
        numbers[posted.number] = 1

    def _pass_over(self, cursor: int, to: int) -> None:
        """Positions that a page leaves out hold no message; if they do, it was not delivered."""
        for seq in range(cursor + 1, to + 1):
            if self._at(seq) > 0:
                self._report("lost", f"a page passed over position {seq}, where message {self._at(seq)} is")
            else:
                self._agree(Posted(seq, NOT_A_MESSAGE), b"")

    def _at(self, seq: int) -> int:
        index = seq - self._base - 1
        return self._ids[index] if 0 <= index < len(self._ids) else _UNKNOWN

    def _report(self, kind: str, words: str, count: int = 1) -> None:
        self.findings.add(kind, f"channel {self.channel_id}: {words}", count)
