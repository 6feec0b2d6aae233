"""What an index needs to find, for an item, the expressions that it may satisfy, without evaluating each of them.

The law: if an expression is true of an item, one of its keys is found in the item. The opposite need not hold: what is
found is evaluated, so a key may be found too often, never too rarely.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from sharedstate_core.expressions.comparing import equal
from sharedstate_core.expressions.specialiser import can_hold
from sharedstate_core.expressions.tree import (
    And,
    Binary,
    Choice,
    Index,
    ListOf,
    MapOf,
    Node,
    Or,
    Scalar,
    Select,
    Unary,
)
from sharedstate_core.expressions.tree import Literal as Constant

from .members import ITEM, is_scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sharedstate_core.patches.pointers import Path

Kind: TypeAlias = Literal["equal", "has"]

MAX_KEYS: Final = 64
"""Maximum number of keys of one expression: each is a place in the index."""

_EXACT: Final = 2**53
"""Up to it, whole numbers have hashes of their own. Beyond, anybody can write very many with the same one."""


class IndexKey(NamedTuple):
    """Something that is easily looked up, and that holds for an item, or does not.

    Attributes:
        kind: `equal`: the member is the value. `has`: it is a list that contains the value, or an object with a member
            of that name.
        path: of the member.
        value: the value, as `looked_up`. As keys of a dictionary, 1, 1.0 and true are the same: what is found there may
            be too much.
    """

    kind: Kind
    path: Path
    value: Scalar


Keys: TypeAlias = "tuple[IndexKey, ...]"


def keys_of(tree: Node) -> Keys | None:
    """Return keys, each once, one of which holds for every item of which an expression over `item` is true.

    Returns:
        None if no such keys are known, or more than `MAX_KEYS`; an empty tuple if the expression is true of no item.
    """
    if not can_hold(tree):
        return ()
    match tree:
        case And(parts=parts):
            found = [keys for part in parts if (keys := keys_of(part)) is not None]
            return min(found, key=_breadth, default=None)
        case Or(parts=parts):
            return _union(map(keys_of, parts))
        case Choice(condition=condition, yes=yes, no=no):
            return _union((keys_of(And((condition, yes))), keys_of(no)))
        case Select() | Index():
            return _equal(tree, Constant(True))
        case Unary(op="!", of=of):
            return _equal(of, Constant(False))
        case Binary(op="==", left=left, right=right):
            return _equal(left, right)
        case Binary(op="in", left=left, right=right):
            return _contained(left, right)
        case _:
            return None


def _breadth(keys: Keys) -> tuple[int, int]:
    """Return how much is found by keys: true, false and null are values of very many items, whatever the member."""
    common = sum(key.value is None or isinstance(key.value, bool) for key in keys)
    return common, len(keys)


def _equal(one: Node, other: Node) -> Keys | None:
    """Return keys for the equality of two expressions."""
    if isinstance(one, Constant):
        one, other = other, one
    if not isinstance(other, Constant):
        return None
    if isinstance(one, Constant):
        return None if equal(one.value, other.value) else ()
    path = _path_of(one)
    return None if path is None else (IndexKey("equal", path, looked_up(other.value)),)


def _contained(one: Node, several: Node) -> Keys | None:
    match several:
        case ListOf(items=items):
            return _union(_equal(one, item) for item in items)
        case MapOf(keys=names):
            return _union(_equal(one, Constant(name)) for name in names)
        case _:
            return _held(one, several)


def _held(one: Node, several: Node) -> Keys | None:
    path = _path_of(several)
    if path is None or not isinstance(one, Constant):
        return None
    return (IndexKey("has", path, looked_up(one.value)),)


def _union(alternatives: Iterable[Keys | None]) -> Keys | None:
    """Return the keys of all alternatives, if each has some and they are not too many."""
    found: dict[IndexKey, None] = {}
    for keys in alternatives:
        if keys is None:
            return None
        found.update(dict.fromkeys(keys))
        if len(found) > MAX_KEYS:
            return None
    return tuple(found)


def _path_of(node: Node) -> Path | None:
    """Return the path of a member of the item; None if an expression is something else."""
    names: list[str] = []
    while node != ITEM:
        match node:
            case Select(of=of, member=name) | Index(of=of, key=Constant(value=str(name))):
                names.append(name)
                node = of
            case _:
                return None
    return tuple(reversed(names)) or None


def values_at(item: Mapping[str, object], kind: Kind, path: Path) -> Collection[Scalar]:
    """Return the values for which a key of this kind and path holds for an item.

    Args:
        item: as a JSON decoder returns it.
        kind: that of the key.
        path: that of the key.

    Returns:
        The scalars that are to be looked up, as `looked_up`; each can be a key of a dictionary. With kind `equal` at
        most one.
    """
    return values_of(member_at(item, path), kind)


def member_at(item: Mapping[str, object], path: Path) -> object:
    """Return the member of an item at a path; what is no JSON value, `...`, if there is none."""
    value: object = item
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ...
        value = value[name]
    return value


def values_of(value: object, kind: Kind) -> Collection[Scalar]:
    """Return the values for which a key of this kind holds for a member; see `values_at`."""
    if kind == "equal":
        return (looked_up(value),) if is_scalar(value) else ()
    if isinstance(value, list):
        return {looked_up(each) for each in value if is_scalar(each)}
    return value.keys() if isinstance(value, dict) else ()


def looked_up(value: Scalar) -> Scalar:
    """Return what stands for a value as a key of a dictionary: the same for those that are equal, and for few others.

    Python's hash of a whole number is its remainder, so a list can be made of numbers whose hashes are the same; then
    each is compared with all others. As doubles they cannot.
    """
    if isinstance(value, int) and not -_EXACT <= value <= _EXACT:
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    return value
