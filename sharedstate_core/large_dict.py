"""A dict of very many entries that never moves many of them at once.

A plain dict that has no room left moves all that it holds: 700,000 entries take 23 ms.

The rules:

1. Entries stand in *parts*, plain dicts, in order of insertion. The first is the dict that was about to become too
   large, as it is; it gets nothing new. Each later one takes what comes until it is full. It is made anew, in a smaller
   dict, when only few entries are left, and dropped once empty: no dict becomes smaller by itself.
2. The *index* tells in which part a key is: in the first, if anywhere, when the index does not have it.
3. The index is made of *shards*, plain dicts, too: the last bits of a key's hash say which. Whenever it has `SHARD`
   keys more, one shard is divided by one bit more; next time it is the next one's turn, and after all of them it begins
   anew (linear hashing). So they are not all due at once: one insertion divides one shard, of some `2 * SHARD` keys.
4. The garbage collector has nothing to do with parts and shards as long as it has not with keys and values.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MANY: Final = 65_536
"""Entries that are better kept in a plain dict, which is faster."""

PART: Final = 1_300
"""Entries of a later part when it is full: as many as a dict of its size has room for, nearly."""

SHRUNK: Final = frozenset(PART >> times for times in (2, 4, 6, 8))
"""Entries with which a later part is made anew."""

SHARD: Final = 2_500
"""Keys of a shard, on average, when all have been divided as often; it grows to twice as many."""

K = TypeVar("K")
V = TypeVar("V")


class LargeDict(Generic[K, V]):
    """As much of a dict as is needed of a large one.

    Args:
        entries: what is in it at first; belongs to it from now on.
        expected: how many more will come soon; as many shards as they need are there at once.
    """

    def __init__(self, entries: dict[K, V], expected: int = 0) -> None:
        shards = 1
        while shards * SHARD < expected:
            shards *= 2
        self._parts: dict[int, dict[K, V]] = {0: entries, 1: {}}
        self._last = 1
        self._index: list[dict[K, int]] = [{} for _ in range(shards)]
        self._mask = shards - 1
        self._indexed = 0
        self._room = shards * SHARD
        self._next = 0  # to be divided, when there is no room left

    def __len__(self) -> int:
        return len(self._parts[0]) + self._indexed

    def __getitem__(self, key: K) -> V:
        return self._parts[self._index[hash(key) & self._mask].get(key, 0)][key]

    def get(self, key: K) -> V | None:
        """Return the value of a key; None if there is none."""
        return self._parts[self._index[hash(key) & self._mask].get(key, 0)].get(key)

    def __setitem__(self, key: K, value: V) -> None:
        shard = self._index[hash(key) & self._mask]
        part = self._parts[shard.get(key, 0)]
        if key in part:
            part[key] = value
            return
        last = self._parts[self._last]
        if len(last) >= PART:
            self._last += 1
            last = self._parts[self._last] = {}
        last[key] = value
        shard[key] = self._last
        self._indexed += 1
        if self._indexed > self._room:
            self._divide()

    def add(self, keys: Sequence[K], values: Sequence[V]) -> bool:
        """Add keys that are not in it; return False if one is, and then it is of no use any more."""
        first = self._parts[0]
        if first and any(map(first.__contains__, keys)):
            return False
        start = 0
        while start < len(keys):
            last = self._parts[self._last]
            if len(last) >= PART:
                self._last += 1
                last = self._parts[self._last] = {}
            end = start + min(PART - len(last), self._room + 1 - self._indexed)
            fitting = keys[start:end]
            index, mask, number = self._index, self._mask, self._last
            for key in fitting:
                shard = index[hash(key) & mask]
                if key in shard:
                    return False
                shard[key] = number
            last.update(zip(fitting, values[start:end], strict=True))
            self._indexed += len(fitting)
            if self._indexed > self._room:
                self._divide()
            start = end
        return True

    def pop(self, key: K, default: None) -> V | None:
        """Remove a key and return its value; None if there is none."""
        number = self._index[hash(key) & self._mask].pop(key, 0)
        part = self._parts[number]
        value = part.pop(key, default)
        if number:
            self._indexed -= 1
            if number < self._last:
                if not part:
                    del self._parts[number]
                elif len(part) in SHRUNK:
                    self._parts[number] = dict(part)
        return value

    def values(self) -> Iterator[V]:
        """Return all values, in order of insertion; nothing may change meanwhile."""
        return chain.from_iterable(map(dict.values, self._parts.values()))

    def reversed_values(self) -> Iterator[V]:
        """Return all values, in the opposite order; nothing may change meanwhile."""
        parts = reversed(self._parts.values())
        return chain.from_iterable(reversed(part.values()) for part in parts)

    def dicts(self) -> list[dict[K, Any]]:
        """Return all the dicts that it is made of, to be emptied: it is of no use any more."""
        return [*self._parts.values(), *self._index]

    def _divide(self) -> None:
        """Divide the next shard, which stands in two places of the index, or in one if all have been divided."""
        index, at = self._index, self._next
        if at == 0:
            index += index
            self._mask = len(index) - 1
        bit = len(index) // 2
        kept: dict[K, int] = {}
        moved: dict[K, int] = {}
        for key, number in index[at].items():
            (moved if hash(key) & bit else kept)[key] = number
        index[at], index[at + bit] = kept, moved
        self._next = (at + 1) % bit
        self._room += SHARD
