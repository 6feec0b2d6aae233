"""Collections that hold nothing any more, and that nobody uses, are pruned: the same for every store.

One that was emptied leaves its head behind, and tombstones; rooms that come and go leave many. Nobody misses them: who
comes back from afar is told that there is nothing, at the store's floor (see `history`).

1. A store is gone through in steps of bounded size, from one key to the next, and then from the first one again.
2. What is empty is looked at once more, and goes, in a transaction that keeps others from writing to it meanwhile.
3. What does not go on from what this process has told of it stays, for the guard to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from .history import find_lost

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath

    from .history import Memory, State

EXAMINED: Final = 200
"""Heads looked at in one step."""

DELETED: Final = 5_000
"""Tombstones deleted in one step; those of a single collection may be more."""

_BEFORE_ALL: Final = -1
"""A key that none is before."""


class Examined(NamedTuple):
    """A head, and whether anything is there beside tombstones."""

    key: int
    path: CollectionPath
    state: State
    tombstones: int
    is_empty: bool


class Prunable(Protocol):
    """What a store does for its `Pruner`."""

    async def examine(self, service: str, after: int, most: int) -> list[Examined]:
        """Return what follows on this key, in the order of keys; `service` is for paths."""
        ...

    async def prune(
        self, service: str, keys: Sequence[int], remembered: Mapping[CollectionPath, State]
    ) -> None:
        """Delete those of these collections that `choose` still chooses, and raise the floor to their versions."""
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
        examined = await self._store.examine(service, self._after, EXAMINED)
        remembered = self._memory.states([each.path for each in examined])
        chosen = [each for each in choose(examined, remembered) if each.path not in used]
        tombstones = 0
        for index, each in enumerate(chosen):
            tombstones += each.tombstones
            if index and tombstones > DELETED:
                del chosen[index:]
                examined = examined[: examined.index(each)]
                break
        if chosen:
            await self._store.prune(service, [each.key for each in chosen], remembered)
        is_end = len(examined) < EXAMINED and not chosen
        self._after = _BEFORE_ALL if is_end else examined[-1].key
        return not is_end


def choose(
    examined: Sequence[Examined], remembered: Mapping[CollectionPath, State]
) -> list[Examined]:
    """Return those that are empty, and go on from what is remembered of them."""
    found = {each.path: each.state for each in examined}
    known = {path: state for path, state in remembered.items() if path in found}
    lost = {each.path for each in find_lost(known, found)}
    return [each for each in examined if each.is_empty and each.path not in lost]
