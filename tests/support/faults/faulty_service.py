"""A service of one's own, named by its module in a configuration: SQLite in memory that fails when told to.

The test finds the store of a running server by the `name` in its `config`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from sharedstate_backends import StorageError
from tests.support.services.delegate import Delegate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import anyio

    from sharedstate_core import CollectionPath, CommitResult, Cursor, Loaded, Write
    from tests.support.services.servers import Service

MODULE: Final = __name__
SERVICE: Final[Service] = {"name": "items", "module": MODULE, "config": {"name": "it"}}

stores: dict[str, FaultyStore] = {}


class FaultyStore(Delegate):
    """Does what its SQLite does, except for what was asked of it.

    Attributes:
        refuse: raised before anything is stored.
        lose: raised after everything was stored.
        unreadable: loads and lists fail.
        drop_outcomes: answers a commit with too little.
        gates: a commit to the collection of this name waits for its event.
        committing: number of commits begun, by name of the collection.
        loads: number of loads begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuse: Exception | None = None
        self.lose: Exception | None = None
        self.unreadable = False
        self.drop_outcomes = False
        self.gates: dict[str, anyio.Event] = {}
        self.committing: defaultdict[str, int] = defaultdict(int)
        self.loads = 0

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        self.loads += 1
        if self.unreadable:
            raise StorageError("the disk is on holiday")
        return await self._store.load(collection, since)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        self.committing[collection.collection] += 1
        if gate := self.gates.get(collection.collection):
            await gate.wait()
        if self.refuse:
            raise self.refuse
        result = await self._store.commit(collection, writes)
        if self.lose:
            raise self.lose
        return replace(result, outcomes=[]) if self.drop_outcomes else result

    async def collections(self, app: str) -> Sequence[str]:
        if self.unreadable:
            raise StorageError("the disk is on holiday")
        return await self._store.collections(app)


def get_service(config: Mapping[str, object]) -> FaultyStore:
    """Return a new store, and note it under its name."""
    store = stores[str(config["name"])] = FaultyStore()
    return store
