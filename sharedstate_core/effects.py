"""The effects, by which the core asks its transport and storage to act; every input returns a list of them.

An adapter performs them in order, each immediately, without calling the core while doing so. Results come back later
as inputs that carry the effect's `ticket`.
"""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from .clock import WallClock
from .errors import LocalProtocolError, RequestError
from .messages import Message
from .paths import CollectionPath
from .storage import Cursor, Write

C = TypeVar("C", bound="Hashable")
"""The transport's own handle for a connection: any hashable object."""


class Send(Struct, Generic[C], frozen=True):
    """Send one text message to each of these connections.

    The message is in UTF-8 and shared: frame it once, however many connections there are. A long one comes in pieces,
    which it shares with others (`Spliced`); `bytes(message)` is the text in any case, and copies only a long one.
    """

    connections: Sequence[C]
    message: Message


class AwaitDrain(Struct, Generic[C], frozen=True):
    """Call `connection_drained` once everything sent to the connection has left; nothing more is sent until then.

    If it does not leave at once, call `connection_blocked` as usual; one `connection_drained` then answers both.
    Without either call for `Limits.drain_seconds`, the connection is closed.
    """

    connection: C


class PauseReading(Struct, Generic[C], frozen=True):
    """Read no more messages from the connection for now: its earlier requests wait."""

    connection: C


class ResumeReading(Struct, Generic[C], frozen=True):
    """Read from the connection again."""

    connection: C


class Close(Struct, Generic[C], frozen=True):
    """Close a connection with this WebSocket close code, then call `connection_closed`.

    `at_once`: do not wait until what it was sent has left, since its memory is needed.
    """

    connection: C
    code: int
    reason: str
    at_once: bool = False


class Authenticate(Struct, Generic[C], frozen=True):
    """Find out whose connection this is; until the outcome, what it sends waits.

    Answer with `authenticated` or `authentication_failed`.

    Attributes:
        ticket: names the question.
        connection: the connection.
        token: what its client has sent as proof, a secret; None if the proof came with the connection itself.
    """

    ticket: int
    connection: C
    token: str | None

    def __repr__(self) -> str:
        token = None if self.token is None else "***"
        return f"Authenticate(ticket={self.ticket}, connection={self.connection!r}, token={token})"


class Commit(Struct, frozen=True):
    """Store these writes in order, in one transaction; a rejected one does not affect the others.

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
    """Read names of an app's collections in one service: the first `limit` that follow `after`, by code point.

    Answer with `list_succeeded` or `list_failed`; what else is in the answer is left out.
    """

    ticket: int
    service: str
    app: str
    after: str
    limit: int


class ListApps(Struct, frozen=True):
    """Read names of the apps that have collections in one service: the first `limit` that follow `after`.

    Answer with `list_succeeded` or `list_failed`; what else is in the answer is left out.
    """

    ticket: int
    service: str
    after: str
    limit: int


class Doubt(Struct, frozen=True):
    """A reader claims to hold a state of a collection that storage does not hold; the reader is sent everything.

    Either the reader is wrong, or storage has gone back unobserved. A store may know what to do about it; others ignore
    it. There is no answer.
    """

    collection: CollectionPath
    cursor: Cursor

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.collection.service


class Refused(Struct, frozen=True):
    """Log that the result of a large load, taken in by turns, has turned out to be impossible.

    The load counts as failed, and is retried like any other. There is no answer.
    """

    load: Load
    error: LocalProtocolError


class Answer(Struct, frozen=True):
    """Give the author of a typed input (`Server.put`, `get`, `subscribe`, `unsubscribe`) its answer, once for each.

    Attributes:
        author: the author, as passed to the input.
        data: for `put` the number of ids that the update names; for `get` the JSON text of the array of all items, as
            bytes, or a sequence of names, or a float for `/clock`; else None. None with an error.
        cursor: the state after the update, or the one that was read, if there is one.
        error: why nothing was done; None on success.
        outcome_unknown: whether it is unknown if the update was stored.
        more: whether a list of names goes on after those in `data`, or there are older items than those in it.
        at: for each item in `data` its place in the order, as the JSON text of an array of pairs, where not all of the
            collection was asked for, or may be seen; else None.
    """

    author: Hashable
    data: object = None
    cursor: Cursor | None = None
    error: RequestError | None = None
    outcome_unknown: bool = False
    more: bool = False
    at: bytes | None = None


Effect: TypeAlias = (
    Send[C]
    | AwaitDrain[C]
    | PauseReading[C]
    | ResumeReading[C]
    | Close[C]
    | Authenticate[C]
    | Commit
    | Load
    | ListCollections
    | ListApps
    | Doubt
    | Refused
    | Answer
)


class Effects(list[Effect[C]]):
    """The effects of one input, in order, and the time of the input.

    Attributes:
        now: seconds of the embedder's monotonic clock.
        clock: tells the time of day.
    """

    __slots__ = ("clock", "now")
    now: float
    clock: WallClock

    @property
    def time(self) -> float | None:
        """Seconds since the Unix epoch; None if the embedder has not set the clock."""
        return self.clock.at(self.now)
