"""What the client keeps of one collection beside the core: who holds it, who listens, who waits for it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakSet

import anyio

from sharedstate_core import Cursor, SharedStateError
from sharedstate_core.client import (
    At,
    Changed,
    ClientProtocol,
    ClosedError,
    Filter,
    Key,
    Moved,
    Refused,
    Synced,
)

from .changes import Changes
from .loop_affinity import LoopAffinity

T = TypeVar("T")


class ReleasedError(SharedStateError):
    """The dataset was released: it stays readable, but is no longer kept in sync."""

    code: str = "released"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} was released")


class Notifier:
    """Wakes all tasks that wait for something to happen; costs nothing while none do."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def notify(self) -> None:
        """Wake everybody."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Return at the next `notify`."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


class Replica:
    """A collection that is held, or a part of it, or was, with its items as one dataset sees them.

    Args:
        path: of the collection, in normal form.
        asked: what of it is held, with the name of its view.
        protocol: the client core, which holds the items.
        notifier: notified when something happens.
        affinity: the event loop in which its changes may be awaited.
        synced: whether it is in sync already, for another dataset.

    Attributes:
        key: its path and view.
        asked: as given.
        handles: how often it was acquired and not yet released.
    """

    def __init__(
        self,
        path: str,
        asked: Filter,
        protocol: ClientProtocol,
        notifier: Notifier,
        affinity: LoopAffinity,
        *,
        synced: bool,
    ) -> None:
        self.key = Key(path, asked.view)
        self.asked = asked
        self.handles = 0
        self._protocol = protocol
        self._last: tuple[Mapping[str, bytes], Cursor | None, At | None] | None = None
        self._synced = synced
        self._refusal: SharedStateError | None = None
        self._end: SharedStateError | None = None
        self._listeners: WeakSet[Changes[Any]] = WeakSet()
        self._notifier = notifier
        self._affinity = affinity

    @property
    def texts(self) -> Mapping[str, bytes]:
        """Item texts by id, in order; after the release, as they were then."""
        return self._protocol.items(*self.key) if self._last is None else self._last[0]

    @property
    def cursor(self) -> Cursor | None:
        """The state that `texts` shows."""
        return self._protocol.cursor(*self.key) if self._last is None else self._last[1]

    @property
    def first(self) -> At | None:
        """The place of the first item, if it has one."""
        return self._protocol.first(*self.key) if self._last is None else self._last[2]

    # --- what happens to it -----------------------------------------------------------------------

    def renew(self) -> None:
        """Forget a refusal: the server is asked again."""
        if self._refusal is not None:
            self._refusal = None
            self._synced = False

    @property
    def is_synced(self) -> bool:
        """Whether it has been in sync and was not refused since."""
        return self._synced

    def handle(self, effect: Changed | Synced | Moved | Refused) -> None:
        """Pass an effect on to iterations and waiters."""
        match effect:
            case Changed(_, diffs):
                for changes in self._listeners:
                    changes.add(diffs)
            case Synced():
                self._synced = True
                self._refusal = None
            case Refused(_, error):
                self._refusal = error
                self._end_listeners(error)
            case Moved():
                pass
        self._notifier.notify()

    def released(self) -> None:
        """Note that it is no longer held, and keep its present state."""
        self._last = (dict(self.texts), self.cursor, self.first)
        self._finish(ReleasedError(self.key.path))

    def closed(self) -> None:
        """The client is closed."""
        self._finish(ClosedError())

    def _finish(self, error: SharedStateError) -> None:
        self._end = self._end or error
        self._end_listeners(None)
        self._notifier.notify()

    def _end_listeners(self, error: SharedStateError | None) -> None:
        for changes in self._listeners:
            changes.end(error)
        self._listeners.clear()

    # --- what a program asks of it ----------------------------------------------------------------

    def check_held(self) -> None:
        """Raise `ReleasedError` or `ClosedError` if it is over."""
        if self._end is not None:
            raise self._end.with_traceback(None)

    def listen(self, loads: Callable[[bytes], T]) -> Changes[T]:
        """Return an iterator of its changes, fed for as long as it is referenced."""
        changes = Changes(loads, self._affinity)
        if self._end is not None:
            changes.end()
        elif self._refusal is not None:
            changes.end(self._refusal)
        else:
            self._listeners.add(changes)
        return changes

    async def wait_synced(self) -> None:
        """Return once it has been in sync.

        Raises:
            SharedStateError: the server refuses, or it is over.
        """
        while not self._synced:
            await self._wait()

    async def caught_up(self, before: Cursor, conflict: Cursor | None) -> None:
        """Return once it shows what caused a conflict: a state other than `before`, and not older than `conflict`.

        Raises:
            SharedStateError: the server refuses, or it is over.
        """
        while self.cursor == before or self._is_older_than(conflict):
            await self._wait()

    def _is_older_than(self, cursor: Cursor | None) -> bool:
        held = self.cursor
        if held is None or cursor is None or held.epoch != cursor.epoch:
            return False
        return held.version < cursor.version

    async def _wait(self) -> None:
        self.check_held()
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        await self._notifier.wait()
