"""Instrumentation of a backend: measures its calls, counts failures, and checks results against the contract."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final, cast

from sharedstate_backends.contract import NotOfferedError
from sharedstate_backends.pages import page_of

from . import contract_checks, proof
from .epochs import Epochs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Container, Mapping, Sequence

    from sharedstate_backends import (
        Backend,
        Doubting,
        KeepingReceipts,
        ListingApps,
        ListingPages,
        Pruning,
    )
    from sharedstate_core import CollectionPath, CommitResult, Cursor, Loaded, Write

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds of a histogram's buckets, in seconds; an extra bucket takes longer durations."""


class Durations:
    """A histogram of seconds.

    Attributes:
        counts: one for each bucket of `BOUNDS`, and one for longer durations.
        seconds: the sum of all durations.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class InstrumentedBackend:
    """A backend that wraps and measures another one.

    Args:
        backend: the one to measure.
        service: its name.

    Attributes:
        commits: durations of commits, including failed ones.
        loads: durations of loads, likewise.
        errors: number of failed calls, by the name of the method; the executor counts the core's refusals.
        proof: whether it accepts updates.
    """

    def __init__(self, backend: Backend, service: str) -> None:
        self._backend = backend
        self._epochs = Epochs(service)
        self.commits = Durations()
        self.loads = Durations()
        self.errors: Counter[str] = Counter(
            commit=0, load=0, heads=0, collections=0, apps=0, probe=0, prune=0
        )
        self.proof = proof.Proof()

    @property
    def takes_patches(self) -> bool:
        """See `Patching`."""
        return getattr(self._backend, "takes_patches", False) is True

    @property
    def keeps_receipts(self) -> bool:
        """See `KeepingReceipts`."""
        return getattr(self._backend, "keeps_receipts", False) is True

    async def open(self) -> None:
        """Open it."""
        await self._backend.open()

    async def close(self) -> None:
        """Close it."""
        await self._backend.close()

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Load and measure."""
        began = time.perf_counter()
        try:
            return await contract_checks.call(self._backend.load(collection, since), "load")
        except Exception:
            self._failed("load")
            raise
        finally:
            self.loads.add(time.perf_counter() - began)

    def loaded(self, loaded: Loaded) -> None:
        """Note a load that the core has accepted."""
        self._epochs.see(loaded.epoch)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Commit and measure."""
        began = time.perf_counter()
        try:
            return await contract_checks.call(self._backend.commit(collection, writes), "commit")
        except Exception:
            self._failed("commit")
            raise
        finally:
            self.commits.add(time.perf_counter() - began)

    def committed(self, began: float, writes: Sequence[Write], result: CommitResult) -> None:
        """Note a commit that the core has accepted; it began at `began`, on the monotonic clock."""
        self.proof.committed(began, writes, result)
        self._epochs.see(result.epoch)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Read the heads."""
        try:
            found = contract_checks.heads(
                await contract_checks.call(self._backend.heads(collections), "heads")
            )
        except Exception:
            self._failed("heads")
            raise
        for cursor in found.values():
            self._epochs.see(cursor.epoch)
        return found

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """Let the store know of a reader who has seen more than it holds, if it can handle that."""
        if hasattr(self._backend, "doubt"):
            await contract_checks.call(
                cast("Doubting", self._backend).doubt(collection, cursor), "doubt"
            )

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """Let the store prune empty collections, if it can; return whether there is more to do."""
        if not hasattr(self._backend, "prune"):
            return False
        try:
            pruning = cast("Pruning", self._backend).prune(service, used)
            return await contract_checks.call(pruning, "prune") is True
        except Exception:
            self._failed("prune")
            raise

    async def forget_receipts(self, before: int, most: int) -> bool:
        """Let the store forget receipts, if it keeps any; return whether there is more to do."""
        if not hasattr(self._backend, "forget_receipts"):
            return False
        try:
            forgetting = cast("KeepingReceipts", self._backend).forget_receipts(before, most)
            return await contract_checks.call(forgetting, "forget_receipts") is True
        except Exception:
            self._failed("prune")
            raise

    async def collections(self, app: str) -> Sequence[str]:
        """List the collections of an app."""
        try:
            return await contract_checks.call(self._backend.collections(app), "collections")
        except Exception:
            self._failed("collections")
            raise

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        """List some of the collections of an app."""
        if not hasattr(self._backend, "collections_page"):
            return page_of(await self.collections(app), after, limit)
        pages = cast("ListingPages", self._backend)
        try:
            read = pages.collections_page(app, after, limit)
            return await contract_checks.call(read, "collections_page")
        except Exception:
            self._failed("collections")
            raise

    async def apps(self) -> Sequence[str]:
        """List the apps."""
        if not hasattr(self._backend, "apps"):
            raise NotOfferedError("cannot tell which apps it has")
        return await self._apps(cast("ListingApps", self._backend).apps(), "apps")

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        """List some of the apps."""
        if not hasattr(self._backend, "apps_page"):
            return page_of(await self.apps(), after, limit)
        pages = cast("ListingPages", self._backend)
        return await self._apps(pages.apps_page(after, limit), "apps_page")

    async def _apps(self, read: Awaitable[Sequence[str]], method: str) -> Sequence[str]:
        try:
            return await contract_checks.call(read, method)
        except NotOfferedError:
            raise
        except Exception:
            self._failed("apps")
            raise

    async def prove(self, service: str) -> None:
        """Return if it can be read and accepts updates; see `proof.prove`."""
        began = time.monotonic()
        try:
            await proof.prove(self._backend, service)
        except Exception:
            self._failed("probe")
            raise
        self.proof.stored(began)

    async def sizes(self) -> Mapping[str, int]:
        """Return its bytes on disk, by part; empty if unknown."""
        sizes = getattr(self._backend, "sizes", None)
        return (
            {}
            if sizes is None
            else contract_checks.sizes(await contract_checks.call(sizes(), "sizes"))
        )

    def _failed(self, operation: str) -> None:
        self.errors[operation] += 1
        self.proof.failed()
