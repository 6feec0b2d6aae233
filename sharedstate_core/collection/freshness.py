"""Whether storage may hold more of a collection than is in memory, and when to probe it.

The rules:

1. What is *known* to be missing (another process has committed, an outcome is unknown) makes the replica outdated: it
   is loaded before anything else is done, and answers that depend on it wait.
2. A subscriber who holds more than we do only *claims* so: it may have seen it at another process. It waits for a load
   that begins after it came, and nobody else does.
3. Loads and requests take turns: after a load, whoever asked for something is served first.
4. A load that is due to claims alone is a *probe*. After one in vain the next waits for `PROBE_SECONDS`.
5. Loads that fail are tried again at growing intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.storage import Cursor

    from .replica import Replica
    from .subscribers import Subscription

PROBE_SECONDS: Final = 1.0


class Freshness(Generic[C]):
    """How the replica of one collection stands to storage.

    Attributes:
        loading: whether a load is under way.
        retrying: whether a failed load waits to be tried again.
        probe_paused: whether storage is not probed for now.
        stale: whether storage is known to hold something else, nobody knows what.
        announced: a state that storage is said to hold, and the replica has not reached.
        just_loaded: whether nobody has been served since the last load.
    """

    def __init__(self) -> None:
        self.loading = False
        self.retrying = False
        self.probe_paused = False
        self.stale = False
        self.just_loaded = False
        self.announced: Cursor | None = None
        self.ahead: dict[Subscription[C], int] = {}  # with the load that decides, by its number
        self._loads = 0  # begun so far
        self._probing = False
        self._failures = 0

    # --- what is heard ----------------------------------------------------------------------------

    def note_ahead(self, subscription: Subscription[C], replica: Replica | None) -> None:
        """Note a new subscriber, if it may hold more than we do, or more than the load under way brings."""
        cursor = subscription.cursor
        if cursor is None:
            return
        if self.loading if replica is None else replica.is_behind(cursor):
            self.ahead[subscription] = self._loads + 1

    def drop(self, subscription: Subscription[C]) -> None:
        """A subscriber claims nothing any more."""
        self.ahead.pop(subscription, None)

    # --- what comes of it -------------------------------------------------------------------------

    def is_awaited(self, subscription: Subscription[C], replica: Replica) -> bool:
        """Return whether a subscriber waits for a load that decides on its claim."""
        return subscription in self.ahead and replica.is_behind(subscription.cursor)

    @property
    def wants_probe(self) -> bool:
        """Whether a probe is due, if nothing else makes a load necessary."""
        return bool(self.ahead) and not (self.probe_paused or self.retrying)

    # --- loads ------------------------------------------------------------------------------------

    def begin(self, *, probe: bool) -> None:
        """A load begins, or a probe: what is heard from now on it may not bring."""
        self.loading, self._probing = True, probe
        self.stale, self.announced = False, None
        self._loads += 1

    def succeeded(self, replica: Replica, *, is_news: bool) -> bool:
        """The load has brought this; return whether it was a probe in vain, after which the next one waits."""
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
        """The load has failed; return the pause before the next attempt, which doubles from `first` to `longest`."""
        self.loading = self.just_loaded = False
        pause = min(longest, first * (1 << min(self._failures, 30)))
        self._failures += 1
        return pause

    def forget(self) -> None:
        """The replica is gone: nothing is known of storage."""
        self.stale, self.announced, self.just_loaded = False, None, False
