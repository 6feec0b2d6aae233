"""A service that refuses every commit with the thresholds of its process's garbage collector."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from sharedstate_backends import StorageError

from .delegate import Delegate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core import CollectionPath, CommitResult, Write

MODULE = __name__


class Threshold(Delegate):
    """SQLite in memory."""

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        assert writes, collection
        raise StorageError(f"{gc.get_threshold()}")


def get_service(config: Mapping[str, object]) -> Threshold:
    """Return a new one."""
    assert not config
    return Threshold()
