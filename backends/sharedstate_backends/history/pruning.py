"""Prunes empty collections that nobody uses; the same for every store.

An emptied collection leaves behind its head and tombstones, and rooms that come and go leave many. Nobody needs them: a
reader that returns later finds the collection empty at the store's floor (see `history`).

1. A store is scanned in steps of bounded size, in the order of keys, over and over.
2. An empty collection is checked again and deleted in a transaction during which nobody can write to it.
3. A rising floor would hide that storage has gone back: lost collections would look pruned. So nothing is deleted
   unless storage goes on from what this process last reported, including its latest commit. If it does not, the guard
   will find out.
4. A reader of a history that was lost before this process began may hold any version. So the floor rises further than
   necessary, by a random number: such a reader is not at the floor except by chance, and gets everything.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath

    from .memory import Memory
    from .vectors import State

EXAMINED: Final = 200
"""Heads examined in one step."""

TOMBSTONES: Final = 5_000
"""Tombstones examined and deleted in one step; a single collection may have more."""

TOLD: Final = 500
"""Number of last reported heads from which storage must go on."""

JUMP: Final = 10_000
"""Upper bound of the random number by which the floor rises further than necessary."""

_BEFORE_ALL: Final = -1
"""A key before all others."""


class Examined(NamedTuple):
    """An examined head."""

    key: int
    path: CollectionPath
    state: State
    tombstones: int


class Prunable(Protocol):
    """What a store does for its `Pruner`."""

    async def examine(self, service: str, after: int, limit: int) -> list[Examined]:
        """Return the next `limit` heads after this key, in the order of keys; `service` is for paths."""
        ...

    async def empty(self, keys: Sequence[int]) -> set[int]:
        """Return which of these collections are empty."""
        ...

    async def prune(self, keys: Sequence[int], told: Mapping[CollectionPath, State]) -> None:
        """Delete those of these collections that are empty, and raise the floor (`risen`) for them.

        Nothing is deleted if storage does not go on from what was `told`.
        """
        ...


class Pruner:
    """Scans one store.

    Args:
        store: what is scanned.
        memory: what was last reported of it.
    """

    def __init__(self, store: Prunable, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._after = _BEFORE_ALL

    async def step(self, service: str, used: Container[CollectionPath]) -> bool:
        """See `contract.Pruning.prune`."""
        found = await self._store.examine(service, self._after, EXAMINED)
        examined = _portion(found)
        candidates = [each.key for each in examined if each.path not in used]
        empty = await self._store.empty(candidates) if candidates else set()
        chosen = [each for each in examined if each.key in empty]
        if chosen:
            told = self._memory.latest_told(TOLD)
            told |= self._memory.told([each.path for each in chosen])
            await self._store.prune([each.key for each in chosen], told)
        is_end = len(found) < EXAMINED and len(examined) == len(found)
        self._after = _BEFORE_ALL if is_end else examined[-1].key
        return not is_end


def _portion(found: Sequence[Examined]) -> Sequence[Examined]:
    """Return as many of these heads, from the first on, as one step may examine."""
    tombstones = 0
    for index, each in enumerate(found):
        tombstones += each.tombstones
        if index and tombstones > TOMBSTONES:
            return found[:index]
    return found


def risen(floor: int, versions: Sequence[int]) -> int:
    """Return the floor after deleting collections at these versions."""
    highest = max(versions, default=0)
    return floor if highest <= floor else highest + secrets.randbelow(JUMP)
