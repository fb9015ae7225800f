"""How often something may be done: token buckets, on times that are passed in.

A bucket starts full, each use takes one token, and tokens come back at a steady rate up to `burst`.
"""

from collections import OrderedDict
from collections.abc import Hashable

from msgspec import Struct


class Rate(Struct, frozen=True):
    """`per_s` uses a second in the long run, and at most `burst` at once."""

    per_s: float
    burst: int


class TokenBucket:
    """One budget. Two floats, so that every user can have one."""

    __slots__ = ("_at_s", "_rate", "_tokens")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Spend one token: 0.0, or the seconds after which there will be one to spend."""
        wait_s = self.wait(now_s)
        if wait_s == 0.0:
            self._tokens -= 1.0
        return wait_s

    def wait(self, now_s: float) -> float:
        """Seconds until there is a token to spend, 0.0 when there is; spends none."""
        self._refill(now_s)
        return max(0.0, 1.0 - self._tokens) / self._rate.per_s

    def give_back(self) -> None:
        """Undo one `take` that turned out not to count."""
        self._tokens = min(float(self._rate.burst), self._tokens + 1.0)

    def remaining(self, now_s: float) -> int:
        """How many may be taken at once now."""
        self._refill(now_s)
        return int(self._tokens)

    def full_in_s(self, now_s: float) -> float:
        """Seconds until the whole burst is there again."""
        self._refill(now_s)
        return (self._rate.burst - self._tokens) / self._rate.per_s

    def _refill(self, now_s: float) -> None:
        if now_s <= self._at_s:
            return
        gained = (now_s - self._at_s) * self._rate.per_s
        self._tokens = min(float(self._rate.burst), self._tokens + gained)
        self._at_s = now_s


class Budget(Struct, frozen=True):
    """How many uses there may be at once, how many are left, and in how many seconds all will be."""

    limit: int
    remaining: int
    reset_s: float


class KeyedBuckets:
    """One bucket for each key; `rate` None lets everything through.

    At most `max_keys` are kept: past that, the one unused for longest is forgotten.
    """

    def __init__(self, rate: Rate | None, max_keys: int = 10_000) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now_s: float) -> float:
        """As `TokenBucket.take`, for this key."""
        if self._rate is None:
            return 0.0
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, now_s)
            self._forget_stalest()
        self._buckets.move_to_end(key)
        return bucket.take(now_s)

    def wait(self, key: Hashable, now_s: float) -> float:
        """As `TokenBucket.wait`, for this key."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait(now_s)

    def budget(self, key: Hashable, now_s: float) -> Budget | None:
        """What is left for this key; None where everything is let through."""
        if self._rate is None:
            return None
        bucket = self._buckets.get(key)
        if bucket is None:
            return Budget(self._rate.burst, self._rate.burst, 0.0)
        return Budget(self._rate.burst, bucket.remaining(now_s), bucket.full_in_s(now_s))

    def give_back(self, key: Hashable) -> None:
        """Undo one `take` of this key that turned out not to count."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back()

    def _forget_stalest(self) -> None:
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
