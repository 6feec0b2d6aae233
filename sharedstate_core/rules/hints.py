"""What rules allow and their author probably does not mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.expressions.printer import text_of
from sharedstate_core.expressions.specialiser import specialise
from sharedstate_core.expressions.tree import (
    Binary,
    Call,
    Literal,
    Name,
    Node,
    Select,
    Unary,
    nodes_of,
)

from .entry import DENIED
from .faults import RuleFault
from .read_hints import read_hints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .entry import Entry

_ARITHMETIC: Final = ("+", "-", "*", "/", "%")


def hints(entries: Sequence[Entry]) -> Iterator[RuleFault]:
    """Yield one for each thing that is probably not meant."""
    for index, entry in enumerate(entries):
        earlier = (each for each in entries[:index] if each.pattern.covers(entry.pattern))
        if (first := next(earlier, None)) is not None:
            text = f"no path reaches this entry: {first.name} matches all of {entry.pattern.text}"
            yield RuleFault(f"{entry.name}.path", text)
        for name in entry.unused:
            yield RuleFault(f"{entry.name}.let.{name}", "nothing looks at it")
        yield from _given_away(entry)
        yield from _never(entry)
        yield from _mixed(entry)
        yield from _whole_users(entry)
        yield from read_hints(entry)


def _given_away(entry: Entry) -> Iterator[RuleFault]:
    """Yield the members by which an update asks whose an item is, and which people may set all the same."""
    update, insert = entry.rules["update"], entry.rules["insert"]
    for member in _owners(update.tree):
        if member in entry.stamps.members:
            continue
        if member not in _members(update.tree, "new"):
            asks = f"it asks for item.{member}, and not for new.{member}"
            text = f"people can give items away: {asks}; add new.{member} == item.{member}"
            yield RuleFault(update.place, text)
        if insert.tree != DENIED and member not in _members(insert.tree, "new"):
            text = (
                f"people can insert items in the name of others: it does not ask for new.{member}"
            )
            yield RuleFault(insert.place, text)


def _owners(tree: Node) -> dict[str, None]:
    """Return the members of `item` that are compared with something of the user, in order."""
    owners: dict[str, None] = {}
    for node in nodes_of(tree):
        if isinstance(node, Binary) and node.op in {"==", "in"}:
            for mine, other in ((node.left, node.right), (node.right, node.left)):
                if any(isinstance(each, Name) and each.name == "user" for each in nodes_of(other)):
                    owners.update(dict.fromkeys(_members(mine, "item")))
    return owners


def _members(tree: Node, name: str) -> list[str]:
    """Return the members of a name that an expression looks at."""
    return [
        node.member
        for node in nodes_of(tree)
        if isinstance(node, Select) and isinstance(node.of, Name) and node.of.name == name
    ]


def _never(entry: Entry) -> Iterator[RuleFault]:
    """Yield the rules that are false or an error whatever they look at, without saying so."""
    told: set[str] = set()
    for rule in entry.rules.values():
        if isinstance(rule.tree, Literal) or rule.place in told:
            continue
        if text_of(specialise(rule.tree, {})) in {"false", "null.error"}:
            told.add(rule.place)
            yield RuleFault(rule.place, "it is never true")


def _mixed(entry: Entry) -> Iterator[RuleFault]:
    """Yield where a whole number and a double are certain to meet, such as `now - 60`: that has no value."""
    told: set[RuleFault] = set()
    rules = [(rule.place, rule.tree) for rule in entry.rules.values()]
    for place, tree in (*rules, *_stamps(entry)):
        for node in nodes_of(tree):
            if isinstance(node, Binary) and node.op in _ARITHMETIC:
                one, other = _number(node.left), _number(node.right)
                if one is not None and other is not None and one is not other:
                    at = node.at
                    via = "" if at.source.name in {place, ""} else f" of {at.source.name}"
                    why = "it is always an error: a whole number beside a double, such as `now`; write 60.0, not 60"
                    fault = RuleFault(place, f"{at.words}{via}: {at.excerpt}: {why}")
                    if fault not in told:
                        told.add(fault)
                        yield fault


def _number(node: Node) -> type[int] | type[float] | None:
    """Return which kind of number an expression is, if it has a value; None if that is not certain."""
    match node:
        case Literal(value=float()) | Name(name="now"):
            return float
        case Literal(value=int() as value) if not isinstance(value, bool):
            return int
        case Call(function="size"):
            return int
        case Unary(op="-", of=of):
            return _number(of)
        case Binary(op=op, left=left, right=right) if op in _ARITHMETIC:
            return _number(left) or _number(right)
        case _:
            return None


def _whole_users(entry: Entry) -> Iterator[RuleFault]:
    """Yield the stamps that are all of a user's claims."""
    for place, tree in _stamps(entry):
        if tree == Name("user"):
            text = "it is the whole user, with all claims, for everybody to see who may read; user.id is the id"
            yield RuleFault(place, text)


def _stamps(entry: Entry) -> list[tuple[str, Node]]:
    """Return the expression of each stamp, with its place."""
    insert, update = entry.stamps.insert, entry.stamps.update
    if insert is update:
        return [(f"{entry.name}.stamp.{member}", each.tree) for member, each in insert.items()]
    return [
        (f"{entry.name}.stamp.{kind}.{member}", each.tree)
        for kind, members in (("insert", insert), ("update", update))
        for member, each in members.items()
    ]
