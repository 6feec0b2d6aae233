"""Which items have which value in a member: for the members that views ask for, and only as long as one does.

It is built when it is first needed, by portions, and follows every change from then on.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from sharedstate_core.filters.index_keys import values_at
from sharedstate_core.wire.item_text import decode_item

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from sharedstate_core.expressions.tree import Scalar
    from sharedstate_core.filters.index_keys import IndexKey, Kind
    from sharedstate_core.filters.members import Path
    from sharedstate_core.items.replica import Replica

    Member: TypeAlias = tuple[Kind, Path]
    Item: TypeAlias = Mapping[str, object]

ENTRY_BYTES: Final = 160
"""Approximate memory that one item takes in the index of one member."""


def members_of(keys: Iterable[IndexKey]) -> set[Member]:
    """Return the members that keys are about, and how."""
    return {(key.kind, key.path) for key in keys}


class ItemIndex:
    """The items of one collection by the values of some of their members."""

    def __init__(self) -> None:
        self._users: Counter[Member] = Counter()
        self._ids: dict[Member, dict[Scalar, dict[str, None]]] = {}

    @property
    def memory(self) -> int:
        """Approximate memory that it takes, in bytes."""
        values = [ids for by_value in self._ids.values() for ids in by_value.values()]
        return ENTRY_BYTES * sum(map(len, values))

    def use(self, keys: Sequence[IndexKey]) -> None:
        """Record that a view asks for these."""
        self._users.update(members_of(keys))

    def leave(self, keys: Sequence[IndexKey]) -> None:
        """Record that it does not any more."""
        for member in members_of(keys):
            self._users[member] -= 1
            if not self._users[member]:
                del self._users[member]
                self._ids.pop(member, None)

    def clear(self) -> None:
        """Forget all items: there are others now."""
        self._ids.clear()

    def has(self, keys: Sequence[IndexKey]) -> bool:
        """Return whether `ids` knows these."""
        return all((key.kind, key.path) in self._ids for key in keys)

    def number(self, keys: Sequence[IndexKey]) -> int:
        """Return how many items there are for these, each counted once for each key that it has."""
        return sum(len(self._ids[key.kind, key.path].get(key.value, ())) for key in keys)

    def ids(self, keys: Sequence[IndexKey]) -> Iterable[str]:
        """Return the ids of the items that have one of these, each once."""
        if len(keys) == 1:
            (key,) = keys
            return self._ids[key.kind, key.path].get(key.value, ())
        found: dict[str, None] = {}
        for key in keys:
            found.update(self._ids[key.kind, key.path].get(key.value, {}))
        return found

    def build(
        self, keys: Sequence[IndexKey], replica: Replica, size: int
    ) -> Generator[None, None, bool]:
        """Read all items, by portions of `size`, for those members of these keys that are not known yet.

        Returns:
            Whether `ids` knows these keys: not if no view that stays asks for one of the members.
        """
        missing = [member for member in members_of(keys) if member not in self._ids]
        if not missing:
            return True
        if not self._users.keys() >= set(missing):
            return False
        built: dict[Member, dict[Scalar, dict[str, None]]] = {member: {} for member in missing}
        entries = replica.entries()
        while portion := list(islice(entries, size)):
            for entry in portion:
                _add(entry.id, decode_item(entry.text), built)
            yield
        self._ids.update((member, built[member]) for member in missing if member in self._users)
        return self.has(keys)

    def move(self, id: str, old: Item | None, new: Item | None) -> None:
        """Take in that an item has changed; None: it was not, or is not, there."""
        for (kind, path), by_value in self._ids.items():
            for value in () if old is None else values_at(old, kind, path):
                ids = by_value.get(value)
                if ids is not None:
                    ids.pop(id, None)
                    if not ids:
                        del by_value[value]
        if new is not None:
            _add(id, new, self._ids)


def _add(id: str, item: Item, into: Mapping[Member, dict[Scalar, dict[str, None]]]) -> None:
    for (kind, path), by_value in into.items():
        for value in values_at(item, kind, path):
            by_value.setdefault(value, {})[id] = None
