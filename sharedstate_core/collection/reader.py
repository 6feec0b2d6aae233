"""A reader of a collection, as the collection sees it; a connection's session is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias

from sharedstate_core.effects import C, Effect, Effects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sharedstate_core.identity import Identity
    from sharedstate_core.messages import Message
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor
    from sharedstate_core.views.definition import Definition


ReaderState: TypeAlias = Literal["ready", "blocked", "closed"]
"""*Blocked*: it cannot take anything now. *Closed*: it was given up or has gone."""


class Deferred(Generic[C]):
    """Something put off until a reader can take its result.

    Args:
        resume: does it.
        abandon: informs its author if the reader leaves first.
        size: approximate memory it takes until then, in bytes.
        requests: 1 if it carries out a request, 0 if it answers one.
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


def tell_nobody(out: list[Effect[C]]) -> None:
    """Do nothing: what has ended, or been abandoned, has no author."""


class Reader(Protocol[C]):
    """A reader, which may be slow.

    Attributes:
        connection: the transport's handle.
        state: whether it can take something now.
        identity: its user.
        id: the public name of its client's session; None if it has none.
        is_giving: whether it is being given what it is owed, in this very input: it is ready, but not all has come.
    """

    connection: C
    state: ReaderState
    is_giving: bool
    identity: Identity
    id: str | None

    @property
    def has_deferred(self) -> bool:
        """Whether one of its requests is deferred, so that all later ones must be."""
        ...

    def has_room(self, out: list[Effect[C]]) -> bool:
        """Return whether something large may be begun for this reader; if not, it is blocked until its turn comes."""
        ...

    def take(self, messages: Sequence[Message], out: list[Effect[C]]) -> None:
        """Send messages meant for this reader alone, which may block it."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can be shown content: it is ready, or gets what it is owed by turns."""
        ...

    def owes(self, path: CollectionPath, cursor: Cursor) -> bool:
        """Return whether one of its subscriptions to a collection has yet to be brought to this state."""
        ...

    def definitions(self, path: CollectionPath) -> Iterable[Definition]:
        """Return what it is shown of a collection through each of its views."""
        ...

    def defer(self, deferred: Deferred[C], out: list[Effect[C]]) -> None:
        """Call `deferred.resume(out)` when the reader has drained."""
        ...

    def defer_again(self, those: Sequence[Deferred[C]], out: list[Effect[C]]) -> None:
        """Defer what was already under way, ahead of everything deferred so far: it came earlier."""
        ...
