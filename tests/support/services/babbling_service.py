"""A service whose commits always fail, and whose errors tell too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends import StorageError

from .delegate import Delegate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core import CollectionPath, CommitResult, Write

MODULE = __name__


class Babbler(Delegate):
    """SQLite in memory that refuses every commit.

    Args:
        config: `complaint`: the error's text; `fault`: raise what no service should.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        super().__init__()
        self._complaint = str(config["complaint"])
        self._fault = bool(config.get("fault"))

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        assert writes, collection
        raise RuntimeError(self._complaint) if self._fault else StorageError(self._complaint)


def get_service(config: Mapping[str, object]) -> Babbler:
    """Return a new one."""
    return Babbler(config)
