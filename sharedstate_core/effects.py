"""What the core asks its transport and its storage to do; every input returns a list of these.

An adapter performs them in order, each at once, without calling the core from within. Results come back
later as inputs that carry the effect's `ticket`.
"""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from .errors import RequestError
from .paths import CollectionPath
from .storage import Cursor, Write

C = TypeVar("C", bound="Hashable")
"""The transport's own handle of a connection: any hashable object."""


class Send(Struct, Generic[C], frozen=True):
    """Send one text message to each of these connections.

    The message is UTF-8 and shared: frame it once, whatever the number of connections.
    """

    connections: Sequence[C]
    message: bytes


class AwaitDrain(Struct, Generic[C], frozen=True):
    """Call `connection_drained` once all that was sent to the connection has left; nothing more is sent until then.

    If it does not leave at once, call `connection_blocked` as ever, and `connection_drained` for both. Without either
    call for `Limits.drain_seconds` the connection is closed.
    """

    connection: C


class PauseReading(Struct, Generic[C], frozen=True):
    """Read no more messages from the connection for now: its earlier requests wait."""

    connection: C


class ResumeReading(Struct, Generic[C], frozen=True):
    """Read from the connection again."""

    connection: C


class Close(Struct, Generic[C], frozen=True):
    """Close a connection with this WebSocket close code, then report `connection_closed`.

    `at_once`: without waiting for what it was sent, whose memory is needed.
    """

    connection: C
    code: int
    reason: str
    at_once: bool = False


class Commit(Struct, frozen=True):
    """Store these writes in order, in one transaction; a rejected one leaves its neighbours.

    Answer with `commit_succeeded` or `commit_failed`. At most one Commit or Load is under way per collection.
    """

    ticket: int
    collection: CollectionPath
    writes: Sequence[Write]

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.collection.service


class Load(Struct, frozen=True):
    """Read a collection at one moment: what changed since a cursor, or everything.

    Answer with `load_succeeded` or `load_failed`.
    """

    ticket: int
    collection: CollectionPath
    since: Cursor | None

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.collection.service


class ListCollections(Struct, frozen=True):
    """Read the names of an app's collections in one service.

    Answer with `list_succeeded` or `list_failed`.
    """

    ticket: int
    service: str
    app: str


class ListApps(Struct, frozen=True):
    """Read the names of the apps that have collections in one service.

    Answer with `list_succeeded` or `list_failed`.
    """

    ticket: int
    service: str


class Doubt(Struct, frozen=True):
    """A reader claims to hold a state of a collection that storage does not hold; the reader is told everything.

    It is wrong, or storage has gone back while nobody was there to see it. A store may know what to make of it. There
    is nothing to answer, and one that does not know ignores it.
    """

    collection: CollectionPath
    cursor: Cursor

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.collection.service


class Answer(Struct, frozen=True):
    """Tell whoever asked by a typed input (`Server.put`, `get`, `subscribe`) what came of it; once for each.

    Attributes:
        author: who, as the input was given it.
        data: of `put` the number of ids that the update names; of `get` the JSON text of the array of all items, as
            bytes, or a sequence of names, or of `/clock` a float; of `subscribe` None. None with an error.
        cursor: the state after the update, or the one that was read, if there is one.
        error: why nothing was done; None if it was.
        outcome_unknown: nobody knows whether the update was stored.
    """

    author: Hashable
    data: object = None
    cursor: Cursor | None = None
    error: RequestError | None = None
    outcome_unknown: bool = False


Effect: TypeAlias = (
    Send[C]
    | AwaitDrain[C]
    | PauseReading[C]
    | ResumeReading[C]
    | Close[C]
    | Commit
    | Load
    | ListCollections
    | ListApps
    | Doubt
    | Answer
)


class Effects(list[Effect[C]]):
    """The effects of one input, in order, and the time at which it came.

    Attributes:
        now: seconds of the embedder's monotonic clock.
    """

    __slots__ = ("now",)
    now: float
