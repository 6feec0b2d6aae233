"""The effect of `PUT /subs`: which subscriptions begin, which end, which are refused and why.

Nothing changes before all of it is decided, but that what is to begin is admitted, one after the other.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol

from sharedstate_core.effects import C
from sharedstate_core.errors import Refusal, RequestError
from sharedstate_core.paths import CollectionPath, parse_collection_path
from sharedstate_core.views.definition import EFFORT_BYTES
from sharedstate_core.wire.decode_subscriptions import (
    Subscribe,
    SubscriptionChanges,
    SubscriptionName,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from sharedstate_core.collection.subscription import Subscription

    from .subscriptions import Subscriptions

MAX_SPELLINGS: Final = 4
"""Spellings of one collection's path that a connection may subscribe to: each gets its own messages."""

MAX_EXPLAINED: Final = 1000
"""Refusals of one request that tell what is wrong with their paths; beyond it, paths are not looked at."""

_NO_MORE: Final = Refusal("too_many", f"more than {MAX_EXPLAINED} paths are refused")


class Decision(NamedTuple, Generic[C]):
    """What becomes of the subscriptions that a peer names; those that it does not name stay as they are.

    Attributes:
        dropped: the present ones that lose their place, though they may be listed anew.
        listed: those that the peer lists and that are not refused, in order.
        admitted: those of them that are about to begin.
        refused: the others that it lists.
        gone: the present ones that end.
    """

    dropped: dict[SubscriptionName, None]
    listed: dict[SubscriptionName, Subscription[C]]
    admitted: list[Subscription[C]]
    refused: dict[SubscriptionName, Refusal]
    gone: list[Subscription[C]]

    def listed_subs(self) -> dict[SubscriptionName, bytes]:
        """Return the `sub` of each that the peer lists and that is not refused, by name."""
        return {name: each.sub for name, each in self.listed.items()}

    def all_subs(self, before: Subscriptions[C]) -> dict[SubscriptionName, bytes]:
        """Return the `sub` of each subscription that there will be, by name."""
        staying = {name: each.sub for name, each in before.items() if name not in self.dropped}
        return staying | self.listed_subs()


def resolve_subscriptions(
    before: Subscriptions[C],
    changes: SubscriptionChanges,
    most: int,
    admission: Admits[C],
    admitted: list[Subscription[C]],
    turn: int,
) -> Generator[None, None, Decision[C]]:
    """Decide, by portions, what a request changes; what it costs depends on what it names alone.

    Args:
        before: the present subscriptions, which do not change meanwhile.
        changes: what the peer asks for; each subscription is decided independently.
        most: number of subscriptions that a connection may have.
        admission: decides what may begin.
        admitted: receives what is to begin.
        turn: subscriptions to whole collections that are decided in one turn; fewer with filters.
    """
    left, takes_turns = turn, False
    listed: dict[SubscriptionName, Subscription[C]] = {}
    refused: dict[SubscriptionName, Refusal] = {}
    dropped = dict.fromkeys(before.names() if changes.reset else filter(before.get, changes.remove))
    wanted = dict(changes.insert)
    known = {name: each for name in wanted if (each := before.get(name)) is not None}
    if not changes.reset:
        known = {name: each for name, each in known.items() if name not in dropped}
        wanted = {name: wanted[name] for name in known} | wanted  # they were there first
    named = ((name, before.get(name)) for name in {**dropped, **known})
    leaving = {name: each for name, each in named if each is not None}
    room = most - len(before) + len(leaving)
    spellings = _Spellings(before, leaving.values())
    full = Refusal("too_many", f"at most {most} subscriptions")
    for name, sub in wanted.items():
        if len(listed) >= room:
            refused[name] = full
        elif len(refused) >= MAX_EXPLAINED:
            refused[name] = _NO_MORE
        else:
            if left <= 0:
                yield
                left, takes_turns = turn, True
            admission.effort = 1 + len(sub) // EFFORT_BYTES
            try:
                there = known.get(name)
                listed[name] = decided = _decide(Subscribe(name, sub), there, spellings, admission)
                if decided is not there:
                    admitted.append(decided)
            except RequestError as error:
                refused[name] = Refusal.of(error)
            left -= admission.effort
    dropped.update((name, None) for name in refused if name in known)
    gone = [each for name, each in leaving.items() if listed.get(name) is not each]
    if takes_turns:
        yield  # what follows is a turn's work, too
    return Decision(dropped, listed, admitted, refused, gone)


class Admits(Protocol[C]):
    """Decides what may begin.

    Attributes:
        effort: to it is added what it takes to decide, whatever comes of it; see `Subscription.effort`.
    """

    effort: int

    def admit(
        self, path: CollectionPath, wanted: Subscribe, known: Subscription[C] | None
    ) -> Subscription[C]:
        """Return a subscription that may begin.

        Args:
            path: that of the collection.
            wanted: what the peer asks for.
            known: the subscription whose place it takes; None if it is new.

        Raises:
            RequestError: it may not.
        """
        ...


class _Spellings(Generic[C]):
    """How many spellings of each collection's path there are, without those subscriptions that leave."""

    def __init__(self, before: Subscriptions[C], leaving: Iterable[Subscription[C]]) -> None:
        self._before = before.of
        self._there: dict[CollectionPath, Counter[str]] = {}
        self._more = Counter[tuple[CollectionPath, str]]()
        self._more.subtract((each.collection.path, each.audience.view) for each in leaving)

    def add(self, collection: CollectionPath, view: str) -> None:
        """Count one more.

        Raises:
            RequestError: `too_many`.
        """
        self._more[collection, view] += 1
        there = self._there.get(collection)
        if there is None:
            before = self._before.get(collection, ())
            there = self._there[collection] = Counter(each.audience.view for each in before)
        if there[view] + self._more[collection, view] > MAX_SPELLINGS:
            raise RequestError("too_many", f"at most {MAX_SPELLINGS} spellings of {collection}")


def _decide(
    wanted: Subscribe,
    known: Subscription[C] | None,
    spellings: _Spellings[C],
    admission: Admits[C],
) -> Subscription[C]:
    path, view = wanted.name
    collection = parse_collection_path(path) if known is None else known.collection.path
    spellings.add(collection, view)
    if known is not None and known.sub == wanted.sub:
        return known
    return admission.admit(collection, wanted, known)
