"""Checks what a backend returns before any case sees it: what the server would refuse fails, naming rule and place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sharedstate_core.arguments import found
from sharedstate_core.errors import LocalProtocolError
from sharedstate_core.results import check_change, checked_commit, checked_load, checked_names
from sharedstate_core.storage import Cursor

from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from sharedstate_backends.contract import Backend
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Loaded, Write


class Checked:
    """A backend that passes calls on, and checks their results.

    Raises:
        AssertionError: by any call whose result is impossible.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def open(self) -> None:
        """Open it."""
        await _awaitable(self._backend.open(), "open")

    async def close(self) -> None:
        """Close it."""
        await _awaitable(self._backend.close(), "close")

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Load, and check that the result is a state."""
        loaded: Loaded = await _awaitable(self._backend.load(collection, since), "load")
        try:
            checked_load(loaded, since)
        except LocalProtocolError as error:
            raise AssertionError(f"{Rule.LOAD}: load returned {error}") from None
        return loaded

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Commit, and check that there is an outcome for each write."""
        result: CommitResult = await _awaitable(self._backend.commit(collection, writes), "commit")
        try:
            checked_commit(result, writes)
        except LocalProtocolError as error:
            raise AssertionError(f"{Rule.COMMIT}: commit returned {error}") from None
        return result

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Return heads, and check that they are cursors."""
        heads: object = await _awaitable(self._backend.heads(collections), "heads")
        place = f"{Rule.HEADS}: heads returned"
        if not isinstance(heads, Mapping):
            wanted = "a mapping from each CollectionPath to its Cursor"
            raise AssertionError(f"{place} {found(heads)}: expected {wanted}")  # noqa: TRY004
        for path, cursor in heads.items():
            if not isinstance(cursor, Cursor):
                problem = f"for {path}: expected a Cursor, found {found(cursor)}"
                raise AssertionError(f"{place} {problem}")  # noqa: TRY004
            try:
                check_change(path, cursor)
            except LocalProtocolError as error:
                raise AssertionError(f"{place} something else: {error}") from None
        return heads

    async def collections(self, app: str) -> Sequence[str]:
        """List, and check that the results are names."""
        names: Sequence[str] = await _awaitable(self._backend.collections(app), "collections")
        try:
            checked_names(names)
        except LocalProtocolError as error:
            raise AssertionError(f"{Rule.COLLECTIONS}: collections returned {error}") from None
        return names


async def _awaitable(operation: Awaitable[Any], name: str) -> Any:
    if not inspect.isawaitable(operation):
        raise AssertionError(
            f"{name}: is not a coroutine function (`async def`), it returned {found(operation)}"
        )
    return await operation
