"""The registry of collections in memory: which ones there are, whose load is next, how long unused ones linger.

The rules:

1. A collection is created when a request names it by a valid path in an existing service.
2. A collection that is watched, read or written stays; `Limits.collections` bounds their number.
3. A collection that is no longer needed lingers, in case somebody comes back, for a limited time and within a memory
   bound on all lingering collections together, with views that nobody sees: these go first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.collection.acknowledgements import answer_author
from sharedstate_core.collection.collection import Collection
from sharedstate_core.collection.collection_host import DEADLINES
from sharedstate_core.collection.content import COLLECTION_BYTES
from sharedstate_core.collection.numbers import Refusals
from sharedstate_core.collection.permit import RulesVersion
from sharedstate_core.effects import C, Effects
from sharedstate_core.errors import RequestError, bad_update
from sharedstate_core.items.encoded import Encoded
from sharedstate_core.leftovers import Leftovers
from sharedstate_core.pending import Pending
from sharedstate_core.timers import Timers

from .load_queue import LoadQueue
from .tickets import Tickets
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Collection as Names
    from collections.abc import Iterable

    from sharedstate_core.collection.collection_host import Deadline
    from sharedstate_core.collection.reader import Reader
    from sharedstate_core.collection.settled import Settled
    from sharedstate_core.collection.subscription import Subscription, Watched
    from sharedstate_core.collection.waiting_requests import QueuedRequest
    from sharedstate_core.counters import Counters
    from sharedstate_core.limits import Limits, LiveLimits
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.views.view import View

AT_ONCE: Final = 100
"""Collections that are left, or whose time has come, in one input; for the others the core asks to be woken."""


class Registry(Generic[C]):
    """All collections of one server process; the `CollectionHost` of each.

    Attributes:
        services: names of the services.
        patchable: those that take patches.
        resendable: those that take updates which are sent again.
        refusals: of updates that may be sent again.
        live_limits: the server's limits.
        tickets: the tickets of the storage operations under way.
        pending: memory taken by updates that wait for storage.
        turns: the collections that have long work to do.
        leftovers: what has yet to be freed.
        encoded: memory of what is kept encoded.
        rules_version: counts how often the rules have changed.
        subscribed: memory taken by subscriptions, in bytes, without their collections.
    """

    def __init__(
        self,
        services: Names[str],
        patchable: frozenset[str],
        resendable: frozenset[str],
        limits: LiveLimits,
        counters: Counters,
    ) -> None:
        self.services = tuple(services)
        self.patchable = patchable
        self.resendable = resendable
        self.refusals = Refusals()
        self.live_limits = limits
        self.counters = counters
        self.tickets: Tickets[C] = Tickets()
        self.issue = self.tickets.issue
        self.pending = Pending(limits)
        self.leftovers = Leftovers(limits)
        self.encoded = Encoded(limits, self.leftovers)
        self.rules_version = RulesVersion()
        self.turns: Turns[Collection[C]] = Turns()
        self.take_turns = self.turns.add
        self._collections: dict[CollectionPath, Collection[C]] = {}
        self._deadlines: Timers[tuple[Deadline, Collection[C]]] = Timers()
        self._load_queues = {
            name: LoadQueue[Collection[C]](lambda: limits.current.loads) for name in self.services
        }
        self._loaded: dict[str, dict[CollectionPath, None]] = {name: {} for name in self.services}
        self._lingering: OrderedDict[Collection[C], int] = OrderedDict()  # with the bytes of each
        self._lingering_views: OrderedDict[View, Collection[C]] = OrderedDict()
        self._lingering_bytes = 0
        self._dirty: OrderedDict[Collection[C], None] = OrderedDict()  # yet to proceed
        # With other subscribers than before, and whoever came last: yet to proceed.
        self._changed: OrderedDict[Watched[C], Reader[C] | None] = OrderedDict()
        self.subscribed = 0

    def __len__(self) -> int:
        return len(self._collections)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.live_limits.current

    # --- collections ------------------------------------------------------------------------------

    def check_use(self, path: CollectionPath) -> None:
        """Refuse a collection that cannot be used.

        Raises:
            RequestError: `no_service`, or `too_many` if no more collections can be in use.
        """
        if self._is_in_use(path):
            return
        self.check_service(path.service)
        limit = self.limits.collections
        if self._in_use >= limit:
            raise RequestError("too_many", f"at most {limit} collections in use")

    def _is_in_use(self, path: CollectionPath) -> bool:
        there = self._collections.get(path)
        return there is not None and there not in self._lingering

    @property
    def _in_use(self) -> int:
        return len(self._collections) - len(self._lingering)

    def check_room(self, path: CollectionPath, more: int) -> None:
        """Refuse one more subscription to a collection if there is no room for it.

        Args:
            path: the collection.
            more: memory that the subscription takes, in bytes.

        Raises:
            RequestError: `too_many`.
        """
        in_use = self._in_use + (not self._is_in_use(path))
        if self.subscribed + more + COLLECTION_BYTES * in_use > self.limits.subscription_bytes:
            raise RequestError("too_many", "the server has no memory for more subscriptions")

    def admit(self, path: CollectionPath) -> None:
        """Refuse an update to a collection that cannot be used, or one for which there is no room.

        Raises:
            RequestError: it is refused.
        """
        self.check_use(path)
        self.pending.admit()

    def admit_read(self, path: CollectionPath) -> None:
        """Refuse a read of a collection that cannot be used, or one for which there is no room.

        Raises:
            RequestError: it is refused.
        """
        self.check_use(path)
        self.pending.admit_read()

    def check_service(self, service: str) -> None:
        """Refuse a service that does not exist.

        Raises:
            RequestError: `no_service`.
        """
        if service not in self.services:
            known = ", ".join(self.services)
            raise RequestError("no_service", f"no service {service!r} here; there are: {known}")

    def check_patches(self, service: str, *, is_clock_set: bool) -> None:
        """Refuse an update with patches for a service that takes none.

        Raises:
            RequestError: it is refused.
        """
        if service not in self.patchable:
            problem = f"the storage of the service {service!r} takes no patches; insert whole items"
            raise bad_update("patch", problem)
        if not is_clock_set:
            raise RequestError("unavailable", "this server's clock is not set")

    def check_number(self, service: str, session: str | None, *, is_clock_set: bool) -> None:
        """Refuse an update with a number where it could not be told whether it was sent before.

        Raises:
            RequestError: it is refused.
        """
        if service not in self.resendable:
            raise bad_update("op", f"the storage of the service {service!r} keeps no receipts")
        if session is None:
            raise bad_update("op", "its session has no key; PUT /session with one first")
        if not is_clock_set:
            raise RequestError("unavailable", "this server's clock is not set")

    def open(self, path: CollectionPath) -> Collection[C]:
        """Return a collection that is about to be used."""
        collection = self._collections.get(path)
        if collection is None:
            collection = self._collections[path] = Collection(path, self)
        self._wake_up(collection)
        return collection

    def change_subscribers(
        self, begun: Iterable[Subscription[C]], gone: Iterable[Subscription[C]], out: Effects[C]
    ) -> None:
        """Let the collections of new and removed subscriptions do all they can do now, many of them in later turns."""
        self.note_subscribers(begun, gone)
        self._settle(out)

    def note_subscribers(
        self, begun: Iterable[Subscription[C]], gone: Iterable[Subscription[C]]
    ) -> None:
        """Let the collections of new and removed subscriptions do all they can do, in later turns."""
        for subscription in begun:
            self._changed[subscription.collection] = subscription.reader
        for subscription in gone:
            self.lose_subscriber(subscription)

    def lose_subscriber(self, subscription: Subscription[C]) -> None:
        """Let the collection of a removed subscription do all it can do, in a later turn."""
        self.subscribed -= subscription.size
        self._changed.setdefault(subscription.collection)

    def _settle(self, out: Effects[C]) -> None:
        left = AT_ONCE
        while left > 0 and self._changed:
            collection, asker = self._changed.popitem(last=False)
            left -= max(1, collection.waiting_effort)
            collection.proceed(out, asker)

    def get(self, path: CollectionPath) -> Collection[C] | None:
        """Return a collection if it is in memory."""
        return self._collections.get(path)

    def all(self) -> Iterable[Collection[C]]:
        """Return all collections in memory."""
        return self._collections.values()

    def take_in(self, path: CollectionPath, request: QueuedRequest[C]) -> None:
        """Queue an update or a read of any collection; the caller then calls `flush`."""
        collection = self.open(path)
        collection.take_in(request)
        self._dirty[collection] = None

    @property
    def is_unfinished(self) -> bool:
        """Whether a collection was given a request and has yet to proceed, or there is long work to go on with."""
        more = self._dirty or self._changed or self.turns or self.leftovers
        return bool(more or self._is_crowded or self.encoded.is_over)

    def flush(self, asker: Reader[C] | None, out: Effects[C]) -> None:
        """Let the collections that were given requests, by `asker`, do all they can do now."""
        while self._dirty:
            collection, _ = self._dirty.popitem(last=False)
            collection.proceed(out, asker)

    def request(self, path: CollectionPath, request: QueuedRequest[C], out: Effects[C]) -> None:
        """Queue an update or a read of any collection, and let it proceed."""
        self.take_in(path, request)
        self.flush(request.author.reader, out)

    def give(self, path: CollectionPath, answer: Settled[C], out: Effects[C]) -> None:
        """Give the author of a stored update an answer that was deferred, by the collection as it is in memory now."""
        collection = self._collections.get(path)
        if collection is None:
            answer_author(answer, self.counters, out)
        else:
            collection.give(answer, out)

    # --- loads ------------------------------------------------------------------------------------

    def begin_load(self, collection: Collection[C], asker: Reader[C] | None) -> bool:
        """Return whether a collection may load now; if not, it is queued and `proceed` is called in its turn."""
        return self._load_queues[collection.path.service].try_acquire(collection, asker)

    def want_no_load(self, collection: Collection[C]) -> None:
        """Remove a collection from the load queue."""
        self._load_queues[collection.path.service].cancel(collection)

    def end_load(self, collection: Collection[C]) -> None:
        """Record that a load has ended; the input that ends it calls `go_on_loading` when all else is done."""
        self._load_queues[collection.path.service].release()

    def go_on_loading(self, service: str, out: Effects[C]) -> None:
        """Let the next collections in the load queue begin."""
        queue = self._load_queues[service]
        while (collection := queue.next()) is not None:
            collection.proceed(out)

    def loaded(self, collection: Collection[C]) -> None:
        """Record that the content of a collection is in memory."""
        self._loaded[collection.path.service][collection.path] = None

    def unloaded(self, collection: Collection[C]) -> None:
        """Record that it is not any more."""
        self._loaded[collection.path.service].pop(collection.path, None)

    def all_loaded(self, service: str) -> list[CollectionPath]:
        """Return the collections of a service whose content is in memory."""
        return list(self._loaded[service])

    @property
    def number_loaded(self) -> int:
        """Number of collections whose content is in memory."""
        return sum(map(len, self._loaded.values()))

    # --- deadlines --------------------------------------------------------------------------------

    def set_deadline(self, collection: Collection[C], which: Deadline, at: float) -> None:
        """Schedule a call of `collection.deadline(which)` for the time `at`."""
        self._deadlines.set((which, collection), at)

    def next_deadline(self) -> float | None:
        """Return the time of the next deadline, if there is one."""
        return self._deadlines.next()

    def wake(self, out: Effects[C]) -> None:
        """Handle the passage of time: retry loads, drop idle collections, give one collection a turn of its work."""
        self.flush(None, out)
        self.leftovers.free()
        self.encoded.trim()
        if (collection := self.turns.next()) is not None:
            collection.go_on(out)
            self.go_on_loading(collection.path.service, out)
        self._settle(out)
        for which, collection in self._deadlines.due(out.now, AT_ONCE):
            collection.deadline(which, out)
        self._make_room(AT_ONCE)

    def linger(self, collection: Collection[C], now: float) -> None:
        """Keep an unused collection for a while, within the memory bound; if many have to go for it, in later turns."""
        self._wake_up(collection)
        self._lingering[collection] = collection.memory
        self._lingering_bytes += self._lingering[collection]
        self.set_deadline(collection, "linger", now + self.limits.linger_seconds)
        self._make_room(1)

    def _make_room(self, most: int) -> None:
        """Drop those that have lingered for the longest, until there is room for the others: `most` of them."""
        while most and self._is_crowded:
            if self._lingering_views:
                view, collection = next(iter(self._lingering_views.items()))
                collection.close_unused(view)
            else:
                self.forget(next(iter(self._lingering)))
            most -= 1

    def linger_view(self, collection: Collection[C], view: View) -> None:
        """Keep a view that nobody sees for as long as its collection wants, within the memory bound."""
        self._lingering_views[view] = collection
        self._lingering_bytes += view.definition.size

    def wake_view(self, view: View) -> None:
        """Record that a view does not linger any more."""
        if self._lingering_views.pop(view, None) is not None:
            self._lingering_bytes -= view.definition.size

    @property
    def _is_crowded(self) -> bool:
        """Whether more lingers than there is memory for."""
        return self._lingering_bytes > self.live_limits.current.linger_bytes

    def _wake_up(self, collection: Collection[C]) -> None:
        self._lingering_bytes -= self._lingering.pop(collection, 0)

    def forget(self, collection: Collection[C]) -> None:
        """Drop a collection, which holds nothing of value."""
        self._wake_up(collection)
        self._dirty.pop(collection, None)
        self.turns.discard(collection)
        self._changed.pop(collection, None)
        for which in DEADLINES:
            self._deadlines.cancel((which, collection))
        collection.forget_content()
        collection.forget_views()
        del self._collections[collection.path]
