"""A service that numbers versions and stores nothing, so that a server can be measured without its storage."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sharedstate_core import CommitResult, Committed, Cursor, Loaded, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core import CollectionPath, Write

EPOCH: Final = "none"


class NoStorage:
    """Every collection is loaded with the same items, however it was written to.

    Args:
        items: how many.
    """

    def __init__(self, items: int) -> None:
        self._items = items
        self._versions: defaultdict[CollectionPath, int] = defaultdict(lambda: 1)

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:  # noqa: ARG002
        """Return the items."""
        rows = [Row(f"item{n}", item(n), 1, n, 1) for n in range(self._items)]
        return Loaded(EPOCH, self._versions[collection], 0, rows)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Count."""
        first = self._versions[collection] + 1
        self._versions[collection] += len(writes)
        return CommitResult(EPOCH, [Committed(first + n) for n in range(len(writes))])

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Return the counts."""
        return {path: Cursor(EPOCH, self._versions[path]) for path in collections}

    async def collections(self, app: str) -> Sequence[str]:  # noqa: ARG002
        """Return no names."""
        return []


def item(number: int) -> bytes:
    """Return an item of about 100 bytes."""
    return b'{"id":"item%d","x":%d,"text":"%b"}' % (number, number, b"y" * 65)


def get_service(config: Mapping[str, Any]) -> NoStorage:
    """Return the service; `items`: how many items a collection is loaded with."""
    return NoStorage(config.get("items", 0))
