"""What is measured while the server works: plain numbers that cost next to nothing until they are read.

Next: `measured_commits.py` and the edges fill them, `metrics.py` reads them.
"""

from bisect import bisect_left
from collections import Counter
from typing import Final

from actors.fanout import Fanout
from actors.ports import Clock

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for times of things that are mostly quick."""
FACTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Upper bounds for how much one commit holds."""


class Histogram:
    """How often which value was observed, by upper bounds."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> list[tuple[str, float]]:
        """Bound and how many were at most that, as Prometheus has it: the last is of all."""
        buckets, at_most = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self._counts, strict=True):
            at_most += count
            buckets.append((bound, float(at_most)))
        return buckets


class Measures:
    """The numbers of one process. Times in seconds."""

    def __init__(self) -> None:
        self.commit_s = Histogram(SECONDS)
        self.commit_facts = Histogram(FACTS)
        self.fanout_s = Histogram(SECONDS)
        self.committed: Counter[str] = Counter()
        """Facts by what became of them: `written`, or how their part of a commit failed."""
        self.requests: Counter[tuple[str, int]] = Counter()
        """HTTP answers by method and status."""
        self.refusals: Counter[str] = Counter()
        """Refusals over HTTP by code."""
        self.messages = 0
        self.committed_at_s = 0.0
        self._delivered = 0

    def flushed(self, fanout: Fanout, clock: Clock) -> None:
        """A tick is written: note how long after the commit, if anything of one was in it."""
        if fanout.deliveries != self._delivered:
            self._delivered = fanout.deliveries
            self.fanout_s.observe(clock.monotonic() - self.committed_at_s)
