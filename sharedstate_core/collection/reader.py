"""Who hears of a collection, as far as a collection needs to know: the session of a connection is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias

from sharedstate_core.effects import C, Effect, Effects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor


ReaderState: TypeAlias = Literal["ready", "blocked", "closed"]
"""*Blocked*: it cannot take anything now. *Closed*: it is given up, or gone."""


class Deferred(Generic[C]):
    """What is to be done when a reader can take what comes of it.

    Args:
        resume: does it.
        abandon: lets its author know, if the reader has left before.
        size: about how many bytes of memory it takes until then.
        requests: 1 if it is to carry a request out, 0 if it is to answer one.
    """

    __slots__ = ("_size", "abandon", "requests", "resume")

    def __init__(
        self,
        resume: Callable[[Effects[C]], None],
        abandon: Callable[[list[Effect[C]]], None],
        size: int,
        requests: int = 1,
    ) -> None:
        self.resume = resume
        self.abandon = abandon
        self.requests = requests
        self._size = size

    def __len__(self) -> int:
        return self._size


class Reader(Protocol[C]):
    """A reader, who may be slow.

    Attributes:
        connection: the transport's handle.
        state: whether it can take something now.
    """

    connection: C
    state: ReaderState

    @property
    def has_deferred(self) -> bool:
        """Whether a request of it is put off, so that all later ones have to be."""
        ...

    def take(self, messages: Sequence[bytes], out: list[Effect[C]]) -> None:
        """Send messages that are for this reader alone; it may be blocked by them."""
        ...

    def owes(self, path: CollectionPath, cursor: Cursor) -> bool:
        """Return whether a subscription to a collection has still to be brought to this state."""
        ...

    def defer(self, deferred: Deferred[C], out: list[Effect[C]]) -> None:
        """Call `deferred.resume(out)` when the reader has drained."""
        ...

    def defer_again(self, those: Sequence[Deferred[C]], out: list[Effect[C]]) -> None:
        """Postpone what was under way already: it came before whatever is deferred now."""
        ...
