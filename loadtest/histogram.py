"""Latencies counted in buckets that grow with the value: every percentile is right to within one per cent.

Values are ticks of the harness's clock. One clock serves all processes of a run, so that a message may be
timed by a process that did not send it.
"""

import time
from collections import Counter
from collections.abc import Mapping

TICKS_PER_S = 100_000
_NS_PER_TICK = 1_000_000_000 // TICKS_PER_S
_PRECISE_BITS = 8


def clock() -> int:
    """Ticks of 10 µs since a moment that all processes of this machine share."""
    return time.monotonic_ns() // _NS_PER_TICK


class Histogram:
    """Counts by bucket, which is named by its lowest value.

    New values are put into `fresh`, by whoever has them, and must be counted now and then: `fold`.
    """

    __slots__ = ("_counts", "fresh")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = Counter(counts)
        self.fresh: list[int] = []

    def fold(self) -> None:
        # Counting equal values first runs in C; only the distinct ones are put into buckets here.
        for value, count in Counter(self.fresh).items():
            self._counts[_bucket(value)] += count
        self.fresh.clear()

    def counts(self) -> dict[int, int]:
        self.fold()
        return dict(self._counts)

    def merge(self, counts: Mapping[int, int]) -> None:
        self._counts.update(counts)

    def percentiles(self, *wanted: float) -> list[int]:
        """For each wanted per cent, the value that so many do not exceed; 0 when there are no values."""
        counts = sorted(self.counts().items())
        total = sum(count for _, count in counts)
        return [_at_rank(counts, total * per_cent / 100) for per_cent in wanted]


def _bucket(value: int) -> int:
    shift = value.bit_length() - _PRECISE_BITS
    return value if shift <= 0 else value >> shift << shift


def _at_rank(counts: list[tuple[int, int]], rank: float) -> int:
    passed = 0
    for value, count in counts:
        passed += count
        if passed >= rank:
            return value
    return 0
