"""What one session may do with the items of one collection.

Each check takes microseconds. Where `depends_on_item` says so, its answer holds as long as what is stored under the id
does not change.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from sharedstate_core.expressions.places import Failure
from sharedstate_core.expressions.specialiser import can_hold, specialise
from sharedstate_core.expressions.tree import names_of

from .entry import Denied
from .keys import WRITES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from .entry import Entry

    Item: TypeAlias = Mapping[str, object]
    Write: TypeAlias = Literal["insert", "update", "remove"]


class Grant:
    """What one session may do with the items of one collection. It is small, and costs nothing to make.

    Args:
        entry: the entry that decides on the collection.
        known: `user`, `session` if it has a name, and the variables of the path; they must not change afterwards.

    Attributes:
        has_stamps: whether `stamped` changes anything.
        of_server: members that no client sets.
    """

    __slots__ = ("_entry", "_known", "has_stamps", "of_server")

    def __init__(self, entry: Entry, known: Mapping[str, object]) -> None:
        self._entry = entry
        self._known = known
        self.of_server = entry.stamps.members
        self.has_stamps = bool(self.of_server)

    def always(self, write: Write) -> bool | None:
        """Return whether something is allowed whatever the items and the time are; None if that has to be checked.

        Args:
            write: `insert`, `update` or `remove`.
        """
        return self._entry.rules[write].constant(self._known)

    @property
    def allows_anything(self) -> bool:
        """Whether there may be an item that may be inserted, updated or removed at some time."""
        rules, known = self._entry.rules, self._known
        return any(
            rule.constant(known) or can_hold(specialise(rule.tree, known))
            for rule in map(rules.__getitem__, WRITES)
        )

    def depends_on_item(self, new: Item | None, now: float) -> bool:
        """Return whether what was allowed may not be, or would be stamped otherwise, if something else were stored.

        Something else is another item under the same id, or none: to set an item is an update if there is one, and an
        insert if not. What depends on it has to be stored under the condition that it has not changed meanwhile.

        Args:
            new: what would be stored, after `stamped`; None in a removal.
            now: seconds since the Unix epoch, the server's.
        """
        rules, values = self._entry.rules, {**self._known, "now": now}
        if new is None:
            return rules["remove"].constant(values) is not True
        values["new"] = new
        stamps = self._entry.stamps
        return (
            rules["insert"].constant(values) is not True
            or rules["update"].constant(values) is not True
            or stamps.insert != stamps.update
        )

    @property
    def removal_depends_on_item(self) -> bool:
        """Whether it matters for a removal what is stored."""
        reads_item = "item" in names_of(self._entry.rules["remove"].tree)
        return reads_item and self.always("remove") is None

    @property
    def depends_on_items(self) -> bool:
        """Whether any answer may depend on what is stored, or on whether anything is."""
        rules, stamps = self._entry.rules, self._entry.stamps
        if self.removal_depends_on_item or stamps.insert != stamps.update:
            return True
        tree, insert = rules["update"].tree, self.always("insert")
        if rules["insert"].tree == tree and "item" not in names_of(tree):
            return False
        return insert is None or insert is not self.always("update")

    def check_insert(self, new: Item, now: float) -> Denied | None:
        """Return why an item may not be inserted under an id that is not there; None if it may.

        Args:
            new: what would be stored, after `stamped`.
            now: seconds since the Unix epoch, the server's.
        """
        return self._entry.rules["insert"].check({**self._known, "new": new, "now": now})

    def check_update(self, item: Item, new: Item, now: float) -> Denied | None:
        """Return why an item may not be replaced, or changed; None if it may.

        Args:
            item: what is stored.
            new: what would be stored, after `stamped`.
            now: seconds since the Unix epoch, the server's.
        """
        values = {**self._known, "item": item, "new": new, "now": now}
        return self._entry.rules["update"].check(values)

    def check_remove(self, item: Item, now: float) -> Denied | None:
        """Return why an item may not be removed; None if it may.

        Args:
            item: what is stored.
            now: seconds since the Unix epoch, the server's.
        """
        return self._entry.rules["remove"].check({**self._known, "item": item, "now": now})

    def stamps(self, *, is_insert: bool) -> Collection[str]:
        """Return the names of the members that `stamped` gives values to."""
        stamps = self._entry.stamps
        return (stamps.insert if is_insert else stamps.update).keys()

    def stamped(self, new: Item, item: Item | None, now: float) -> dict[str, object] | Denied:
        """Return an item with the members that the server sets, or why one has no value: then it is denied, too.

        A client sets none of the members that `stamp` names. One that only an insert sets keeps what is stored in an
        update, and one that only an update sets is not there before the first.

        Args:
            new: what a client wants to be stored; it is not changed.
            item: what is stored; None in an insert.
            now: seconds since the Unix epoch, the server's.
        """
        stamps = self._entry.stamps
        result = {name: value for name, value in new.items() if name not in self.of_server}
        if item is not None:
            kept = stamps.kept
            result.update((name, value) for name, value in item.items() if name in kept)
        values = {**self._known, "now": now}
        for name, program in (stamps.insert if item is None else stamps.update).items():
            value = program.evaluate(values)
            if isinstance(value, Failure):
                return Denied(f"{self._entry.name}.stamp", value.place, value.reason)
            if not _is_json(value):
                reason = "its value is not one of JSON"
                return Denied(f"{self._entry.name}.stamp", program.tree.at, reason)
            result[name] = value
        return result


def _is_json(value: object) -> bool:
    """Return whether a value can be stored: no part of it is infinite, or not a number."""
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, float) and not isfinite(part):
            return False
        if isinstance(part, list | dict):
            parts += part.values() if isinstance(part, dict) else part
    return True
