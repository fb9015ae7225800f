"""How often somebody may fail to log in or to refresh, or register."""

import pytest

from protocol.errors import Code, Refused
from protocol.rates import Budget, Rate
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
        throttles.may_refresh("a", 0.0)
        throttles.refresh_failed("a", 0.0)


# What is left.


def test_what_is_left_is_the_lesser_of_the_accounts_and_the_addresses() -> None:
    throttles = Throttles(TWICE, TWICE)
    assert throttles.login_budget("alice", "a", 0.0) == Budget(2, 2, 0.0)
    fail(throttles, "alice", "a")
    fail(throttles, "alice", "b")
    assert throttles.login_budget("alice", "c", 0.0) == Budget(2, 0, 20.0)
    assert throttles.login_budget("bob", "a", 0.0) == Budget(2, 1, 10.0)
    assert throttles.login_budget("alice", "c", 10.0) == Budget(2, 1, 10.0)
    throttles.register("a", 0.0)
    assert throttles.registration_budget("a", 0.0) == Budget(2, 1, 10.0)
    assert throttles.registration_budget("b", 0.0) == Budget(2, 2, 0.0)


def test_without_rates_nothing_is_left_to_tell() -> None:
    throttles = Throttles(None, None)
    assert throttles.login_budget("alice", "a", 0.0) is None
    assert throttles.registration_budget("a", 0.0) is None
    assert throttles.refresh_budget("a", 0.0) is None


# Attacks.


@pytest.mark.parametrize("spelling", ["ALICE", "alİce", "alICE", "ａｌｉｃｅ", "Alíce", "ali̇ce"])
def test_a_spelling_that_a_database_may_take_for_the_same_is_no_fresh_budget(spelling: str) -> None:
    throttles = Throttles(TWICE, None)
    for address in ("a", "b"):
        fail(throttles, "alice", address)
    with pytest.raises(Refused):
        fail(throttles, spelling, "c")


def test_many_addresses_do_not_help_against_one_account() -> None:
    throttles = Throttles(TWICE, None)
    refused = 0
    for number in range(1000):
        try:
            fail(throttles, "alice", f"10.0.{number // 256}.{number % 256}")
        except Refused:
            refused += 1
    assert refused == 998


def test_many_accounts_do_not_help_one_address() -> None:
    throttles = Throttles(TWICE, None)
    for name in ("a", "b"):
        fail(throttles, name, "10.0.0.1")
    for number in range(1000):
        with pytest.raises(Refused):
            fail(throttles, f"user{number}", "10.0.0.1")


def test_a_spray_of_names_and_addresses_keeps_memory_bounded() -> None:
    throttles = Throttles(TWICE, TWICE)
    for number in range(25_000):
        fail(throttles, f"user{number}", f"2001:db8:{number:x}::1")
        throttles.register(f"2001:db8:{number:x}::1", 0.0)
        throttles.refresh_failed(f"2001:db8:{number:x}::1", 0.0)
    kept = (throttles._by_account, throttles._by_address, throttles._refreshes, throttles._registrations)
    assert [len(buckets) for buckets in kept] == [10_000] * 4
