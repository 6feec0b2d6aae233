"""What a filter shows of a collection, found the simplest way, straight from its JSON (PROTOCOL.md)."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

FILTERS: Final = ("where", "last", "fields")

_MISSING: Final = object()
_ORDERS: Final = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}


def is_filtered(sub: object) -> bool:
    """Return whether a `sub`, or the `arg` of a GET, asks for a part of a collection."""
    return isinstance(sub, dict) and any(name in sub for name in (*FILTERS, "before"))


def shown(state: Mapping[str, bytes], sub: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a filter shows of a state: items as JSON values, by id, in order.

    Args:
        state: item texts by id, in order.
        sub: with `where`, `last` and `fields`, each if there is one.
    """
    items = {id: msgspec.json.decode(text) for id, text in state.items()}
    ids = [id for id, item in items.items() if holds(sub.get("where", {}), item)]
    fields = sub.get("fields")
    return {
        id: {name: value for name, value in items[id].items() if name in {"id", *fields}}
        if fields is not None
        else items[id]
        for id in ids[-sub.get("last", len(ids)) :]
    }


def shows(items: Mapping[str, bytes], stored: Mapping[str, bytes], sub: object) -> bool:
    """Return whether items, in order, are what a `sub`, or the `arg` of a GET, asks for of those that are stored."""
    if not is_filtered(sub):
        return list(items.items()) == list(stored.items())
    assert isinstance(sub, dict)  # noqa: S101  (for the type checker)
    found = [(id, msgspec.json.decode(text)) for id, text in items.items()]
    return found == list(shown(stored, sub).items())


def holds(where: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Return whether a filter holds for an item; both are JSON values, and the filter is a valid one."""
    return all(_member(name, value, item) for name, value in where.items())


def _member(name: str, value: Any, item: Mapping[str, Any]) -> bool:
    if name == "and":
        return all(holds(each, item) for each in value)
    if name == "or":
        return any(holds(each, item) for each in value)
    if name == "not":
        return not holds(value, item)
    found = _find(name, item)
    tests = value if isinstance(value, dict) else {"eq": value}
    return all(_test(test, each, found) for test, each in tests.items())


def _find(name: str, item: Any) -> Any:
    names = [name]
    if name.startswith("/"):
        names = [each.replace("~1", "/").replace("~0", "~") for each in name[1:].split("/")]
    for each in names:
        if not isinstance(item, dict) or each not in item:
            return _MISSING
        item = item[each]
    return item


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _test(test: str, value: Any, found: Any) -> bool:
    if test == "ne":
        return not _test("eq", value, found)
    if test == "exists":
        return (found is not _MISSING) is value
    if found is _MISSING:
        return False
    if test == "eq":
        return _same(found, value)
    if test == "in":
        return any(_same(found, each) for each in value)
    if test == "has":
        return isinstance(found, list) and any(_same(each, value) for each in found)
    if test == "prefix":
        return isinstance(found, str) and found[: len(value)] == value
    kind = str if isinstance(value, str) else (int, float)
    if not isinstance(found, kind) or isinstance(found, bool):
        return False
    return bool(_ORDERS[test](found, value))
