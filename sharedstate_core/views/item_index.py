"""Which items have which value in a member: for the members that views ask for, and only as long as one does.

It is built when it is first needed, by portions, and follows every change from then on.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from sharedstate_core.filters.index_keys import member_at, values_of
from sharedstate_core.wire.item_text import decode_item

from .portions import portions

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence

    from sharedstate_core.filters.index_keys import IndexKey, Kind
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.patches.pointers import Path

    Member: TypeAlias = tuple[Kind, Path]
    Item: TypeAlias = Mapping[str, object]
    ByValue: TypeAlias = dict[Hashable, dict[str, None]]

VALUE_BYTES: Final = 225
ENTRY_BYTES: Final = 40
"""Approximate memory that each value of a member takes in its index, and each item that has it."""

MAX_VALUES: Final = 64
"""Values by which one item is found in a member; one that has more is found whatever is asked for."""

_MANY: Final = ...
"""Stands for the values of an item that has more."""


def members_of(keys: Iterable[IndexKey]) -> set[Member]:
    """Return the members that keys are about, and how."""
    return {(key.kind, key.path) for key in keys}


class ItemIndex:
    """The items of one collection by the values of some of their members."""

    def __init__(self) -> None:
        self._users: Counter[Member] = Counter()
        self._ids: dict[Member, ByValue] = {}

    @property
    def memory(self) -> int:
        """Approximate memory that it takes, in bytes."""
        values = [ids for by_value in self._ids.values() for ids in by_value.values()]
        return VALUE_BYTES * len(values) + ENTRY_BYTES * sum(map(len, values))

    @property
    def is_used(self) -> bool:
        """Whether it holds anything."""
        return bool(self._ids)

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
        return sum(map(len, self._found(keys)))

    def _found(self, keys: Sequence[IndexKey]) -> list[dict[str, None]]:
        """Return the ids of the items that have each of these, and those that have many values."""
        found = [self._ids[key.kind, key.path].get(key.value, {}) for key in keys]
        found += [self._ids[member].get(_MANY, {}) for member in members_of(keys)]
        return found

    def ids(self, keys: Sequence[IndexKey]) -> Iterator[str]:
        """Return the ids of the items that have one of these, each once; no item may change meanwhile."""
        return _each_once(
            self._found(keys)
        )  # as it is now: the view may go before all of them are asked for

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
        built: dict[Member, ByValue] = {member: {} for member in missing}
        for portion in portions(replica.entries(), size):
            for entry in portion:
                _add(entry.id, decode_item(entry.text), built)
            yield
        self._ids.update((member, built[member]) for member in missing if member in self._users)
        return self.has(keys)

    def move(self, id: str, old: Item | None, new: Item | None) -> None:
        """Take in that an item has changed; None: it was not, or is not, there."""
        for member, by_value in self._ids.items():
            for value in () if old is None else _values(old, member):
                ids = by_value.get(value)
                if ids is not None:
                    ids.pop(id, None)
                    if not ids:
                        del by_value[value]
        if new is not None:
            _add(id, new, self._ids)


def _each_once(several: Iterable[dict[str, None]]) -> Iterator[str]:
    before: list[dict[str, None]] = []
    for ids in several:
        for id in ids:
            if not any(id in those for those in before):
                yield id
        before.append(ids)


def _add(id: str, item: Item, into: Mapping[Member, ByValue]) -> None:
    for member, by_value in into.items():
        for value in _values(item, member):
            by_value.setdefault(value, {})[id] = None


def _values(item: Item, member: Member) -> Iterable[Hashable]:
    """Return the values by which an item is found in a member."""
    kind, path = member
    value = member_at(item, path)
    if kind == "has" and isinstance(value, list | dict) and len(value) > MAX_VALUES:
        return (_MANY,)
    return values_of(value, kind)
