"""What a service must do to keep collections, in six calls.

A service's module has a function `get_service(config)` which returns a `Backend`. The server calls `open` once, and
`close` when all other calls have ended. It never has more than one `load` or `commit` under way for one
collection, but many for different collections; `heads` and `collections` may run beside anything.

Rules:

1. `commit` applies its writes in order, in one transaction. A write whose condition does not hold is
   rejected alone. Every other write raises the collection's version by one, except a no-op, which leaves it.
2. What `commit` returned stays stored, in the sense that the service documents (in memory: until it is closed).
3. `load` reads one moment: version, horizon and rows belong together. Neither it nor `heads` ever tells of half a
   commit, not even of one whose caller was cancelled and which is still on its way.
4. Order of insertion survives: see `Row.created` and `Row.place`.
5. `epoch` is drawn at random when the store is made and changes only when its counts start anew, or when the
   store cannot tell that they did not: `(epoch, version)` names one state for ever. So a store that finds that what it
   keeps has gone back (a backup was restored, a replica that lagged was promoted) draws another epoch before it
   answers; the server then loads everything and tells everybody. `history` is how the stores of this package find out.
6. A caller may be cancelled. Before anything was begun, nothing need be done. What was begun runs to its end, whole
   (shield it: `with anyio.CancelScope(shield=True)`), and `close` waits for that. The call ends with its result or with
   the cancellation, never with an error made of it, and the store goes on from what came of it: if that is stored, the
   next commit follows on it.

`sharedstate_core.storage` has the words: rows, tombstones, horizon, cursors and conditions.
`sharedstate_backends.conformance` has cases for most of this; see there what it cannot know.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from sharedstate_core.errors import SharedStateError
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write


class ConfigurationError(SharedStateError):
    """A service's configuration is wrong. Its text has a line for each mistake.

    Args:
        others: further mistakes, told together with this one.

    Attributes:
        key: where, relative to the object at hand (`db_table`); empty for the object itself.
        problem: what is wrong and what to do, in one sentence.
        each: all the mistakes, as errors of one mistake each, this one first; often there is no other.
    """

    def __init__(self, key: str, problem: str, others: "Sequence[ConfigurationError]" = ()) -> None:
        line = f"{key}: {problem}" if key else problem
        super().__init__("\n".join([line, *map(str, others)]))
        self.key = key
        self.problem = problem
        self.each: tuple[ConfigurationError, ...] = (self,)
        if others:
            self.each = (ConfigurationError(key, problem), *others)


class StorageError(SharedStateError):
    """The store could not do it, and is certain that it changed nothing: clients are told `unavailable`."""


class NotOfferedError(StorageError):
    """The store has nothing of that kind; the text goes on after its name."""


class OldDataError(StorageError):
    """The store holds data of the first generation, which `migrate` takes over; the text ends with that command."""


class OutcomeUnknownError(SharedStateError):
    """The store was lost while a commit ended: what was written may be stored, whole, or not at all.

    The server then looks with `load`, and tells the author that the outcome is unknown.
    """


class Backend(Protocol):
    """A store of collections. See the rules above (`python -m pydoc sharedstate_backends.contract`).

    `service` in a path is the configuration's name for the store: ignore it. `app` and `collection` have up to 128
    bytes of UTF-8 each, and any characters but `/` and controls; they are not `.` or `..`. Names and ids which differ
    by one code point are different. Ids have any characters, and up to 255 bytes of UTF-8 (the limit `id_bytes`). Texts
    come back to the byte.

    Whatever exception `commit` raises that is not a `StorageError`, its outcome is unknown. Of the other calls, each
    exception tells that the call failed.
    """

    async def open(self) -> None:
        """Make ready, creating what is missing.

        Raises:
            StorageError: the store cannot be reached or used; the message says what to do.
        """
        ...

    async def close(self) -> None:
        """Wait for what cancelled callers have left behind, then let everything go.

        Called once, after every other call has ended, also after a failed `open`.
        """
        ...

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Return what changed after `since` if that can be told, else everything.

        It can be told if `since.epoch` is the store's and `horizon <= since.version <= version`; then `base` of what
        is returned is `since.version`, else None. A collection
        nobody has written to is empty at version 0; see `Pruning` for one that was forgotten.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Store the writes in one transaction; return one outcome each, in order.

        Raises:
            StorageError: nothing was stored.
            OutcomeUnknownError: nobody knows; any other exception is taken for this one.
        """
        ...

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Return the current cursor of each of these collections: a cheap look for foreign commits.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...

    async def collections(self, app: str) -> Sequence[str]:
        """Return the names of the app's collections, sorted by code point: those that hold an item.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...


class Doubting(Protocol):
    """What a store may have beside `Backend`: an ear for readers who have seen more than it holds."""

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """Hear that a reader claims to hold a state that the store does not hold.

        The reader is wrong, or what the store keeps has gone back before it was opened. The server has given it
        everything. A store that believes it draws a new epoch, so that all others get everything, too. Readers
        may be anybody: whoever believes each of them lets each of them have everything sent to everybody.

        Raises:
            StorageError: the store cannot be used now.
        """
        ...


class ListingApps(Protocol):
    """What a store may have beside `Backend`: it tells which apps have something in it."""

    async def apps(self) -> Sequence[str]:
        """Return the names of the apps that have a collection which holds an item, sorted by code point.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...


class Pruning(Protocol):
    """What a store may have beside `Backend`: it forgets collections that hold nothing any more."""

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """Forget some empty collections, with all that is kept of what was removed there.

        Versions are never counted twice: a forgotten collection is empty at a version from which it goes on, and
        its horizon is there, too. The server calls this every now and then, and goes on while there is more.

        Args:
            service: the configuration's name for the store, as it is in paths.
            used: collections that are to stay; they are in the server's memory. Others may be in another server's.

        Returns:
            Whether there is more to look at now.

        Raises:
            StorageError: the store cannot be used now.
        """
        ...


class Probing(Protocol):
    """A backend that can tell whether it takes writes; this is not part of the `Backend` contract.

    The server asks at its start, in `sharedstate-anyio check`, and for `/readyz` and `/metrics` where no commit
    has shown it lately. A backend without it is asked for `heads` only, which tells nothing of writing.
    """

    async def probe(self) -> None:
        """Store something of the backend's own, in the way a commit is stored; no collection changes.

        A write that is taken back is not enough: a full disk shows when a transaction ends. At most one is under
        way, beside any other call.

        Raises:
            StorageError: nothing can be written now; the message says what to do. Any other exception is taken
                for this one.
        """
        ...


class Surveying(Protocol):
    """A backend that can tell what is not there yet; this is not part of the `Backend` contract.

    `sharedstate-anyio check` asks, and opens only what is all there: who looks at a store in an outage must not begin
    an empty one in its place. A backend without it is opened.
    """

    async def missing(self) -> str | None:
        """Return what `open` would create, in a line for people; None if everything is there. Create nothing.

        Called instead of `open` or before it, on any loop.

        Raises:
            StorageError: the store cannot be reached, or what is missing cannot be created; the message says what
                to do.
        """
        ...


class Measurable(Protocol):
    """A backend that can tell how much room it takes; this is not part of the `Backend` contract."""

    async def sizes(self) -> Mapping[str, int]:
        """Return the bytes that each part of the store takes on its disk, by the part's name, such as `wal`.

        Asked when somebody reads `/metrics`; nothing waits for it but that.
        """
        ...
