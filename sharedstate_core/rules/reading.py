"""From the configuration to entries; all mistakes are found at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.parser import RESERVED, parse
from sharedstate_core.expressions.places import ExpressionError, Place, Source
from sharedstate_core.expressions.substitution import substituted
from sharedstate_core.expressions.tree import Literal, Name, Node, names_of, nodes_of

from .entry import DENIED, Entry, Rule, Stamps
from .keys import ALLOWED, KEYS, RIGHTS, VALUES, WRITES, why_not
from .patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .faults import Faults

MAX_ENTRIES: Final = 1_000
"""Maximum number of entries: each may be compared with each path."""

MAX_NAMES: Final = 100
"""Maximum number of names of `let`, and of stamped members, in one entry."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS: Final = {bool: "a boolean", int: "a number", float: "a number", type(None): "null"}


def kind_of(value: object) -> str:
    """Return what a value is in the words of a configuration."""
    if isinstance(value, str | list | dict):
        return (
            "a text"
            if isinstance(value, str)
            else "a list"
            if isinstance(value, list)
            else "an object"
        )
    return _KINDS.get(value.__class__, value.__class__.__name__)


def read_entries(config: object, place: str, faults: Faults) -> list[Entry]:
    """Return the entries; those with mistakes are left out, and the mistakes collected."""
    if not isinstance(config, list):
        faults.add(place, f"expected a list, found {kind_of(config)}")
        return []
    if len(config) > MAX_ENTRIES:
        faults.add(place, f"more than {MAX_ENTRIES} entries")
        return []
    found = (_Reader(f"{place}[{n}]", faults).entry(each) for n, each in enumerate(config))
    return [entry for entry in found if entry is not None]


class _Reader:
    """Reads one entry."""

    def __init__(self, place: str, faults: Faults) -> None:
        self._place = place
        self._faults = faults
        self._variables: frozenset[str] = frozenset()
        self._hidden: frozenset[str] = frozenset()
        self._lets: dict[str, Node | None] = {}
        self._used: set[str] = set()

    def entry(self, config: object) -> Entry | None:
        before = len(self._faults.found)
        if not isinstance(config, dict):
            self._faults.add(self._place, f"expected an object, found {kind_of(config)}")
            return None
        for key in config:
            if key not in KEYS:
                known = ", ".join(KEYS)
                self._faults.add(f"{self._place}.{key}", f"unknown key; there are {known}")
        pattern = self._pattern(config)
        if pattern is None:
            return None  # which variables there are is not known
        self._read_lets(config.get("let", {}))
        rules = self._rights(config, pattern)
        stamps = self._stamps(config.get("stamp", {}))
        if len(self._faults.found) > before:
            return None
        unused = tuple(name for name in self._lets if name not in self._used)
        return Entry(self._place, pattern, rules, stamps, unused)

    def _pattern(self, config: Mapping[str, object]) -> Pattern | None:
        place, text = f"{self._place}.path", config.get("path")
        if not isinstance(text, str):
            found = f"expected a text, found {kind_of(text)}" if "path" in config else "is missing"
            self._faults.add(place, found)
            return None
        try:
            pattern = Pattern.parse(text)
        except ValueError as error:
            self._faults.add(place, str(error))
            return None
        self._variables = frozenset(pattern.names)
        self._hidden = frozenset({pattern.segments[-1].name} - {""})
        for name in pattern.names:
            self._check_name(place, name, VALUES)
        return pattern

    def _check_name(self, place: str, name: object, taken: Collection[str]) -> bool:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
            self._faults.add(place, f"{name!r} cannot be the name of a value")
        elif name in taken:
            self._faults.add(place, f"`{name}` has a value already")
        else:
            return True
        return False

    # --- let ---

    def _read_lets(self, config: object) -> None:
        """Read all names of `let`; the value of one with a mistake is None, and it is said only once."""
        place = f"{self._place}.let"
        if (config := self._small_object(config, place)) is None:
            return
        taken = {*VALUES, *self._variables}
        names = [name for name in config if self._check_name(f"{place}.{name}", name, taken)]
        known = {*taken, *names}
        raw = {name: self._expression(f"{place}.{name}", config[name], known) for name in names}
        for name in names:
            self._resolve(name, raw, ())

    def _resolve(self, name: str, raw: Mapping[str, Node | None], within: tuple[str, ...]) -> None:
        """Put the expressions of other names into that of one."""
        if name in self._lets:
            return
        tree, place = raw[name], f"{self._place}.let.{name}"
        if name in within:
            way = ", ".join((*within[within.index(name) :], name))
            self._faults.add(place, f"it stands for itself: {way}")
            self._lets[name] = None
            return
        if tree is not None:
            for other in sorted(names_of(tree) & raw.keys()):
                self._resolve(other, raw, (*within, name))
            self._used |= names_of(tree) & raw.keys()
            tree = self._substituted(place, tree)
        self._lets.setdefault(name, tree)

    def _substituted(self, place: str, tree: Node) -> Node | None:
        """Return an expression without names of `let`; None if one of them has a mistake, or it becomes too large."""
        used = names_of(tree) & self._lets.keys()
        self._used |= used
        trees = {name: each for name in used if (each := self._lets[name]) is not None}
        if len(trees) < len(used):
            return None
        try:
            return substituted(tree, trees)
        except ExpressionError as error:
            self._faults.add_expression(place, error)
            return None

    # --- the keys ---

    def _rights(self, config: Mapping[str, object], pattern: Pattern) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        for key in RIGHTS:
            written = "write" if key in WRITES and key not in config and "write" in config else key
            place, tree = f"{self._place}.{written}", None
            if written in config:
                tree = self._checked(key, place, config[written])
            rules[key] = Rule(place, DENIED if tree is None else tree)
        if "write" in config and all(key in config for key in WRITES):
            self._faults.add(
                f"{self._place}.write", "insert, update and remove are given, all three"
            )
        if "list" in config and not pattern.is_whole:
            problem = "it is about all names, so the path must end in /* or in a variable alone"
            self._faults.add(f"{self._place}.list", problem)
        return rules

    def _stamps(self, config: object) -> Stamps:
        place = f"{self._place}.stamp"
        if (config := self._small_object(config, place)) is None:
            return Stamps()
        if config and all(isinstance(each, dict) for each in config.values()):
            for key in config.keys() - {"insert", "update"}:
                self._faults.add(f"{place}.{key}", "expected a text, found an object")
            insert, update = (
                self._members(f"{place}.{key}", config.get(key, {})) for key in ("insert", "update")
            )
            return Stamps(insert, update)
        members = self._members(place, config)
        return Stamps(members, members)

    def _members(self, place: str, config: object) -> dict[str, Program]:
        members: dict[str, Program] = {}
        for member, value in (self._small_object(config, place) or {}).items():
            at = f"{place}.{member}"
            if member == "id":
                self._faults.add(
                    at, "an id is the client's; a rule may ask for one, such as new.id == session"
                )
            elif not isinstance(value, str):
                self._faults.add(at, f"expected a text, found {kind_of(value)}")
            elif (tree := self._checked("stamp", at, value)) is not None:
                members[member] = Program(tree)
        return members

    def _checked(self, key: str, place: str, value: object) -> Node | None:
        """Return an expression that looks at nothing but what its key may look at."""
        tree = self._expression(place, value, {*VALUES, *self._variables, *self._lets})
        tree = None if tree is None else self._substituted(place, tree)
        if tree is None:
            return None
        allowed = ALLOWED[key] | self._variables - (self._hidden if key == "list" else frozenset())
        for node in nodes_of(tree):
            if isinstance(node, Name) and node.name not in allowed:
                self._faults.add_expression(
                    place, ExpressionError(node.at, why_not(key, node.name))
                )
                return None
        return tree

    def _expression(self, place: str, value: object, names: Collection[str]) -> Node | None:
        if isinstance(value, bool):
            text = "true" if value else "false"
            return Literal(value, Place(Source(place, text), 0, len(text)))
        if not isinstance(value, str):
            self._faults.add(
                place, f"expected an expression, true or false, found {kind_of(value)}"
            )
            return None
        try:
            return parse(value, name=place, names=names)
        except ExpressionError as error:
            self._faults.add_expression(place, error)
            return None

    def _small_object(self, config: object, place: str) -> dict[str, object] | None:
        if not isinstance(config, dict):
            self._faults.add(place, f"expected an object, found {kind_of(config)}")
        elif len(config) > MAX_NAMES:
            self._faults.add(place, f"more than {MAX_NAMES} names")
        else:
            return config
        return None
