"""The effect of `PUT /subs`: which subscriptions stay, which begin, which are refused and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple

from sharedstate_core.effects import C
from sharedstate_core.errors import Refusal, RequestError
from sharedstate_core.wire.decode import (
    SubscriptionChanges,
    SubscriptionOptions,
    decode_subscription,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sharedstate_core.collection.subscribers import Subscription
    from sharedstate_core.paths import CollectionPath

MAX_SPELLINGS: Final = 4
"""Spellings of one collection's path that a connection may subscribe to: each gets its own messages."""


class Accepted(NamedTuple):
    """A subscription that has passed every check and is about to begin."""

    path: CollectionPath
    sub: bytes
    options: SubscriptionOptions


class Decision(NamedTuple, Generic[C]):
    """The resulting subscriptions, in order, and the refused ones; both by path as spelled."""

    kept: dict[str, Subscription[C] | Accepted]
    refused: dict[str, Refusal]


def resolve_subscriptions(
    before: Mapping[str, Subscription[C]],
    changes: SubscriptionChanges,
    most: int,
    parse: Callable[[str], CollectionPath],
) -> Decision[C]:
    """Edit or replace subscriptions as a peer asks, and return the result.

    Args:
        before: the present subscriptions, by path as spelled.
        changes: what the peer asks for; each path is decided independently.
        most: number of subscriptions that a connection may have.
        parse: returns the collection that a path names, or raises RequestError.
    """
    removed = before.keys() if changes.reset else set(changes.remove)
    wanted = {path: known.sub for path, known in before.items() if path not in removed}
    wanted.update(changes.insert)
    decision = Decision[C]({}, {})
    spellings: Counter[CollectionPath] = Counter()
    for path, sub in wanted.items():
        known = before.get(path) if changes.reset or path not in removed else None
        try:
            if len(decision.kept) >= most:
                raise RequestError("too_many", f"at most {most} subscriptions")
            collection = parse(path) if known is None else known.collection.path
            spellings[collection] += 1
            if spellings[collection] > MAX_SPELLINGS:
                raise RequestError("too_many", f"at most {MAX_SPELLINGS} spellings of {collection}")
            if known is not None and known.sub == sub:
                decision.kept[path] = known
            else:
                decision.kept[path] = Accepted(collection, sub, decode_subscription(sub))
        except RequestError as error:
            decision.refused[path] = Refusal(error.code, error.message)
    return decision
