"""What a collection needs of the server it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

from sharedstate_core.effects import C, Effects

if TYPE_CHECKING:
    from sharedstate_core.counters import Counters
    from sharedstate_core.limits import Limits, LiveLimits
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.pending import Pending

    from .operations import Operation
    from .reader import Reader

One_contra = TypeVar("One_contra", contravariant=True)
"""The collection."""

Deadline: TypeAlias = Literal["retry", "probe", "linger"]
DEADLINES: Final[tuple[Deadline, ...]] = get_args(Deadline)


class CollectionHost(Protocol[C, One_contra]):
    """What a collection needs of the server it belongs to; `registry` has it."""

    live_limits: LiveLimits
    counters: Counters
    pending: Pending

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        ...

    def issue(self, collection: One_contra) -> int:
        """Return the ticket of a new storage operation, whose outcome goes to this collection."""
        ...

    def request(self, path: CollectionPath, operation: Operation[C], out: Effects[C]) -> None:
        """Take in an update or a read of any collection."""
        ...

    def begin_load(self, collection: One_contra, asker: Reader[C] | None) -> bool:
        """Return whether this collection may load now; otherwise it waits, and is told to `proceed`."""
        ...

    def want_no_load(self, collection: One_contra) -> None:
        """Let this collection wait no longer."""
        ...

    def set_deadline(self, collection: One_contra, which: Deadline, at: float) -> None:
        """Call `deadline` of this collection at that time."""
        ...

    def linger(self, collection: One_contra, now: float) -> None:
        """Let this collection, which nobody watches, go in a while."""
        ...

    def forget(self, collection: One_contra) -> None:
        """Let this collection go: it holds nothing that matters."""
        ...
