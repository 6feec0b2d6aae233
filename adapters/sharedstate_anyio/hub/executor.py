"""The core's storage operations, carried out on the services' backends: their answers are inputs of the core.

A task does each of them, and belongs to the server: a client that leaves does not cancel its update. What the core
refuses as an answer is a failure of the operation.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from sharedstate_anyio.storage.contract_checks import BrokenContractError, refused
from sharedstate_anyio.tasks.workers import Workers
from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.contract import NotOfferedError
from sharedstate_core import ListApps, ListCollections, LocalProtocolError

from .listings import Listings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyio.abc import TaskGroup

    from sharedstate_anyio.logs.repeated_errors import Faults
    from sharedstate_anyio.storage.instrumented import Metered
    from sharedstate_core import (
        Commit,
        CommitResult,
        Doubt,
        Effect,
        Load,
        Server,
    )

    from .peer import Peer


class _Ended(NamedTuple):
    """A commit that has ended.

    Attributes:
        commit: which one.
        began: when, on the monotonic clock.
        result: what it came to, as the backend tells it.
    """

    commit: Commit
    began: float
    result: CommitResult | Exception


class Storage:
    """Begins operations, and tells the core what came of them.

    Args:
        backends: an open backend for each service.
        core: whose operations they are.
        answered: performs what follows from an answer.
        tasks: the task group that owns the operations.
        faults: hears of those that failed.
    """

    def __init__(
        self,
        backends: Mapping[str, Metered],
        core: Server[Peer],
        answered: Callable[[Sequence[Effect[Peer]]], None],
        tasks: TaskGroup,
        faults: Faults,
    ) -> None:
        self._backends = backends
        self._core = core
        self._answered = answered
        self._tasks = tasks
        self._faults = faults
        self._doubted: set[str] = set()  # the services that are just being told of a doubt
        self._listings = Listings(tasks, self._list, self._listed)
        self._commits = Workers(tasks, self._commit, self._committed)

    def commit(self, commit: Commit) -> None:
        """Begin a commit."""
        self._commits.start(commit)

    def load(self, load: Load) -> None:
        """Begin a load."""
        self._tasks.start_soon(self._load, load)

    def list(self, request: ListCollections | ListApps) -> None:
        """Begin to list collections, or apps."""
        self._listings.start(request)

    def doubt(self, doubt: Doubt) -> None:
        """Let the store know, if it wants to, and is not just being told of another one."""
        service = doubt.collection.service
        if service not in self._doubted:
            self._doubted.add(service)
            self._tasks.start_soon(self._doubt, doubt)

    async def _doubt(self, doubt: Doubt) -> None:
        path = doubt.collection
        try:
            await self._backends[path.service].doubt(path, doubt.cursor)
        except Exception as error:  # noqa: BLE001
            self._report("doubt", path.service, f"doubt about {path}", error)
        finally:
            self._doubted.discard(path.service)

    async def _commit(self, commit: Commit) -> _Ended:
        path = commit.collection
        began = time.monotonic()
        try:
            result = await self._backends[path.service].commit(path, commit.writes)
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises is an outcome)
            return _Ended(commit, began, error)
        return _Ended(commit, began, result)

    def _committed(self, ended: _Ended) -> None:
        commit, began, result = ended
        if isinstance(result, Exception):
            self._commit_failed(commit, result)
            return
        service = commit.collection.service
        try:
            effects = self._core.commit_succeeded(commit.ticket, result, time.monotonic())
        except LocalProtocolError as error:
            self._commit_failed(commit, self._refused("commit", service, error))
        else:
            self._backends[service].committed(began, commit.writes, result)
            self._answered(effects)

    def _commit_failed(self, commit: Commit, error: Exception) -> None:
        path = commit.collection
        unknown = not isinstance(error, StorageError)
        self._report("commit", path.service, f"commit to {path}", error)
        text = "the storage failed" if unknown else "the storage is not available"
        now = time.monotonic()
        self._answered(self._core.commit_failed(commit.ticket, text, now, outcome_unknown=unknown))

    async def _load(self, load: Load) -> None:
        path = load.collection
        try:
            loaded = await self._backends[path.service].load(path, load.since)
        except Exception as error:  # noqa: BLE001
            self._load_failed(load, error)
            return
        try:
            effects = self._core.load_succeeded(load.ticket, loaded, time.monotonic())
        except LocalProtocolError as error:
            self._load_failed(load, self._refused("load", path.service, error))
        else:
            self._backends[path.service].loaded(loaded)
            self._answered(effects)

    def _load_failed(self, load: Load, error: Exception) -> None:
        path = load.collection
        self._report("load", path.service, f"load of {path}", error)
        text = "the storage is not available"
        self._answered(self._core.load_failed(load.ticket, text, time.monotonic()))

    async def _list(self, request: ListCollections | ListApps) -> Sequence[str] | Exception:
        backend = self._backends[request.service]
        try:
            match request:
                case ListCollections(_, _, app):
                    return await backend.collections(app)
                case ListApps():
                    return await backend.apps()
        except Exception as error:  # noqa: BLE001
            return error

    def _listed(
        self, request: ListCollections | ListApps, names: Sequence[str] | Exception
    ) -> None:
        if isinstance(names, Exception):
            self._list_failed(request, names)
            return
        try:
            effects = self._core.list_succeeded(request.ticket, names, time.monotonic())
        except LocalProtocolError as error:
            method = "apps" if isinstance(request, ListApps) else "collections"
            self._list_failed(request, self._refused(method, request.service, error))
        else:
            self._answered(effects)

    def _list_failed(self, request: ListCollections | ListApps, error: Exception) -> None:
        text = "the storage is not available"
        if isinstance(error, NotOfferedError):  # no failure: it is just so
            text = f"service {request.service} {error}"
        else:
            match request:
                case ListCollections(_, service, app):
                    what = f"list of /{app}/{service}"
                case ListApps():
                    what = "list of apps"
            self._report("list", request.service, what, error)
        self._answered(self._core.list_failed(request.ticket, text, time.monotonic()))

    def _refused(self, method: str, service: str, error: LocalProtocolError) -> BrokenContractError:
        """Count a result that the core has refused; return what it says of the service."""
        self._backends[service].errors[method] += 1
        return refused(method, error)

    def _report(self, operation: str, service: str, what: str, error: Exception) -> None:
        certain = operation != "commit" or isinstance(error, StorageError)
        outcome = "failed" if certain else "failed, outcome unknown"
        known = isinstance(error, StorageError | OutcomeUnknownError | BrokenContractError)
        self._faults.report(
            (operation, service, type(error)),
            f"{what} {outcome}: {error}" if known else f"{what} {outcome}",
            None if known else error,
            {"event": f"{operation}_failed", "service": service},
        )
