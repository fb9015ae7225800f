"""Token buckets: what they let through, and when."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.rates import KeyedBuckets, Rate, TokenBucket


def test_a_burst_passes_at_once_and_the_next_one_waits_for_a_token() -> None:
    bucket = TokenBucket(Rate(per_s=2.0, burst=3), now_s=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) == 0.5


def test_an_idle_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(Rate(per_s=10.0, burst=2), now_s=0.0)
    assert [bucket.take(1e6) for _ in range(3)] == [0.0, 0.0, 0.1]


def test_what_is_left_and_when_it_is_full_again_can_be_told() -> None:
    bucket = TokenBucket(Rate(per_s=2.0, burst=4), now_s=0.0)
    for _ in range(3):
        bucket.take(0.0)
    assert (bucket.remaining(0.0), bucket.full_in_s(0.0)) == (1, 1.5)
    assert (bucket.remaining(1.5), bucket.full_in_s(1.5)) == (4, 0.0)


def test_a_take_that_did_not_count_is_given_back_but_never_beyond_the_burst() -> None:
    bucket = TokenBucket(Rate(per_s=1.0, burst=1), now_s=0.0)
    bucket.take(0.0)
    bucket.give_back()
    bucket.give_back()
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 1.0]


@given(
    rate=st.builds(Rate, per_s=st.floats(0.01, 1000), burst=st.integers(1, 100)),
    pauses=st.lists(st.floats(0, 10), max_size=200),
)
def test_never_more_than_the_burst_and_what_time_brings(rate: Rate, pauses: list[float]) -> None:
    now_s, passed = 0.0, 0
    bucket = TokenBucket(rate, now_s)
    for pause in pauses:
        now_s += pause
        passed += bucket.take(now_s) == 0.0
    assert passed <= rate.burst + rate.per_s * now_s + 1e-6


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(Rate(per_s=1.0, burst=1), now_s=100.0)
    assert [bucket.take(100.0), bucket.take(50.0), bucket.take(100.0)] == [0.0, 1.0, 1.0]


def test_waiting_as_told_is_enough() -> None:
    bucket = TokenBucket(Rate(per_s=3.0, burst=1), now_s=0.0)
    bucket.take(0.0)
    wait_s = bucket.take(0.0)
    assert bucket.take(wait_s + 1e-9) == 0.0


def test_asking_how_long_to_wait_spends_nothing() -> None:
    buckets = KeyedBuckets(Rate(per_s=2.0, burst=1))
    assert [buckets.wait("a", 0.0) for _ in range(3)] == [0.0] * 3
    assert len(buckets) == 0
    buckets.take("a", 0.0)
    assert [buckets.wait("a", 0.0), buckets.wait("a", 0.25), buckets.wait("a", 0.5)] == [0.5, 0.25, 0.0]
    assert buckets.take("a", 0.5) == 0.0


def test_keys_have_budgets_of_their_own() -> None:
    buckets = KeyedBuckets(Rate(per_s=1.0, burst=1))
    assert [buckets.take("a", 0.0), buckets.take("b", 0.0), buckets.take("a", 0.0)] == [0.0, 0.0, 1.0]
    buckets.give_back("a")
    buckets.give_back("nobody")
    assert buckets.take("a", 0.0) == 0.0


def test_the_table_forgets_the_key_unused_for_longest() -> None:
    buckets = KeyedBuckets(Rate(per_s=0.001, burst=1), max_keys=2)
    for key in ("a", "b", "a", "c"):
        buckets.take(key, 0.0)
    assert len(buckets) == 2
    assert buckets.take("a", 0.0) > 0.0, "a was used after b, so b is the one forgotten"


def test_no_rate_lets_everything_through_and_remembers_nobody() -> None:
    buckets = KeyedBuckets(None)
    assert {buckets.take("a", 0.0) for _ in range(100)} == {0.0}
    assert len(buckets) == 0
