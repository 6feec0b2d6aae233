"""What a `Client` knows: its requests, its copies, its subscriptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sharedstate_core.storage import Cursor
from sharedstate_core.updates import apply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.updates import Update

Name: TypeAlias = "str | tuple[str, str]"
"""Of a subscription: its path as spelled, or that and its `view`."""


_END: Final = (inf, 0)
"""Where an item without a place stands."""


def path_of(name: Name) -> str:
    """Return the path of a subscription, as spelled."""
    return name if isinstance(name, str) else name[0]


@dataclass(slots=True)
class Asked:
    """One request, and its reply once there is one.

    Attributes:
        tunnel: number of the request, unique for the client.
        connection: which of the client's connections it was sent on, counted from 1.
        update: the update that a PUT to a collection asks for; None for any other request.
        reply: the whole reply, as JSON values; None until it comes.
        items: the texts of the items in the reply to a GET of a collection.
    """

    tunnel: int
    connection: int
    cmd: Literal["GET", "PUT"]
    path: str
    arg: Any = None
    update: Update | None = None
    reply: dict[str, Any] | None = None
    items: list[bytes] | None = None

    @property
    def ok(self) -> bool:
        """Whether it was answered with success."""
        return self.reply is not None and self.reply["ok"] is True

    @property
    def code(self) -> str | None:
        """The error code of a failed reply."""
        return None if self.reply is None or self.ok else self.reply["error"]["code"]

    @property
    def cursor(self) -> Cursor | None:
        """The state that the reply names, if any."""
        if self.reply is None or "version" not in self.reply:
            return None
        return Cursor(self.reply["epoch"], self.reply["version"])


@dataclass(slots=True)
class Copy:
    """What the client shows of one subscription.

    Attributes:
        cursor: the state of the collection that it names; None: nothing yet.
        state: item texts by id, in order.
        places: where items stand in the order of the collection, by id; empty if that is not told.
        scope: what the server calls that which the client may see of it; None if it has no name.
        sub: what was asked for, of which this is shown; it is not compared.
    """

    cursor: Cursor | None = None
    state: Mapping[str, bytes] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    scope: str | None = None
    sub: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def apply(self, update: Update, at: Mapping[str, tuple[int, int]] | None) -> None:
        """Apply an update; with places, items stand in their order."""
        self.state = apply(self.state, update)
        kept = {} if update.reset else self.places
        self.places = {id: kept[id] for id in self.state if id in kept} | dict(at or {})
        if self.places:
            order = sorted(self.state, key=lambda id: self.places.get(id, _END))
            self.state = {id: self.state[id] for id in order}


@dataclass(slots=True)
class Subscribed:
    """A subscription that the server has confirmed.

    Attributes:
        sub: as asked for.
        synchronised: whether all that there was has come.
        parts: what has come of a change or a snapshot in parts.
        due: the state that its copy has to reach, since the client has been refused an update there.
    """

    sub: Any
    synchronised: bool = False
    parts: list[tuple[Update, Mapping[str, tuple[int, int]] | None]] = field(default_factory=list)
    due: Cursor | None = None
