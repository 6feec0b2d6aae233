"""What is under way in a World: messages on links, operations in the store."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from sharedstate_core.effects import Commit, ListApps, ListCollections, Load
    from sharedstate_core.storage import CommitResult, Loaded


class Connection(NamedTuple):
    """The World's handle for a connection: the client's number, and the connection's own, unique in the World."""

    client: int
    number: int


@dataclass(slots=True)
class Link:
    """One client's link to the server; `connection` is None while it is cut.

    Attributes:
        inbox: messages that the server has sent and the client has not received yet.
        reading: whether the server wants more messages from this connection.
        blocked: whether the reader was reported as blocked.
        draining: whether the server waits until everything it sent has left.
        closed_with: code of the server's `Close` that ended the last connection.
    """

    connection: Connection | None = None
    inbox: deque[bytes] = field(default_factory=deque)
    reading: bool = True
    blocked: bool = False
    draining: bool = False
    closed_with: int | None = None


Result: TypeAlias = "CommitResult | Loaded | list[str]"


@dataclass(slots=True)
class Operation:
    """A storage operation under way; `result` is set once the store has carried it out."""

    effect: Commit | Load | ListCollections | ListApps
    result: Result | None = None
