"""Plain numbers."""

import pytest

from actors.fanout import Fanout
from server.measures import Histogram, Measures
from tests.server.talking import StillClock


def test_a_histogram_counts_by_upper_bounds_the_bound_included() -> None:
    histogram = Histogram((1.0, 10.0))
    for value in (0.5, 1.0, 1.1, 10.0, 11.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 2.0), ("10.0", 4.0), ("+Inf", 5.0)]
    assert histogram.count == 5
    assert histogram.total == pytest.approx(23.6)


def test_fan_out_takes_from_the_commit_to_the_first_write_behind_it() -> None:
    measures, fanout, clock = Measures(), Fanout(), StillClock()
    measures.committed_at_s = clock.monotonic()
    measures.flushed(fanout, clock)
    assert measures.fanout_s.count == 0
    fanout.deliveries += 10
    clock.moved_s += 0.25
    measures.flushed(fanout, clock)
    measures.flushed(fanout, clock)
    assert (measures.fanout_s.count, measures.fanout_s.total) == (1, 0.25)
