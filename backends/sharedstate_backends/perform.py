"""The core's storage operations, carried out on a backend."""

from collections.abc import Mapping, Sequence
from typing import cast

from sharedstate_core.driver import Operation
from sharedstate_core.effects import Commit, Doubt, ListApps, ListCollections, Load
from sharedstate_core.storage import CommitResult, Loaded

from .contract import Backend, Doubting, ListingApps, ListingPages, NotOfferedError
from .pages import page_of


def patchable(backends: Mapping[str, Backend]) -> tuple[str, ...]:
    """Return the names of the services whose backends carry out patches: see `Patching`."""
    names = backends.items()
    return tuple(name for name, each in names if getattr(each, "takes_patches", False) is True)


def resendable(backends: Mapping[str, Backend]) -> tuple[str, ...]:
    """Return the names of the services whose backends keep receipts: see `KeepingReceipts`."""
    names = backends.items()
    return tuple(name for name, each in names if getattr(each, "keeps_receipts", False) is True)


async def perform(
    backend: Backend, operation: Operation
) -> CommitResult | Loaded | Sequence[str] | None:
    """Carry out one operation of the core on the backend of `operation.service`; return its result.

    A backend need not support `Doubt`, which has no result.

    Raises:
        StorageError: it failed, and nothing was stored; a NotOfferedError if the backend cannot list apps.
        Exception: whatever else the backend raises. The outcome of a Commit is then unknown.
    """
    match operation:
        case Commit(_, path, writes):
            return await backend.commit(path, writes)
        case Load(_, path, since):
            return await backend.load(path, since)
        case ListCollections(_, _, app, after, limit):
            if hasattr(backend, "collections_page"):
                return await cast("ListingPages", backend).collections_page(app, after, limit)
            return page_of(await backend.collections(app), after, limit)
        case ListApps(_, _, after, limit):
            if hasattr(backend, "apps_page"):
                return await cast("ListingPages", backend).apps_page(after, limit)
            if not hasattr(backend, "apps"):
                raise NotOfferedError("cannot tell which apps it has")
            return page_of(await cast("ListingApps", backend).apps(), after, limit)
        case Doubt(path, cursor):
            if hasattr(backend, "doubt"):
                await cast("Doubting", backend).doubt(path, cursor)
            return None


def failure_event(operation: Operation) -> str:
    """Return the `event` of the log line for an operation that failed: `commit_failed`, `list_failed` and the like."""
    match operation:
        case Commit():
            return "commit_failed"
        case Load():
            return "load_failed"
        case ListCollections() | ListApps():
            return "list_failed"
        case Doubt():
            return "doubt_failed"
