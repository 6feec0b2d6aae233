"""What one session may do with the items of one collection.

Each check takes microseconds. The item that is stored is looked at only where `reads_item` says so: then the answer
holds as long as that item does not change.
"""

from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.places import Failure, Place
from sharedstate_core.expressions.specialiser import specialise
from sharedstate_core.expressions.tree import And, Node, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entry import Entry

    Item: TypeAlias = Mapping[str, object]

_FALSE: Final = "it is false"
_MISSING: Final = "the entry does not say, and so it is denied"


class Denied(NamedTuple):
    """Why something is denied; for administrators and logs, since it shows the rules.

    Attributes:
        rule: the place in the configuration, such as `rules[2].update`, which may not be there.
        part: the part of the expression that is false or has no value.
        reason: why, in words.
    """

    rule: str
    part: Place
    reason: str

    def __str__(self) -> str:
        failure = str(Failure(self.part, self.reason))
        return failure if self.part.source.name == self.rule else f"{self.rule}: {failure}"


class Predicate:
    """What decides on each item: what is left of a rule once the user, the path and the session are known.

    Attributes:
        rule: the place of the rule in the configuration.
        tree: what is left; it looks at nothing but `item`, `new` and `now`.
        reads_item: whether it looks at the item that is stored.
        is_constant: True or False, if that is the answer for every item; else None.
    """

    __slots__ = ("_parts", "_program", "is_constant", "reads_item", "rule", "tree")

    def __init__(self, rule: str, tree: Node) -> None:
        self.rule = rule
        self.tree = tree
        names = names_of(tree)
        self.reads_item = "item" in names
        self._program = Program(tree)
        decided = None if names else self._program.decide({})
        self.is_constant = None if decided is None else decided is True
        self._parts: tuple[Program, ...] = ()

    def check(self, values: Mapping[str, object]) -> Denied | None:
        """Return why it is denied; None if it is allowed.

        Args:
            values: `item`, `new` and `now`, as far as there are any.
        """
        decided = self._program.decide(values)
        if decided is True:
            return None
        if isinstance(decided, Failure):
            return Denied(self.rule, decided.place, decided.reason)
        part = self._false_part(values)
        return Denied(self.rule, part, _FALSE if part.text else _MISSING)

    def _false_part(self, values: Mapping[str, object]) -> Place:
        if isinstance(self.tree, And) and not self._parts:
            self._parts = tuple(map(Program, self.tree.parts))
        false = (part.tree.at for part in self._parts if part.evaluate(values) is False)
        return next(false, self.tree.at)


class Grant:
    """What one session may do with the items of one collection; to be kept as long as its user does not change."""

    def __init__(self, entry: Entry, known: Mapping[str, object]) -> None:
        """Take the rules of an entry; each is specialised when it is first needed.

        Args:
            entry: the entry that decides on the collection.
            known: `user`, `session`, and the variables of the path.
        """
        self._entry = entry
        self._known = known

    def _predicate(self, key: str) -> Predicate:
        return Predicate(self._entry.source(key), specialise(self._entry.tree(key), self._known))

    def _programs(self, trees: Mapping[str, Node]) -> dict[str, Program]:
        return {name: Program(specialise(tree, self._known)) for name, tree in trees.items()}

    @cached_property
    def insert(self) -> Predicate:
        """What decides on items that are not there yet."""
        return self._predicate("insert")

    @cached_property
    def update(self) -> Predicate:
        """What decides on items that are replaced or changed."""
        return self._predicate("update")

    @cached_property
    def remove(self) -> Predicate:
        """What decides on items that are removed."""
        return self._predicate("remove")

    @cached_property
    def _insert_stamps(self) -> dict[str, Program]:
        return self._programs(self._entry.stamps.insert)

    @cached_property
    def _update_stamps(self) -> dict[str, Program]:
        return self._programs(self._entry.stamps.update)

    @property
    def has_stamps(self) -> bool:
        """Whether `stamped` changes anything."""
        return bool(self._entry.stamps.members)

    @property
    def update_reads_item(self) -> bool:
        """Whether an update, its stamps included, depends on what is stored."""
        return self.update.reads_item or bool(self._entry.stamps.kept)

    def check_insert(self, new: Item, now: float) -> Denied | None:
        """Return why an item may not be inserted under an id that is not there; None if it may.

        Args:
            new: what would be stored, after `stamped`.
            now: seconds since the Unix epoch, the server's.
        """
        return self.insert.check({"new": new, "now": now})

    def check_update(self, item: Item, new: Item, now: float) -> Denied | None:
        """Return why an item may not be replaced, or changed; None if it may.

        Args:
            item: what is stored.
            new: what would be stored, after `stamped`.
            now: seconds since the Unix epoch, the server's.
        """
        return self.update.check({"item": item, "new": new, "now": now})

    def check_remove(self, item: Item, now: float) -> Denied | None:
        """Return why an item may not be removed; None if it may.

        Args:
            item: what is stored.
            now: seconds since the Unix epoch, the server's.
        """
        return self.remove.check({"item": item, "now": now})

    def stamped(self, new: Item, item: Item | None, now: float) -> dict[str, object] | Denied:
        """Return an item with the members that the server sets, or why one has no value: then it is denied, too.

        A client sets none of the members that `stamp` names. One that only an insert sets keeps what is stored in an
        update, and one that only an update sets is not there before the first.

        Args:
            new: what a client wants to be stored; it is not changed.
            item: what is stored; None in an insert.
            now: seconds since the Unix epoch, the server's.
        """
        stamps = self._insert_stamps if item is None else self._update_stamps
        of_server = self._entry.stamps.members
        result = {name: value for name, value in new.items() if name not in of_server}
        if item is not None:
            result.update((name, item[name]) for name in self._entry.stamps.kept if name in item)
        for name, program in stamps.items():
            value = program.evaluate({"now": now})
            if isinstance(value, Failure):
                return Denied(f"{self._entry.name}.stamp", value.place, value.reason)
            if not _is_json(value):
                return Denied(
                    f"{self._entry.name}.stamp", program.tree.at, "its value is not one of JSON"
                )
            result[name] = value
        return result


def _is_json(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, list):
        return all(map(_is_json, value))
    return all(map(_is_json, value.values())) if isinstance(value, dict) else True
