"""Storage's outcomes of updates, kept until their authors may be answered.

An author that subscribes to the collection must see its update there before it is answered. So an answer waits while
the replica does not have the update yet, while the author's reader is blocked, and while one of that reader's
subscriptions waits for content or is still owed the net change.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic

from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import Committed

from .reader import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_core.counters import Counters
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.pending import Pending

    from .reader import Reader
    from .settled import Settled
    from .subscribers import Subscribers


class Acknowledgements(Generic[C]):
    """The answers to updates of one collection.

    Args:
        path: its name.
        subscribers: its subscribers.
        counters: count the updates.
        pending: counts what is kept.
        give_later: gives an answer that was deferred, by the collection as it is in memory then: meanwhile this one may
            have been forgotten.

    Attributes:
        held: the answers that wait until there is content.
        behind: those that wait until their readers have caught up, by reader.
    """

    def __init__(
        self,
        path: CollectionPath,
        subscribers: Subscribers[C],
        counters: Counters,
        pending: Pending,
        give_later: Callable[[CollectionPath, Settled[C], Effects[C]], None],
    ) -> None:
        self._path = path
        self._subscribers = subscribers
        self._counters = counters
        self._pending = pending
        self._give_later = give_later
        self.held: list[Settled[C]] = []
        self.behind: dict[Reader[C], list[Settled[C]]] = {}

    def hold(self, answers: Sequence[Settled[C]]) -> None:
        """Keep answers to stored updates that subscribers must see first."""
        self.held.extend(answers)
        self._pending.bytes += _size(answers)

    def release(self, out: list[Effect[C]]) -> None:
        """Give the held answers, and those of readers who have caught up."""
        for reader in self._subscribers.waiting.take_caught_up():
            caught_up = self.behind.pop(reader, ())
            self._pending.bytes -= _size(caught_up)
            self.give(caught_up, out)
        answers, self.held = self.held, []
        self._pending.bytes -= _size(answers)
        self.give(answers, out)

    def give(self, answers: Sequence[Settled[C]], out: list[Effect[C]]) -> None:
        """Answer the authors; those that wait for content or are blocked are answered after their net change."""
        for answer in answers:
            reader = answer.author.reader
            if reader is None:
                answer_author(answer, self._counters, out)
            elif reader in self.behind:
                self.behind[reader].append(answer)
                self._pending.bytes += answer.author.size
            elif reader.is_giving and reader.owes(self._path, answer.cursor):
                self._defer(answer, reader, out)
            elif self._may_hear(reader):
                answer_author(answer, self._counters, out)
            elif reader.state == "blocked":
                self._defer(answer, reader, out)
            else:
                self.behind[reader] = [answer]
                self._pending.bytes += answer.author.size
                self._subscribers.waiting.expect(reader)

    def _may_hear(self, reader: Reader[C]) -> bool:
        behind = reader in self._subscribers.waiting.behind
        return DELIVERY.decide[reader.state, "reply", behind] != "later"

    def _give_drained(self, answer: Settled[C], reader: Reader[C], out: Effects[C]) -> None:
        if reader.owes(self._path, answer.cursor):
            self._defer(answer, reader, out)
        else:
            self._give_later(self._path, answer, out)

    def _defer(self, answer: Settled[C], reader: Reader[C], out: list[Effect[C]]) -> None:
        resume = partial(self._give_drained, answer, reader)
        give = partial(answer_author, answer, self._counters)
        reader.defer(Deferred(resume, give, answer.author.size, requests=0), out)


def answer_author(answer: Settled[C], counters: Counters, out: list[Effect[C]]) -> None:
    """Answer the author of an update."""
    author, touched, outcome, cursor = answer
    if isinstance(outcome, Committed):
        counters.updates += not outcome.duplicate
        author.acknowledge(touched, cursor, out, duplicate=outcome.duplicate)
    else:
        counters.rejected += 1
        place, ids = outcome.place, outcome.ids
        error = RequestError(outcome.code, outcome.message, place=place, ids=ids)
        author.fail(error, out, cursor, outcome_unknown=outcome.is_unknown)


def _size(answers: Sequence[Settled[C]]) -> int:
    return sum(answer.author.size for answer in answers)
