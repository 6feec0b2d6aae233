"""What a `Client` knows: its requests, its copies, its subscriptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sharedstate_core.storage import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.updates import Update


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
    """What the client shows of one path: a state and its cursor (None: nothing yet)."""

    cursor: Cursor | None = None
    state: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Subscribed:
    """A subscription that the server has confirmed."""

    sub: Any
    synchronised: bool = False
    parts: list[Update] = field(default_factory=list)
