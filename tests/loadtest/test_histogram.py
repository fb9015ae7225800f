"""Latencies: near enough at every size, and the same however they are gathered."""

import random

import pytest

from loadtest.histogram import Histogram, clock


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.fresh += values
    return histogram


@pytest.mark.parametrize("per_cent", [1.0, 50.0, 90.0, 99.0, 99.9, 100.0])
def test_a_percentile_is_right_to_within_one_per_cent(per_cent: float) -> None:
    values = sorted(int(random.Random(7).lognormvariate(6, 2)) for _ in range(10_000))
    exact = values[max(0, round(len(values) * per_cent / 100) - 1)]
    assert recorded(values).percentiles(per_cent)[0] == pytest.approx(exact, rel=0.01, abs=1)


def test_small_values_are_exact() -> None:
    assert recorded([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).percentiles(10, 50, 100) == [1, 5, 10]


def test_there_is_no_percentile_of_nothing() -> None:
    assert Histogram().percentiles(50, 99) == [0, 0]


def test_histograms_of_several_processes_add_up() -> None:
    one, other, both = recorded([10, 5000]), recorded([10, 90_000]), recorded([10, 10, 5000, 90_000])
    one.merge(other.counts())
    assert one.counts() == both.counts()


def test_counting_now_and_then_counts_everything_once() -> None:
    histogram = recorded([3, 700_000])
    histogram.fold()
    histogram.fresh.append(3)
    histogram.fold()
    assert sum(histogram.counts().values()) == 3
    assert histogram.counts()[3] == 2


def test_the_clock_does_not_go_back() -> None:
    assert clock() <= clock()
