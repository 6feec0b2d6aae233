"""How often each user may update: buckets of tokens, from which every update takes one.

The rules:

1. All connections of a user share a bucket. A connection without a user has its own, for as long as it lasts.
2. A bucket begins full, with `Limits.updates_burst` tokens, and gets `Limits.updates_per_second` of them until it is
   full again. So no user has more than burst + rate * t updates accepted within t seconds.
3. What is refused takes nothing; what is accepted takes a token, whatever becomes of it.
4. A bucket that is full again is forgotten when it was used the longest ago; so is any where there are `KEPT` others.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil
from typing import TYPE_CHECKING, Final, Generic

from msgspec import Struct

from sharedstate_core.effects import C
from sharedstate_core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.counters import Counters
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.peer.session import Session

KEPT: Final = 50_000
"""Buckets in memory: about 250 bytes each."""

ROUNDING: Final = 0.001
"""What a token may lack: times are rounded, and who asks again exactly when told to must not be refused."""


class _Bucket(Struct):
    tokens: float
    at: float
    """When it had these tokens."""


class UpdateRate(Generic[C]):
    """The buckets of all users.

    Args:
        limits: the rate, which may change at any time; this is only asked while there is one.
        counters: counts the refused updates.
    """

    def __init__(self, limits: LiveLimits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()  # the last used at the end

    def take(self, session: Session[C], now: float) -> None:
        """Take a token for an update of a connection.

        Raises:
            RequestError: `too_many`, with `retry_after`: there is none.
        """
        rate, burst = self._limits.updates_per_second, self._limits.updates_burst
        user = session.identity.user
        owner: Hashable = session if user is None else user["id"]
        bucket = self._buckets.pop(owner, None) or _Bucket(burst, now)
        self._buckets[owner] = bucket
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1 - ROUNDING:
            self._counters.limited += 1
            seconds = ceil((1 - bucket.tokens) / rate * 1000) / 1000
            problem = f"more than {rate:g} updates a second; the next one in {seconds:g} s"
            raise RequestError("too_many", problem, retry_after=seconds)
        bucket.tokens -= 1
        self._forget(now, rate, burst)

    def leave(self, session: Session[C]) -> None:
        """Forget the bucket of a connection that has ended."""
        self._buckets.pop(session, None)

    def _forget(self, now: float, rate: float, burst: float) -> None:
        """Forget up to two buckets, which is one more than an update adds."""
        buckets = self._buckets
        for _ in range(2):
            oldest = next(iter(buckets.values()))
            is_full = oldest.tokens + (now - oldest.at) * rate >= burst
            if not (is_full or len(buckets) > KEPT):
                break
            buckets.popitem(last=False)
