"""Performs the core's storage operations on the services' backends, and passes their outcomes to the driver.

Each runs in a task that belongs to the server: a client that leaves does not cancel its update.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sharedstate_anyio.storage.contract_checks import BrokenContractError, refused
from sharedstate_anyio.tasks.workers import Workers
from sharedstate_backends import OutcomeUnknownError, StorageError, perform
from sharedstate_backends.contract import NotOfferedError
from sharedstate_backends.perform import failure_event
from sharedstate_core import Commit, Doubt, ListApps, ListCollections, Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
    from sharedstate_anyio.storage.instrumented import InstrumentedBackend
    from sharedstate_core.driver import Driver, Operation

    from .peer import Peer


class _Ended(NamedTuple):
    """A commit that has ended.

    Attributes:
        commit: the operation.
        began: when, on the monotonic clock.
        result: what the backend returned or raised.
    """

    commit: Commit
    began: float
    result: Any


class Executor:
    """Begins operations, and passes their outcomes to the driver.

    Args:
        backends: an open backend for each service.
        driver: whose operations they are.
        tasks: the task group that owns the operations.
        errors: logs those that failed.
    """

    def __init__(
        self,
        backends: Mapping[str, InstrumentedBackend],
        driver: Driver[Peer],
        tasks: TaskGroup,
        errors: RepeatedErrors,
    ) -> None:
        self._backends = backends
        self._driver = driver
        self._tasks = tasks
        self._errors = errors
        self._doubted: set[str] = set()  # services whose store is handling a doubt
        self._commits = Workers(tasks, self._commit, self._committed)

    def start(self, operation: Operation) -> None:
        """Begin an operation."""
        match operation:
            case Commit():
                self._commits.start(operation)
            case Load():
                self._tasks.start_soon(self._load, operation)
            case ListCollections() | ListApps():
                self._tasks.start_soon(self._list, operation)
            case Doubt():  # unless the store is still handling another one
                if operation.service not in self._doubted:
                    self._doubted.add(operation.service)
                    self._tasks.start_soon(self._doubt, operation)

    async def _perform(self, operation: Operation) -> Any:
        """Return the result of an operation or the exception it raised: whatever a plugin raises is an outcome."""
        try:
            return await perform(self._backends[operation.service], operation)
        except Exception as error:  # noqa: BLE001
            return error

    async def _commit(self, commit: Commit) -> _Ended:
        began = time.monotonic()
        return _Ended(commit, began, await self._perform(commit))

    def _committed(self, ended: _Ended) -> None:
        commit, began, result = ended
        if self._ended(commit, result):
            self._backends[commit.service].committed(began, commit.writes, result)

    async def _load(self, load: Load) -> None:
        loaded = await self._perform(load)
        if self._ended(load, loaded):
            self._backends[load.service].loaded(loaded)

    async def _list(self, read: ListCollections | ListApps) -> None:
        self._ended(read, await self._perform(read))

    async def _doubt(self, doubt: Doubt) -> None:
        try:
            error = await self._perform(doubt)
            if error is not None:
                self._report(doubt, error)
        finally:
            self._doubted.discard(doubt.service)

    def _ended(self, operation: Operation, result: Any) -> bool:
        """Pass the outcome of an operation to the driver; return whether it is a result that the core accepts."""
        now = time.monotonic()
        if not isinstance(result, Exception):
            return self._driver.succeeded(operation, result, now)
        text = None
        if isinstance(result, NotOfferedError):  # not a failure
            text = f"service {operation.service} {result}"
        else:
            self._report(operation, result)
        unknown = not isinstance(result, StorageError)
        self._driver.failed(operation, now, text, outcome_unknown=unknown)
        return False

    def refused(self, operation: Operation, error: Exception) -> None:
        """Count and report a result that the core has refused: that is a fault of the service."""
        method, _ = _names(operation)
        self._backends[operation.service].errors[method] += 1
        self._report(operation, refused(method, error))

    def _report(self, operation: Operation, error: Exception) -> None:
        _, what = _names(operation)
        event = failure_event(operation)
        certain = not isinstance(operation, Commit) or isinstance(error, StorageError)
        outcome = "failed" if certain else "failed, outcome unknown"
        known = isinstance(error, StorageError | OutcomeUnknownError | BrokenContractError)
        self._errors.report(
            (event, operation.service, type(error)),
            f"{what} {outcome}: {error}" if known else f"{what} {outcome}",
            None if known else error,
            {"event": event, "service": operation.service},
        )


def _names(operation: Operation) -> tuple[str, str]:
    """Return the name of the method for an operation, and the operation in words."""
    match operation:
        case Commit():
            return "commit", f"commit to {operation.collection}"
        case Load():
            return "load", f"load of {operation.collection}"
        case ListCollections(_, service, app, _, _):
            return "collections", f"list of /{app}/{service}"
        case ListApps():
            return "apps", "list of apps"
        case Doubt():
            return "doubt", f"doubt about {operation.collection}"
