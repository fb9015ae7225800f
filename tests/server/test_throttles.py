"""How often somebody may fail to log in, or register."""

import pytest

from protocol.errors import Code, Refused
from protocol.rates import Rate
from server.throttles import Throttles

TWICE = Rate(per_s=0.1, burst=2)


def fail(throttles: Throttles, login: str, address: str) -> None:
    throttles.try_login(login, address, 0.0)


def test_an_attempt_that_its_account_may_not_make_costs_the_address_nothing() -> None:
    throttles = Throttles(TWICE, None)
    for address in ("a", "b"):
        fail(throttles, "alice", address)
    for _ in range(5):
        with pytest.raises(Refused):
            fail(throttles, "alice", "c")
    fail(throttles, "bob", "c")
    fail(throttles, "carol", "c")


def test_how_long_to_wait_is_told_and_is_enough() -> None:
    throttles = Throttles(TWICE, None)
    fail(throttles, "alice", "a")
    fail(throttles, "alice", "a")
    with pytest.raises(Refused) as caught:
        fail(throttles, "alice", "a")
    assert caught.value.refusal.code == Code.RATE_LIMITED
    assert caught.value.refusal.retry_after_ms == 10_001
    throttles.try_login("alice", "a", 10.001)


def test_a_success_gives_both_attempts_back() -> None:
    throttles = Throttles(TWICE, None)
    for _ in range(10):
        fail(throttles, "Alice", "a")
        throttles.logged_in("alice", "a")


def test_addresses_of_one_ipv6_network_share_a_budget() -> None:
    throttles = Throttles(None, TWICE)
    for address in ("2001:db8::1", "2001:db8::2"):
        throttles.register(address, 0.0)
    with pytest.raises(Refused):
        throttles.register("2001:db8::3", 0.0)
    throttles.register("2001:db8:0:1::1", 0.0)


def test_without_rates_nothing_is_refused() -> None:
    throttles = Throttles(None, None)
    for _ in range(100):
        fail(throttles, "alice", "a")
        throttles.register("a", 0.0)
