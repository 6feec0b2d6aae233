"""The effect of `PUT /subs`: which subscriptions begin, which end, which are refused and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple

from sharedstate_core.effects import C
from sharedstate_core.errors import Refusal, RequestError
from sharedstate_core.paths import CollectionPath
from sharedstate_core.wire.decode import (
    SubscriptionChanges,
    SubscriptionOptions,
    decode_subscription,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sharedstate_core.collection.subscribers import Subscription

    from .subscriptions import Subscriptions

MAX_SPELLINGS: Final = 4
"""Spellings of one collection's path that a connection may subscribe to: each gets its own messages."""

MAX_EXPLAINED: Final = 1000
"""Refusals of one request that tell what is wrong with their paths; beyond it, paths are not looked at."""

_NO_MORE: Final = Refusal("too_many", f"more than {MAX_EXPLAINED} paths are refused")


class Accepted(NamedTuple):
    """A subscription that has passed every check and is about to begin."""

    path: CollectionPath
    sub: bytes
    options: SubscriptionOptions


class Decision(NamedTuple, Generic[C]):
    """What becomes of the paths that a peer names; those that it does not name stay as they are.

    Attributes:
        dropped: the present ones that lose their place, though they may be listed anew.
        listed: those that the peer lists and that are not refused, in order.
        refused: the others that it lists.
    """

    dropped: dict[str, None]
    listed: dict[str, Subscription[C] | Accepted]
    refused: dict[str, Refusal]

    def gone(self, before: Subscriptions[C]) -> list[Subscription[C]]:
        """Return the present subscriptions that end."""
        named = ((path, before.get(path)) for path in {**self.dropped, **self.listed})
        return [each for path, each in named if each and self.listed.get(path) is not each]

    def listed_subs(self) -> dict[str, bytes]:
        """Return the `sub` of each that the peer lists and that is not refused, by path."""
        return {path: each.sub for path, each in self.listed.items()}

    def all_subs(self, before: Subscriptions[C]) -> dict[str, bytes]:
        """Return the `sub` of each subscription that there will be, by path."""
        staying = {path: each.sub for path, each in before.items() if path not in self.dropped}
        return staying | self.listed_subs()


def resolve_subscriptions(
    before: Subscriptions[C],
    changes: SubscriptionChanges,
    most: int,
    parse: Callable[[str, bytes], CollectionPath],
) -> Decision[C]:
    """Decide what a request changes; what it costs depends on what it names alone.

    Args:
        before: the present subscriptions.
        changes: what the peer asks for; each path is decided independently.
        most: number of subscriptions that a connection may have.
        parse: returns the collection that a path names, for a new subscription with these options, or raises
            RequestError.
    """
    listed: dict[str, Subscription[C] | Accepted] = {}
    refused: dict[str, Refusal] = {}
    dropped = dict.fromkeys(before.paths() if changes.reset else filter(before.get, changes.remove))
    wanted = dict(changes.insert)
    known = {path: each for path in wanted if (each := before.get(path)) is not None}
    if not changes.reset:
        known = {path: each for path, each in known.items() if path not in dropped}
        wanted = {path: wanted[path] for path in known} | wanted  # they were there first
    leaving = [each for path in {**dropped, **known} if (each := before.get(path)) is not None]
    room = most - len(before) + len(leaving)
    spellings = _Spellings(before, leaving)
    full = Refusal("too_many", f"at most {most} subscriptions")
    for path, sub in wanted.items():
        if len(listed) >= room:
            refused[path] = full
        elif len(refused) >= MAX_EXPLAINED:
            refused[path] = _NO_MORE
        else:
            try:
                listed[path] = _decide(path, sub, known.get(path), spellings, parse)
            except RequestError as error:
                refused[path] = Refusal.of(error)
    dropped.update((path, None) for path in refused if path in known)
    return Decision(dropped, listed, refused)


class _Spellings(Generic[C]):
    """How many spellings of each collection's path there are, without those subscriptions that leave."""

    def __init__(self, before: Subscriptions[C], leaving: Iterable[Subscription[C]]) -> None:
        self._before = before.of
        self._more = Counter[CollectionPath]()
        self._more.subtract(each.collection.path for each in leaving)

    def add(self, collection: CollectionPath) -> None:
        """Count one more.

        Raises:
            RequestError: `too_many`.
        """
        self._more[collection] += 1
        if len(self._before.get(collection, ())) + self._more[collection] > MAX_SPELLINGS:
            raise RequestError("too_many", f"at most {MAX_SPELLINGS} spellings of {collection}")


def _decide(
    path: str,
    sub: bytes,
    known: Subscription[C] | None,
    spellings: _Spellings[C],
    parse: Callable[[str, bytes], CollectionPath],
) -> Subscription[C] | Accepted:
    collection = parse(path, sub) if known is None else known.collection.path
    spellings.add(collection)
    if known is not None and known.sub == sub:
        return known
    return Accepted(collection, sub, decode_subscription(sub))
