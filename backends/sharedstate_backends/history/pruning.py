"""Collections that hold nothing any more, and that nobody uses, are pruned: the same for every store.

One that was emptied leaves its head behind, and tombstones; rooms that come and go leave many. Nobody misses them: who
comes back from afar is told that there is nothing, at the store's floor (see `history`).

1. A store is gone through in steps of bounded size, from one key to the next, and then from the first one again.
2. What is empty is looked at once more, and goes, in a transaction that keeps others from writing to it meanwhile.
3. A floor that rises would hide that storage has gone back: what is lost would be taken for pruned. So nothing goes
   unless storage goes on from what this process was told of last, also from its latest commit. If not, the guard finds
   out.
4. A reader of a history that was lost before this process began may hold any version. So the floor rises further than
   it must, by a number drawn at random: none of those is the floor, and such a reader gets everything.
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
"""Heads looked at in one step."""

TOMBSTONES: Final = 5_000
"""Tombstones looked at, and deleted, in one step; those of a single collection may be more."""

TOLD: Final = 500
"""Heads from which storage must go on, those that were told of last."""

JUMP: Final = 10_000
"""By how much less than this the floor rises further than it must."""

_BEFORE_ALL: Final = -1
"""A key that none is before."""


class Examined(NamedTuple):
    """A head that was looked at."""

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
        """Return those of these collections that hold nothing."""
        ...

    async def prune(self, keys: Sequence[int], told: Mapping[CollectionPath, State]) -> None:
        """Delete those of these collections that hold nothing, and raise the floor (`risen`) for them.

        Nothing is deleted if storage does not go on from what was told of.
        """
        ...


class Pruner:
    """Goes through one store.

    Args:
        store: which.
        memory: what was told of it.
    """

    def __init__(self, store: Prunable, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._after = _BEFORE_ALL

    async def step(self, service: str, used: Container[CollectionPath]) -> bool:
        """Do as `contract.Pruning.prune`."""
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
    """Return the first of these, as many as one step may take."""
    tombstones = 0
    for index, each in enumerate(found):
        tombstones += each.tombstones
        if index and tombstones > TOMBSTONES:
            return found[:index]
    return found


def risen(floor: int, versions: Sequence[int]) -> int:
    """Return the floor for collections of these versions that go."""
    highest = max(versions, default=0)
    return floor if highest <= floor else highest + secrets.randbelow(JUMP)
