"""The datasets that a program holds: one for each collection, filter, and way to read items."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sharedstate_core.client import Filter

from .client_hub import ClientHub
from .dataset import Dataset
from .replica import Replica


class _Name(NamedTuple):
    path: str
    asked: Filter
    loads: Callable[[bytes], Any]


class _Held(NamedTuple):
    ds: Dataset[Any]
    replica: Replica


class Holdings:
    """Datasets, each with the number of times that it was acquired."""

    def __init__(self, hub: ClientHub) -> None:
        self._hub = hub
        self._held: dict[_Name, _Held] = {}
        self._names: dict[int, _Name] = {}  # by the identity of the dataset

    def __len__(self) -> int:
        return len(self._held)

    async def acquire(
        self, path: str, asked: Filter, loads: Callable[[bytes], Any]
    ) -> Dataset[Any]:
        """Return the dataset once it is in sync, held once more; if the wait fails, it is not.

        Args:
            path: of the collection, in normal form.
            asked: what of it.
            loads: makes an item.
        """
        name = _Name(path, asked, loads)
        if (held := self._held.get(name)) is None:
            replica = self._hub.hold(path, asked)
            held = self._held[name] = _Held(Dataset(replica, self._hub, loads), replica)
            self._names[id(held.ds)] = name
        try:
            self._hub.acquire(held.replica)
            await held.replica.wait_synced()
        except BaseException:
            self.release(held.ds)
            raise
        return held.ds

    def release(self, ds: Dataset[Any]) -> None:
        """Hold a dataset once less; one that is not held stays as it is."""
        name = self._names.get(id(ds))
        if name is not None:
            replica = self._held[name].replica
            self._hub.release(replica)
            if replica.handles == 0:
                del self._held[name], self._names[id(ds)]
