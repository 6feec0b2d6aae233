"""What a collection needs from its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

from sharedstate_core.effects import C, Effects

if TYPE_CHECKING:
    from sharedstate_core.counters import Counters
    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.limits import Limits, LiveLimits
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.pending import Pending
    from sharedstate_core.views.view import View

    from .permit import RulesVersion
    from .reader import Reader
    from .settled import Settled
    from .waiting_requests import QueuedRequest

One_contra = TypeVar("One_contra", contravariant=True)
"""The collection."""

Deadline: TypeAlias = Literal["retry", "probe", "linger", "views"]
DEADLINES: Final[tuple[Deadline, ...]] = get_args(Deadline)


class CollectionHost(Protocol[C, One_contra]):
    """What a collection needs from its server; implemented in `registry`."""

    live_limits: LiveLimits
    counters: Counters
    pending: Pending
    leftovers: Leftovers
    encoded: Encoded
    rules_version: RulesVersion

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        ...

    def issue(self, collection: One_contra) -> int:
        """Return a ticket for a new storage operation of this collection."""
        ...

    def request(self, path: CollectionPath, request: QueuedRequest[C], out: Effects[C]) -> None:
        """Submit an update or a read of any collection."""
        ...

    def give(self, path: CollectionPath, answer: Settled[C], out: Effects[C]) -> None:
        """Give the author of a stored update an answer that was deferred, by the collection as it is in memory now."""
        ...

    def begin_load(self, collection: One_contra, asker: Reader[C] | None) -> bool:
        """Return whether this collection may load now; if not, it is queued and `proceed` is called in its turn."""
        ...

    def want_no_load(self, collection: One_contra) -> None:
        """Remove this collection from the load queue."""
        ...

    def end_load(self, collection: One_contra) -> None:
        """Record that a load of this collection has ended."""
        ...

    def take_turns(self, collection: One_contra) -> None:
        """Call this collection's `go_on` once, when others have had their turns."""
        ...

    def set_deadline(self, collection: One_contra, which: Deadline, at: float) -> None:
        """Schedule a call of this collection's `deadline` for the time `at`."""
        ...

    def loaded(self, collection: One_contra) -> None:
        """Record that the content of this collection is in memory."""
        ...

    def unloaded(self, collection: One_contra) -> None:
        """Record that it is not any more."""
        ...

    def linger(self, collection: One_contra, now: float) -> None:
        """Drop this unused collection after a while."""
        ...

    def linger_view(self, collection: One_contra, view: View) -> None:
        """Close this view, which nobody sees, with `close_unused` if there is no memory for it."""
        ...

    def wake_view(self, view: View) -> None:
        """Record that a view does not linger any more: it is closed, or somebody sees it."""
        ...

    def forget(self, collection: One_contra) -> None:
        """Drop this collection, which holds nothing of value."""
        ...
