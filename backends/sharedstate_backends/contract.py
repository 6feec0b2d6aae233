"""The contract of a store: six calls that keep collections.

A service's module has a function `get_service(config)` which returns a `Backend`. The server calls `open` once, and
`close` when all other calls have ended. At most one `load` or `commit` is under way for a collection, but many for
different collections; `heads` and `collections` may run at any time.

Rules:

1. `commit` applies its writes in order, in one transaction. A write whose condition does not hold, or whose patch does
   not fit (see `Patching`), is rejected alone. Every other write raises the collection's version by one, except a
   no-op, which leaves it.
2. What `commit` has returned stays stored, to the extent that the service documents (in memory: until it is closed).
3. `load` is a snapshot: version, horizon and rows belong together. Neither it nor `heads` ever shows half a
   commit, not even one whose caller was cancelled and that is still under way.
4. Order of insertion survives: see `Row.created` and `Row.place`.
5. `epoch` is drawn at random when the store is created and changes only when versions start over, or when the store
   cannot rule that out: `(epoch, version)` names one state for ever. So a store that finds that its content has gone
   back (a backup was restored, a lagging replica was promoted) draws another epoch before it answers; the server then
   reloads everything and updates everybody. This package's stores use `history` to find out.
6. A caller may be cancelled. If nothing was begun, nothing needs to be done. What was begun runs to its end
   (shield it: `with anyio.CancelScope(shield=True)`), and `close` waits for that. The call ends with its result or with
   the cancellation, never with another error because of it, and the next commit follows on from what was stored.

`sharedstate_core.storage` defines rows, tombstones, horizon, cursors and conditions.
`sharedstate_backends.conformance` tests most of this; what it cannot test is listed there.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from sharedstate_core.errors import SharedStateError
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write


class ConfigurationError(SharedStateError):
    """A service's configuration is invalid. The text has one line for each mistake.

    Args:
        others: further mistakes, reported together with this one.

    Attributes:
        key: the place, relative to the object at hand (`db_table`); empty for the object itself.
        problem: what is wrong and what to do, in one sentence.
        each: all mistakes, as errors of one mistake each, this one first.
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
    """The operation failed, and certainly changed nothing: clients get `unavailable`."""


class NotOfferedError(StorageError):
    """The store does not support this; the text continues a sentence that begins with its name."""


class OldDataError(StorageError):
    """The store holds data of the first generation, which `migrate` takes over; the text ends with the command."""


class OutcomeUnknownError(SharedStateError):
    """The store was lost while a commit was ending: the commit may be stored, whole, or not at all.

    The server then calls `load`, and reports to the author that the outcome is unknown.
    """


class Backend(Protocol):
    """A store of collections. See the rules above (`python -m pydoc sharedstate_backends.contract`).

    `service` in a path is the configuration's name for the store: ignore it. `app` and `collection` have up to 128
    bytes of UTF-8 each, and any characters but `/` and controls; they are not `.` or `..`. Names and ids that differ
    in one code point are different. Ids have any characters, and up to 255 bytes of UTF-8 (the limit `id_bytes`). Texts
    come back byte for byte.

    If `commit` raises anything but a `StorageError`, its outcome is unknown. Any exception of the other calls means
    that the call failed.
    """

    async def open(self) -> None:
        """Prepare for use, creating what is missing.

        Raises:
            StorageError: the store cannot be reached or used; the message says what to do.
        """
        ...

    async def close(self) -> None:
        """Wait for what cancelled callers left running, then release everything.

        Called once, after every other call has ended, and also after a failed `open`.
        """
        ...

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Return what changed after `since` if that is known, else everything.

        It is known if `since.epoch` is the store's and `horizon <= since.version <= version`; then `base` of the result
        is `since.version`, otherwise None. A collection that nobody has written to is empty at version 0; see `Pruning`
        for one that was forgotten.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Store the writes in one transaction; return one outcome each, in order.

        Raises:
            StorageError: nothing was stored.
            OutcomeUnknownError: they may or may not be stored; any other exception counts as this one.
        """
        ...

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Return the current cursor of each of these collections: a cheap check for commits by others.

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
    """An optional part of a store: it is notified of readers that hold more than it does."""

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """Note that a reader claims to hold a state that the store does not hold.

        Either the reader is wrong, or the store's content had gone back before it was opened. The server has sent that
        reader everything. A store that believes the reader draws a new epoch, so that all others get everything too.
        Readers may be anybody: if the store believed them all, each could have everything sent to everybody.

        Raises:
            StorageError: the store cannot be used now.
        """
        ...


class Patching(Protocol):
    """An optional part of a store: it carries out the patches of updates.

    Of each write, after its condition, `sharedstate_core.updates.resolve` makes what is to be stored from the items as
    they are at that point of the transaction: it is only to be called, and the result stored as any update is. A write
    that it raises `MismatchError` for is rejected alone: `Rejected.misfit(error, version)`.

    Attributes:
        takes_patches: True. The server refuses patches for a service whose backend has not this attribute.
    """

    takes_patches: bool


class KeepingReceipts(Protocol):
    """An optional part of a store: it keeps receipts, so that an update that is sent again is stored once.

    A write may have an `op`: which of its session's updates it is. `sharedstate_core.receipts.Receipts` decides about
    those of a commit, before condition and patches are looked at, from the receipts that are stored of their sessions
    in the collection; what it leaves in `changed` is stored in the transaction of the updates. Whatever is lost, or
    set back, must be so for the receipts and the items together.

    Attributes:
        keeps_receipts: True. The server refuses updates with a number for a service whose backend has not this
            attribute.
    """

    keeps_receipts: bool

    async def forget_receipts(self, before: int, most: int) -> bool:
        """Forget receipts whose `time` is before a moment, and of each collection the oldest beyond `most`.

        The server calls this from time to time, and repeats it while there is more. Each call does a small part of
        the work.

        Args:
            before: the moment, in seconds since the Unix epoch.
            most: number of receipts that a collection may keep.

        Returns:
            Whether there is more to forget now.

        Raises:
            StorageError: the store cannot be used now.
        """
        ...


class ListingApps(Protocol):
    """An optional part of a store: it lists the apps that have items."""

    async def apps(self) -> Sequence[str]:
        """Return the names of the apps with a collection that holds an item, sorted by code point.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...


class ListingPages(Protocol):
    """An optional part of a store: it lists names in pages, so that a long list need not be read at once.

    The server calls these, if the store has them, in place of `Backend.collections` and `ListingApps.apps`. Pages are
    read at different moments; each holds what was stored when it was read.
    """

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        """Return the first `limit` names of `collections` that follow `after`, which need not be one of them.

        Args:
            app: the app.
            after: the name that the page follows, by code point; empty for the beginning.
            limit: maximum number of names; fewer mean that there are no others.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        """Return the first `limit` names of `apps` that follow `after`; see `collections_page`.

        Raises:
            StorageError: the store cannot be read now.
        """
        ...


class Pruning(Protocol):
    """An optional part of a store: it forgets collections that have become empty."""

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """Forget some empty collections, with their tombstones.

        No version is used twice: a forgotten collection is empty at a version from which it continues, and that version
        is also its horizon. The server calls this from time to time, and repeats it while there is more.

        Args:
            service: the configuration's name for the store, as used in paths.
            used: collections that must stay, since they are in this server's memory; others may be in another server's.

        Returns:
            Whether there is more to examine now.

        Raises:
            StorageError: the store cannot be used now.
        """
        ...


class Probing(Protocol):
    """A backend that can check whether it accepts writes; this is not part of the `Backend` contract.

    The server probes at its start, in `sharedstate-anyio check`, and for `/readyz` and `/metrics` if no recent commit
    has shown it. Of a backend without it only `heads` is called, which says nothing about writing.
    """

    async def probe(self) -> None:
        """Store something of the backend's own, in the way a commit is stored; no collection changes.

        A write that is rolled back is not enough: a full disk shows when a transaction ends. At most one is under
        way, in parallel with any other call.

        Raises:
            StorageError: nothing can be written now; the message says what to do. Any other exception counts as this
                one.
        """
        ...


class Surveying(Protocol):
    """A backend that can report what does not exist yet; this is not part of the `Backend` contract.

    `sharedstate-anyio check` calls it, and opens only what is complete: a check during an outage must not create an
    empty store in place of a missing one. A backend without it is opened.
    """

    async def missing(self) -> str | None:
        """Return what `open` would create, in one readable line; None if everything exists. Create nothing.

        Called instead of `open` or before it, on any loop.

        Raises:
            StorageError: the store cannot be reached, or what is missing cannot be created; the message says what
                to do.
        """
        ...


class Measurable(Protocol):
    """A backend that can report how much space it takes; this is not part of the `Backend` contract."""

    async def sizes(self) -> Mapping[str, int]:
        """Return the bytes that each part of the store takes on disk, by the part's name, such as `wal`.

        Called when `/metrics` is read; nothing else waits for it.
        """
        ...
