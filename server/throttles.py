"""How often somebody may fail to log in or to refresh, or register."""

import unicodedata

from protocol.errors import Code, Refusal, Refused
from protocol.rates import Budget, KeyedBuckets, Rate
from server.addresses import throttle_key


class Throttles:
    """How often an account may fail to log in, and an address may fail to, or to refresh, or register."""

    def __init__(self, login_failures: Rate | None, registrations: Rate | None) -> None:
        self._by_account = KeyedBuckets(login_failures)
        self._by_address = KeyedBuckets(login_failures)
        # Apart from log-ins: many who come back after a night behind one address keep nobody from logging in.
        self._refreshes = KeyedBuckets(login_failures)
        self._registrations = KeyedBuckets(registrations)

    def try_login(self, login: str, address: str, now_s: float) -> None:
        """Count an attempt as failed, until `logged_in` says otherwise: many at once count too.

        Raises Refused `rate_limited`.
        """
        account, place = account_key(login), throttle_key(address)
        wait_s = self._by_address.take(place, now_s)
        if wait_s == 0.0:
            wait_s = self._by_account.take(account, now_s)
            if wait_s > 0.0:
                self._by_address.give_back(place)
        refuse_until(wait_s, "Too many failed log-ins. Wait before you try again.")

    def logged_in(self, login: str, address: str) -> None:
        self._by_account.give_back(account_key(login))
        self._by_address.give_back(throttle_key(address))

    def login_budget(self, login: str, address: str, now_s: float) -> Budget | None:
        """What is left of the account's attempts and the address's, whichever is less."""
        budgets = (
            self._by_account.budget(account_key(login), now_s),
            self._by_address.budget(throttle_key(address), now_s),
        )
        return min(filter(None, budgets), key=lambda budget: budget.remaining, default=None)

    def may_refresh(self, address: str, now_s: float) -> None:
        """Many at once may: nobody guesses a token, so that failures count only once they are known.

        Raises Refused `rate_limited`.
        """
        wait_s = self._refreshes.wait(throttle_key(address), now_s)
        refuse_until(wait_s, "Too many refresh tokens from your address were not valid. Wait, or log in.")

    def refresh_failed(self, address: str, now_s: float) -> None:
        self._refreshes.take(throttle_key(address), now_s)

    def refresh_budget(self, address: str, now_s: float) -> Budget | None:
        """What is left of the address's failed refreshes."""
        return self._refreshes.budget(throttle_key(address), now_s)

    def registration_budget(self, address: str, now_s: float) -> Budget | None:
        """What is left of the address's registrations."""
        return self._registrations.budget(throttle_key(address), now_s)

    def register(self, address: str, now_s: float) -> None:
        """Raises Refused `rate_limited`."""
        wait_s = self._registrations.take(throttle_key(address), now_s)
        refuse_until(wait_s, "Too many registrations from your address. Wait before you try again.")


def account_key(login: str) -> str:
    """What to count an account's attempts by: every spelling that a database may take for the same is one.

    Databases fold case each in their own way: to some, `İ` and `K` (the Kelvin sign) are `i` and `k`.
    """
    folded = unicodedata.normalize("NFKD", login).casefold()
    return "".join(character for character in folded if not unicodedata.combining(character))


def refuse_until(wait_s: float, message: str) -> None:
    if wait_s > 0.0:
        raise Refused(Refusal(Code.RATE_LIMITED, message, retry_after_ms=int(wait_s * 1000) + 1))
