"""All rules: which entry decides on a collection, and what it says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import msgspec

from sharedstate_core.expressions.explain import Step, explain
from sharedstate_core.expressions.specialiser import specialise
from sharedstate_core.expressions.tree import names_of
from sharedstate_core.filters.connectives import simplified

from .faults import Faults, RuleFault, RulesError
from .grant import Grant
from .hints import hints
from .patterns import PatternList
from .reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from sharedstate_core.expressions.tree import Node
    from sharedstate_core.paths import CollectionPath

    from .entry import Entry

    User: TypeAlias = Mapping[str, Any] | None


_REMEMBERED: Final = 1_024
"""Collections whose entry is remembered: connections keep naming the same few."""


class Rules:
    """The rules of a server.

    Those that were read of the same are equal.

    Attributes:
        entries: in order; the first that matches decides.
    """

    def __init__(self, entries: Iterable[Entry], source: bytes) -> None:
        self.entries = tuple(entries)
        self._source = source
        self._patterns = PatternList(entry.pattern for entry in self.entries)
        self._remembered = lru_cache(_REMEMBERED)(self._first)

    @classmethod
    def parse(cls, config: object, place: str = "rules") -> Self:
        """Read rules.

        Args:
            config: a list of objects, as JSON has them, with these keys; all but `path` may be missing.

                - `path`: the collections it decides on: `/app/service/collection`, with `*` or `{name}` (a variable)
                  for a segment or for a part of one.
                - `read`, `insert`, `update`, `remove`: an expression, true or false; missing, it is denied. A
                  `read` that looks at `item` lets each user see the items that it is true of, and no others.
                - `write`: stands for each of `insert`, `update` and `remove` that is missing.
                - `admin`: whether somebody is told why something is denied, and may list names where `list` is missing.
                - `list`: whether the names of all collections that the path matches may be listed; it must end in `/*`
                  or in a variable alone, whose value is not known.
                - `let`: names that stand for expressions in the others, and in one another.
                - `stamp`: members that the server sets in every item that is inserted or updated, each an expression,
                  such as `{"by": "user.id", "at": "now"}`; or `{"insert": {...}, "update": {...}}` to tell the two
                  apart. No client sets any of them: see `Grant.stamped`.

                Expressions look at `user` (null, or the claims with `id`), the variables of the path, `item` (what is
                stored: read, update, remove), `new` (what would be: insert, update), `now` (seconds since the Unix
                epoch, a double) and `session` (the public name of the session, a string); the last two not in `read`,
                `list` and `admin`.
            place: of the list in the configuration, for errors.

        Raises:
            RulesError: with all mistakes.
        """
        faults = Faults()
        entries = read_entries(config, place, faults)
        if faults.found:
            raise RulesError(faults.found)
        return cls(entries, msgspec.json.encode(config))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    def entry(self, path: CollectionPath) -> Match | None:
        """Return what decides on a collection; None if nothing does, and everything is denied."""
        return self._remembered(path)

    def _first(self, path: CollectionPath) -> Match | None:
        place = self._patterns.first(path)
        if place is None:
            return None
        entry = self.entries[place]
        return Match(entry, entry.pattern.match(path) or {})

    def may_list(self, app: str | None, service: str | None, user: User) -> bool:
        """Return whether a user (None, or the claims) may list the names that `list_entry` is about."""
        match = self.list_entry(app, service)
        return match is not None and match.may_list(user)

    def list_entry(self, app: str | None, service: str | None) -> Match | None:
        """Return what decides on a list of names: the collections of an app and service, or what is above them.

        It is the first entry that matches all the collections whose names, or whose apps' or services', would be in the
        list; those that match only some of them are passed over. None if there is none, and the list is denied.

        Args:
            app: the app whose services or collections are listed; None for a list of apps.
            service: the service whose collections are listed; None for a list of services or of apps.
        """
        for entry in self.entries:
            if (variables := entry.pattern.match((app, service, None))) is not None:
                return Match(entry, variables)
        return None

    def may_administer(self, user: User) -> bool:
        """Return whether a user is an admin of all collections: by the first entry that matches them all.

        Args:
            user: None, or the claims.
        """
        match = self.list_entry(None, None)
        return match is not None and match.is_admin(user)

    @property
    def look_at_users(self) -> bool:
        """Whether any entry asks who somebody is."""
        return any(entry.looks_at_users for entry in self.entries)

    def warnings(self) -> list[RuleFault]:
        """Return what is allowed, but probably not meant."""
        return list(hints(self.entries))


class Match:
    """The entry that decides on a collection, or on a list of names.

    Attributes:
        entry: the entry.
        variables: the variables of its path, with their values.
    """

    __slots__ = ("entry", "variables")

    def __init__(self, entry: Entry, variables: Mapping[str, str]) -> None:
        self.entry = entry
        self.variables = variables

    def may_read(self, user: User) -> bool:
        """Return whether a user (None, or the claims with `id`) may read all items there are and could be."""
        return self.entry.allows("read", {**self.variables, "user": user})

    def readable(self, user: User) -> Node:
        """Return what is left of `read` for a user: an expression over `item`, true of what may be read.

        It is the literal true for everything, and the literal false for nothing, if that does not depend on items. What
        would have more than `MAX_QUOTED` values of the user in it, such as a list of 10,000 groups, is true of nothing.

        Args:
            user: None, or the claims with `id`.
        """
        known = {**self.variables, "user": user}
        return simplified(specialise(self.entry.rules["read"].tree, known))

    @property
    def reads_items(self) -> bool:
        """Whether what may be read depends on the items."""
        return "item" in names_of(self.entry.rules["read"].tree)

    @property
    def list_key(self) -> str:
        """The key that decides on a list of names: `admin` where there is no `list`."""
        return "list" if self.entry.rules["list"].is_given else "admin"

    def may_list(self, user: User) -> bool:
        """Return whether a user (None, or the claims with `id`) may list the names."""
        return self.entry.allows(self.list_key, {**self.variables, "user": user})

    def is_admin(self, user: User) -> bool:
        """Return whether a user may be told why something is denied."""
        return self.entry.allows("admin", {**self.variables, "user": user})

    def for_user(self, user: User, session: str | None) -> Grant:
        """Return what a session may write.

        Args:
            user: None, or the claims with `id`; they must not change afterwards.
            session: public name of the session; None for a client that has not named its session: to look at it is an
                error then, or all of them would be one.
        """
        known = {**self.variables, "user": user}
        return Grant(self.entry, known if session is None else {**known, "session": session})

    def explain(self, key: str, values: Mapping[str, object]) -> Iterator[Step]:
        """Yield each part of a rule with its value.

        Args:
            key: `read`, `insert`, `update`, `remove`, `list` or `admin`.
            values: those of `user`, `session`, `item`, `new` and `now`, as far as the rule looks at them.
        """
        return explain(self.entry.rules[key].tree, {**self.variables, **values})
