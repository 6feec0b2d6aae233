"""One connection's interest in one collection, or in a view of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.filters.wanted import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.filters.wanted import Wanted
    from sharedstate_core.items.notices import Audience
    from sharedstate_core.messages import Message
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor
    from sharedstate_core.views.definition import Definition

    from .reader import Reader

C_contra = TypeVar("C_contra", contravariant=True)

SUBSCRIPTION_BYTES: Final = 650
"""Approximate memory that a subscription takes in addition to its path and its options, with the 110 for its place in
the backlog of a blocked reader."""


def subscription_size(path: str, sub: bytes, definition: Definition | None) -> int:
    """Return the approximate memory that a subscription takes, in bytes, without its collection."""
    return SUBSCRIPTION_BYTES + len(path) + len(sub) + (definition.size if definition else 0)


class Watched(Protocol[C]):
    """The collection of a subscription, as its reader sees it.

    Attributes:
        path: the collection's path.
    """

    path: CollectionPath

    @property
    def waiting_effort(self) -> int:
        """What it takes to bring up to date those who wait for its content."""
        ...

    def subscribe(self, subscription: Subscription[C]) -> None:
        """Add a subscriber, which is told nothing before `begin`."""
        ...

    def begin(self, subscription: Subscription[C]) -> None:
        """Let a subscriber have one synchronising notification and then every change.

        The caller then calls `proceed`.
        """
        ...

    def unsubscribe(self, subscription: Subscription[C]) -> None:
        """Remove a subscriber; the caller then calls `proceed`."""
        ...

    def suspend(self, subscription: Subscription[C]) -> None:
        """Keep nothing but a cursor for this subscriber until `catch_up`."""
        ...

    def redefine(self, subscription: Subscription[C], definition: Definition | None) -> None:
        """Let a suspended subscriber see something else from now on, beginning with all of it."""
        ...

    def catch_up(self, subscription: Subscription[C], out: list[Effect[C]]) -> Sequence[Message]:
        """Return what brings a subscriber up to date, for the caller to send; nothing yet without content."""
        ...

    def proceed(self, out: Effects[C], asker: Reader[C] | None = None) -> None:
        """Do all that can be done now that subscribers have come, `asker` last, or left."""
        ...


class InStep(Protocol[C_contra]):
    """Those who are in step with one another.

    Attributes:
        cursor: the state they have been brought to.
    """

    cursor: Cursor

    def leave(self, connection: C_contra) -> None:
        """Remove a connection."""
        ...


class Subscription(Generic[C]):
    """One connection's interest in one collection, under the path as the connection spelled it.

    Attributes:
        wanted: what it asks for.
        definition: what it is shown; None for the whole collection.
        audience: the subscribers with which it shares its messages once it is in step.
        group: those in step with it; None while it is not.
        cursor: the state the subscriber holds; None for nothing. Not updated while it is in step, when it
            holds what the replica holds.
        begins_anew: whether what it holds at its cursor is something else than what it is shown now: it is told all.
        is_new: whether it is still owed the synchronising notification, which is sent even if empty.
        sub: JSON text of the options, as sent.
    """

    __slots__ = (
        "audience",
        "begins_anew",
        "collection",
        "cursor",
        "definition",
        "group",
        "is_new",
        "reader",
        "sub",
        "wanted",
    )

    def __init__(
        self,
        reader: Reader[C],
        collection: Watched[C],
        audience: Audience,
        sub: bytes,
        cursor: Cursor | None,
        definition: Definition | None = None,
        wanted: Wanted = EVERYTHING,
    ) -> None:
        self.wanted = wanted
        self.definition = definition
        self.reader = reader
        self.collection = collection
        self.audience = audience
        self.sub = sub
        self.cursor = cursor
        self.group: InStep[C] | None = None
        self.is_new = True
        self.begins_anew = False

    @property
    def base(self) -> Cursor | None:
        """The state from which it may be told what has changed; None to be told everything."""
        return None if self.begins_anew else self.cursor

    @property
    def effort(self) -> int:
        """What it takes to decide on it, or to bring it up to date; 1 for a whole collection, of a few items."""
        return 1 if self.definition is None else self.definition.effort

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes, without its collection."""
        return subscription_size(self.audience.path, self.sub, self.definition)

    def holds(self, cursor: Cursor) -> bool:
        """Return whether it has been brought to this state or a later one."""
        held = self.cursor
        return (
            not self.is_new
            and not self.begins_anew
            and held is not None
            and held.epoch == cursor.epoch
            and held.version >= cursor.version
        )
