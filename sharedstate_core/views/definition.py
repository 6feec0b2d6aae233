"""What a view shows: the items of which an expression is true, perhaps the newest of them, perhaps parts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.printer import key_of
from sharedstate_core.expressions.tree import Literal, both, nodes_of
from sharedstate_core.filters.index_keys import keys_of
from sharedstate_core.filters.wanted import ALL, EVERYTHING
from sharedstate_core.wire.item_text import some_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.expressions.tree import Node
    from sharedstate_core.filters.index_keys import IndexKey
    from sharedstate_core.filters.wanted import Wanted

DEFINITION_BYTES: Final = 1_300
NODE_BYTES: Final = 560
"""Approximate memory that a definition takes with a view that shows it, and each part of its expression: compiled, and
as a key by which the view is found."""

LIGHT: Final = 16
"""Parts of an expression, constants not counted, that take about as long to evaluate as reading a short item takes."""

EFFORT: Final = 4
"""The effort of a view, beside that of reading and writing its expression."""

EFFORT_BYTES: Final = 64
"""Bytes of an expression, or of the filter that it is made of, that are as much effort as a whole collection."""

_encode: Final = msgspec.json.Encoder().encode


def definition_of(wanted: Wanted, readable: Node) -> Definition | None:
    """Return what is shown to a reader; None for the whole collection.

    Args:
        wanted: what it asks for.
        readable: an expression over `item`, true of what it may read.
    """
    parts = [each for each in (readable, wanted.where) if each != ALL]
    if not parts and wanted is EVERYTHING:
        return None
    tree = both((*parts,)) if len(parts) > 1 else parts[0] if parts else ALL
    return Definition(wanted._replace(where=tree), is_open=readable == ALL)


class Definition:
    """What a view shows.

    Args:
        shown: what of the collection is shown, all rules considered.
        is_open: whether whoever sees it may read the whole collection.

    Attributes:
        last: see `Wanted`.
        before: see `Wanted`.
        fields: see `Wanted`.
        key: the same for all that show the same; it contains the expression in its canonical form.
        index_keys: one of them holds for every item of which the expression is true; None if none are known.
        shows_all: whether the expression is true of every item.
        size: approximate memory that it takes, in bytes, with a view that shows it, without what this remembers.
        weight: how long it takes to evaluate the expression, 1 if that is nothing much; once it is compiled.
    """

    __slots__ = (
        "_program",
        "_tree",
        "before",
        "fields",
        "index_keys",
        "is_open",
        "key",
        "last",
        "shows_all",
        "size",
        "weight",
    )

    def __init__(self, shown: Wanted, *, is_open: bool = True) -> None:
        tree, self.last, fields, self.before = shown
        self.fields = None if fields is None else frozenset(fields)
        self.is_open = is_open
        named = None if fields is None else sorted(fields)
        others = _encode([self.last, named, self.before, is_open]).decode()
        self.key = f"{key_of(tree)} {others}"
        self.size = DEFINITION_BYTES + NODE_BYTES * len(nodes_of(tree)) + 2 * len(self.key)
        self.index_keys: tuple[IndexKey, ...] | None = keys_of(tree)
        self.shows_all = tree == ALL
        self._tree = tree
        self._program: Program | None = None
        self.weight = 1

    def compile(self) -> Program:
        """Return what evaluates the expression, made once; only a view needs it that is not there yet."""
        if self._program is None:
            self._program = Program(self._tree)
            parts = sum(not isinstance(each, Literal) for each in nodes_of(self._tree))
            self.weight += parts // LIGHT
        return self._program

    @property
    def effort(self) -> int:
        """How many whole collections somebody can be subscribed to, or told of, in the time that this takes, about."""
        return EFFORT + len(self.key) // EFFORT_BYTES

    def holds(self, item: Mapping[str, object]) -> bool:
        """Return whether an item is shown, as far as that depends on the item alone."""
        program = self._program or self.compile()
        return program.evaluate({"item": item}) is True

    def shown(self, text: bytes) -> bytes:
        """Return what is shown of an item."""
        return text if self.fields is None else some_members(text, self.fields)
