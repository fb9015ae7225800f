"""What one process counts and times while it loads."""

from collections import Counter

from loadtest.check import Findings
from loadtest.histogram import Histogram


class Counts:
    """Plain counters: `sent` and `acknowledged` in messages, `delivered` in messages times members."""

    __slots__ = ("acknowledged", "delivered", "sent")

    def __init__(self, sent: int = 0, acknowledged: int = 0, delivered: int = 0) -> None:
        self.sent = sent
        self.acknowledged = acknowledged
        self.delivered = delivered

    def copy(self) -> "Counts":
        return Counts(self.sent, self.acknowledged, self.delivered)

    def since(self, earlier: "Counts") -> "Counts":
        return Counts(
            self.sent - earlier.sent,
            self.acknowledged - earlier.acknowledged,
            self.delivered - earlier.delivered,
        )


class Tally:
    """Counts from the first message on; latencies since `begin_measuring`."""

    def __init__(self) -> None:
        self.totals = Counts()
        self.findings = Findings()
        self.refused: Counter[str] = Counter()
        self.retried: Counter[str] = Counter()
        self.reconnects = 0
        self.resent = 0
        self.repeated_acks = 0
        self.begin_measuring(0)

    def begin_measuring(self, now: int) -> None:
        self.ack_latency = Histogram()
        self.delivery_latency = Histogram()
        self.lateness = Histogram()
        self.began = now
        self._before = self.totals.copy()
        self.ended = now
        self.measured = Counts()

    def fold(self) -> None:
        """To be called often enough that what is not counted yet stays small."""
        for histogram in (self.ack_latency, self.delivery_latency, self.lateness):
            histogram.fold()

    def end_measuring(self, now: int) -> None:
        """Rates are counted up to here; what is still answered later keeps its latency."""
        self.ended = now
        self.measured = self.totals.since(self._before)
