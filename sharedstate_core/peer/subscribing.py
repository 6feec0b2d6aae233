"""The effect of `PUT /subs`: which subscriptions begin, which end, which are refused and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias

from sharedstate_core.effects import C
from sharedstate_core.errors import Refusal, RequestError
from sharedstate_core.paths import CollectionPath, parse_collection_path
from sharedstate_core.wire.decode_subscriptions import (
    Subscribe,
    SubscriptionChanges,
    SubscriptionName,
    SubscriptionOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sharedstate_core.collection.subscription import Subscription
    from sharedstate_core.views.definition import Definition

    from .subscriptions import Subscriptions

    Admit: TypeAlias = "Callable[[CollectionPath, Subscribe, bool], Accepted]"

MAX_SPELLINGS: Final = 4
"""Spellings of one collection's path that a connection may subscribe to: each gets its own messages."""

MAX_EXPLAINED: Final = 1000
"""Refusals of one request that tell what is wrong with their paths; beyond it, paths are not looked at."""

_NO_MORE: Final = Refusal("too_many", f"more than {MAX_EXPLAINED} paths are refused")


class Accepted(NamedTuple):
    """A subscription that has passed every check and is about to begin.

    Attributes:
        path: that of the collection.
        sub: JSON text of the options, as sent.
        options: the options.
        definition: what is shown; None for the whole collection.
        scope: names what the rules let the reader see; empty if they do not look at items.
    """

    path: CollectionPath
    sub: bytes
    options: SubscriptionOptions
    definition: Definition | None
    scope: str


class Decision(NamedTuple, Generic[C]):
    """What becomes of the subscriptions that a peer names; those that it does not name stay as they are.

    Attributes:
        dropped: the present ones that lose their place, though they may be listed anew.
        listed: those that the peer lists and that are not refused, in order.
        refused: the others that it lists.
    """

    dropped: dict[SubscriptionName, None]
    listed: dict[SubscriptionName, Subscription[C] | Accepted]
    refused: dict[SubscriptionName, Refusal]

    def gone(self, before: Subscriptions[C]) -> list[Subscription[C]]:
        """Return the present subscriptions that end."""
        named = ((name, before.get(name)) for name in {**self.dropped, **self.listed})
        return [each for name, each in named if each and self.listed.get(name) is not each]

    def listed_subs(self) -> dict[SubscriptionName, bytes]:
        """Return the `sub` of each that the peer lists and that is not refused, by name."""
        return {name: each.sub for name, each in self.listed.items()}

    def all_subs(self, before: Subscriptions[C]) -> dict[SubscriptionName, bytes]:
        """Return the `sub` of each subscription that there will be, by name."""
        staying = {name: each.sub for name, each in before.items() if name not in self.dropped}
        return staying | self.listed_subs()


def resolve_subscriptions(
    before: Subscriptions[C], changes: SubscriptionChanges, most: int, admit: Admit
) -> Decision[C]:
    """Decide what a request changes; what it costs depends on what it names alone.

    Args:
        before: the present subscriptions.
        changes: what the peer asks for; each subscription is decided independently.
        most: number of subscriptions that a connection may have.
        admit: returns what is to begin, or raises RequestError; it is given the collection, what is asked for, and
            whether the path is new.
    """
    listed: dict[SubscriptionName, Subscription[C] | Accepted] = {}
    refused: dict[SubscriptionName, Refusal] = {}
    dropped = dict.fromkeys(before.names() if changes.reset else filter(before.get, changes.remove))
    wanted = dict(changes.insert)
    known = {name: each for name in wanted if (each := before.get(name)) is not None}
    if not changes.reset:
        known = {name: each for name, each in known.items() if name not in dropped}
        wanted = {name: wanted[name] for name in known} | wanted  # they were there first
    leaving = [each for name in {**dropped, **known} if (each := before.get(name)) is not None]
    room = most - len(before) + len(leaving)
    spellings = _Spellings(before, leaving)
    full = Refusal("too_many", f"at most {most} subscriptions")
    for name, sub in wanted.items():
        if len(listed) >= room:
            refused[name] = full
        elif len(refused) >= MAX_EXPLAINED:
            refused[name] = _NO_MORE
        else:
            try:
                listed[name] = _decide(Subscribe(name, sub), known.get(name), spellings, admit)
            except RequestError as error:
                refused[name] = Refusal.of(error)
    dropped.update((name, None) for name in refused if name in known)
    return Decision(dropped, listed, refused)


class _Spellings(Generic[C]):
    """How many spellings of each collection's path there are, without those subscriptions that leave."""

    def __init__(self, before: Subscriptions[C], leaving: Iterable[Subscription[C]]) -> None:
        self._before = before.of
        self._more = Counter[tuple[CollectionPath, str]]()
        self._more.subtract((each.collection.path, each.audience.view) for each in leaving)

    def add(self, collection: CollectionPath, view: str) -> None:
        """Count one more.

        Raises:
            RequestError: `too_many`.
        """
        self._more[collection, view] += 1
        there = sum(each.audience.view == view for each in self._before.get(collection, ()))
        if there + self._more[collection, view] > MAX_SPELLINGS:
            raise RequestError("too_many", f"at most {MAX_SPELLINGS} spellings of {collection}")


def _decide(
    wanted: Subscribe, known: Subscription[C] | None, spellings: _Spellings[C], admit: Admit
) -> Subscription[C] | Accepted:
    path, view = wanted.name
    collection = parse_collection_path(path) if known is None else known.collection.path
    spellings.add(collection, view)
    if known is not None and known.sub == wanted.sub:
        return known
    return admit(collection, wanted, known is None)
