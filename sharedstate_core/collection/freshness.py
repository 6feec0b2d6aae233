"""The freshness of a collection's content: whether storage may hold more, and when to probe it.

The rules:

1. What is *known* to be missing (another process has committed, or an outcome is unknown) makes the replica outdated:
   it is loaded before anything else is done, and answers that depend on it wait.
2. A subscriber that is *ahead* only *claims* to hold more than the replica; another process may have shown it. It
   waits for a load that begins after it came, and nobody else does.
3. Loads and requests take turns: after a load, waiting requests are served first.
4. A load made only because of such claims is a *probe*. After a probe in vain, the next waits for `PROBE_SECONDS`.
5. Failed loads are retried at growing intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.storage import Cursor

    from .subscription import Subscription

PROBE_SECONDS: Final = 1.0


class Freshness(Generic[C]):
    """How one collection's replica relates to storage.

    Attributes:
        loading: whether a load is under way.
        retrying: whether a failed load waits to be retried.
        probe_paused: whether probes are suspended for now.
        stale: whether storage is known to hold something else, without knowing what.
        announced: a state that storage is reported to hold and the replica has not reached.
        just_loaded: whether no request has been served since the last load.
    """

    def __init__(self) -> None:
        self.loading = False
        self.retrying = False
        self.probe_paused = False
        self.stale = False
        self.just_loaded = False
        self.announced: Cursor | None = None
        self.ahead: dict[Subscription[C], int] = {}  # with the number of the load that decides
        self._loads = 0  # loads begun so far
        self._probing = False
        self._failures = 0

    # --- claims -----------------------------------------------------------------------------------

    def note_ahead(self, subscription: Subscription[C], replica: Replica | None) -> None:
        """Record a new subscriber's claim if it may hold more than the replica or than the load under way brings."""
        cursor = subscription.cursor
        if cursor is None:
            return
        if self.loading if replica is None else replica.is_behind(cursor):
            self.ahead[subscription] = self._loads + 1

    def drop(self, subscription: Subscription[C]) -> None:
        """Drop a subscriber's claim, if it has one."""
        self.ahead.pop(subscription, None)

    # --- what follows from them -------------------------------------------------------------------

    def awaited_version(self, subscription: Subscription[C], replica: Replica | None) -> int | None:
        """Return what a subscriber claims to hold if it waits for that, or for a load that settles its claim."""
        cursor = subscription.cursor
        if replica is None or cursor is None or subscription not in self.ahead:
            return None
        return cursor.version if replica.is_behind(cursor) else None

    @property
    def wants_probe(self) -> bool:
        """Whether a probe is due, unless a load is needed anyway."""
        return bool(self.ahead) and not (self.probe_paused or self.retrying)

    # --- loads ------------------------------------------------------------------------------------

    def begin(self, *, probe: bool) -> None:
        """Record that a load, possibly a probe, begins: it may not include anything reported after this."""
        self.loading, self._probing = True, probe
        self.stale, self.announced = False, None
        self._loads += 1

    def succeeded(self, replica: Replica, *, is_news: bool) -> bool:
        """Record a successful load and return whether it was a probe in vain, after which the next one waits."""
        self.loading, self.just_loaded, self._failures = False, True, 0
        in_vain = self._probing and not is_news
        self.probe_paused = self.probe_paused or in_vain
        self.ahead = {
            subscription: load
            for subscription, load in self.ahead.items()
            if load > self._loads and replica.is_behind(subscription.cursor)
        }
        return in_vain

    def failed(self, first: float, longest: float) -> float:
        """Record a failed load and return the pause before the retry, which doubles from `first` up to `longest`."""
        self.loading = self.just_loaded = False
        pause = min(longest, first * (1 << min(self._failures, 30)))
        self._failures += 1
        return pause

    def forget(self) -> None:
        """Record that the replica is gone, so nothing is known about storage."""
        self.stale, self.announced, self.just_loaded = False, None, False
