"""Which items have which value in a member: for the members that views ask for, and only as long as one does.

It is built when it is first needed, by portions, and follows every change from then on. It may be forgotten at any
time, and is built again: its memory counts as that of what is kept encoded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sharedstate_core.filters.index_keys import member_at, values_of
from sharedstate_core.large_dict import MANY, LargeDict
from sharedstate_core.wire.item_text import decode_item

from .portions import portions

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence

    from sharedstate_core.filters.index_keys import IndexKey, Kind
    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.patches.pointers import Path

    Member: TypeAlias = tuple[Kind, Path]
    Item: TypeAlias = Mapping[str, object]
    Ids: TypeAlias = dict[str, str] | LargeDict[str, str]

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


class ByValue:
    """The ids of the items that have each value of one member.

    Attributes:
        memory: approximate memory that it takes, in bytes.
    """

    __slots__ = ("_ids", "_large", "memory")

    def __init__(self) -> None:
        self._ids: dict[Hashable, Ids] | LargeDict[Hashable, Ids] = {}
        self._large: dict[Hashable, None] = {}  # values that very many items have
        self.memory = 0

    def get(self, value: Hashable) -> Ids:
        """Return the ids of the items that have a value; they change with the items."""
        return self._ids.get(value) or {}

    def add(self, value: Hashable, id: str) -> None:
        """Record that an item has a value."""
        ids = self._ids.get(value)
        if ids is None:
            if len(self._ids) == MANY and isinstance(self._ids, dict):
                self._ids = LargeDict(self._ids)
            self._ids[value] = {id: id}
            self.memory += _value_bytes(value) + ENTRY_BYTES
            return
        before = len(ids)
        if before == MANY and isinstance(ids, dict):
            ids = self._ids[value] = LargeDict(ids)
            self._large[value] = None
        ids[id] = id
        self.memory += ENTRY_BYTES * (len(ids) - before)

    def discard(self, value: Hashable, id: str) -> None:
        """Record that an item does not have a value any more."""
        ids = self._ids.get(value)
        if ids is not None and ids.pop(id, None) is not None:
            self.memory -= ENTRY_BYTES
            if not ids:
                self._ids.pop(value, None)
                self._large.pop(value, None)
                self.memory -= _value_bytes(value)

    def dicts(self) -> Iterator[dict[Any, Any]]:
        """Yield the dicts that it is made of and that may be large: it is of no use any more."""
        ids = self._ids
        for value in self._large:
            large = ids.get(value)
            if isinstance(large, LargeDict):
                yield from large.dicts()
        yield from [ids] if isinstance(ids, dict) else ids.dicts()


class ItemIndex:
    """The items of one collection by the values of some of their members.

    Args:
        encoded: counts what it takes.
    """

    def __init__(self, encoded: Encoded) -> None:
        self._encoded = encoded
        self._users: Counter[Member] = Counter()
        self._by_value: dict[Member, ByValue] = {}
        self._counted = 0
        self._read = 0  # how many read ids, one after the other

    @property
    def memory(self) -> int:
        """Approximate memory that it takes, in bytes."""
        return sum(each.memory for each in self._by_value.values())

    @property
    def is_used(self) -> bool:
        """Whether it holds anything."""
        return bool(self._by_value)

    def use(self, keys: Sequence[IndexKey]) -> None:
        """Record that a view asks for these."""
        self._users.update(members_of(keys))

    def leave(self, keys: Sequence[IndexKey]) -> None:
        """Record that it does not any more."""
        for member in members_of(keys):
            self._users[member] -= 1
            if not self._users[member]:
                del self._users[member]
                self._let_go(member)
        self.count()

    def clear(self) -> None:
        """Forget all items, which are found one by one until it is built again."""
        for member in list(self._by_value):
            self._let_go(member)
        self.count()

    def _let_go(self, member: Member) -> None:
        """Forget which items have which value in a member; what is large is freed by turns."""
        by_value = self._by_value.pop(member, None)
        if by_value is not None and not self._read:
            self._encoded.leftovers.add(*by_value.dicts())

    def count(self) -> None:
        """Count the memory that it takes now, and that it was needed."""
        memory = self.memory
        if memory == self._counted == 0:
            return
        self._encoded.remember(self, self._counted, memory)
        self._counted = memory

    def has(self, keys: Sequence[IndexKey]) -> bool:
        """Return whether `ids` knows these."""
        return all((key.kind, key.path) in self._by_value for key in keys)

    def number(self, keys: Sequence[IndexKey]) -> int:
        """Return how many items there are for these, each counted once for each key that it has."""
        return sum(map(len, self._found(keys)))

    def _found(self, keys: Sequence[IndexKey]) -> list[Ids]:
        """Return the ids of the items that have each of these, and those that have many values."""
        found = [self._by_value[key.kind, key.path].get(key.value) for key in keys]
        found += [self._by_value[member].get(_MANY) for member in members_of(keys)]
        return found

    def ids(self, keys: Sequence[IndexKey]) -> Iterator[str]:
        """Return the ids of the items that have one of these, each once; no item may change meanwhile."""
        return self._each_once(
            self._found(keys)
        )  # as it is now: the view may go before all of them are asked for

    def _each_once(self, several: Iterable[Ids]) -> Iterator[str]:
        before: list[Ids] = []
        self._read += 1
        try:
            for ids in several:
                for id in ids.values():
                    if not any(those.get(id) for those in before):
                        yield id
                before.append(ids)
        finally:
            self._read -= 1

    def build(
        self, keys: Sequence[IndexKey], replica: Replica, size: int
    ) -> Generator[None, None, bool]:
        """Read all items, by portions of `size`, for those members of these keys that are not known yet.

        Returns:
            Whether `ids` knows these keys: not if no view that stays asks for one of the members.
        """
        missing = [member for member in members_of(keys) if member not in self._by_value]
        if missing:
            if not self._users.keys() >= set(missing):
                return False
            built = {member: ByValue() for member in missing}
            for portion in portions(replica.entries(), size):
                for entry in portion:
                    _add(entry.id, decode_item(entry.text), built)
                yield
            for member in missing:
                if member in self._users:
                    self._by_value[member] = built[member]
        self.count()
        return self.has(keys)

    def move(self, id: str, old: Item | None, new: Item | None) -> None:
        """Take in that an item has changed; None: it was not, or is not, there."""
        if old is not None:
            for member, by_value in self._by_value.items():
                for value in _values(old, member):
                    by_value.discard(value, id)
        if new is not None:
            _add(id, new, self._by_value)


def _value_bytes(value: Hashable) -> int:
    return VALUE_BYTES + (len(value) if isinstance(value, str) else 0)


def _add(id: str, item: Item, into: Mapping[Member, ByValue]) -> None:
    for member, by_value in into.items():
        for value in _values(item, member):
            by_value.add(value, id)


def _values(item: Item, member: Member) -> Iterable[Hashable]:
    """Return the values by which an item is found in a member."""
    kind, path = member
    value = member_at(item, path)
    if kind == "has" and isinstance(value, list | dict) and len(value) > MAX_VALUES:
        return (_MANY,)
    return values_of(value, kind)
