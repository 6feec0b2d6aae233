"""A request that changes the subscriptions of a connection, by turns if it names many.

The rules:

1. All of it is decided first. What is admitted counts against all bounds from then on, and is told nothing.
2. Once all is decided, everything happens in one turn: the reply, the end of what goes, the beginning of what comes.
3. Later requests of the connection wait meanwhile. What the connection is subscribed to goes on until the reply.
4. What the connection may keep is examined first. If its user changes meanwhile, or the rules do, all is decided
   anew once it has been examined again.
5. If the connection ends, what was admitted is given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeAlias

from sharedstate_core.collection.author import abandon
from sharedstate_core.effects import C
from sharedstate_core.errors import RequestError
from sharedstate_core.peer.subscribing import resolve_subscriptions

from .admission import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sharedstate_core.collection.author import Author
    from sharedstate_core.collection.subscription import Subscription
    from sharedstate_core.effects import Effect, Effects
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.peer.session import Session
    from sharedstate_core.peer.subscribing import Decision
    from sharedstate_core.wire.decode_subscriptions import SubscriptionChanges

    from .registry import Registry
    from .rights import Rights

    Changed: TypeAlias = tuple[list[Subscription[C]], list[Subscription[C]]]


MOST_EFFORT: Final = 10
"""A turn takes this part of what it takes without rules, at the least, however much the rules look through."""


class SubscriptionChange(Generic[C]):
    """One such request.

    Args:
        author: who asks for it.
        session: the connection.
        changes: what is asked for.
        reply: called once all is decided.
        registry: holds the collections.
        rights: what the user of the connection may see.
        limits: the bounds.
    """

    def __init__(
        self,
        author: Author[C],
        session: Session[C],
        changes: SubscriptionChanges,
        reply: Callable[[Decision[C], Effects[C]], None],
        registry: Registry[C],
        rights: Rights[C],
        limits: LiveLimits,
    ) -> None:
        self._author = author
        self._session = session
        self._changes = changes
        self._reply = reply
        self._registry = registry
        self._rights = rights
        self._limits = limits
        self._admission = Admission(session, registry, rights)
        self._admitted: list[Subscription[C]] = []
        self._decide()

    def _decide(self) -> None:
        """Begin to decide."""
        session, limits = self._session, self._limits
        turn = limits.turn_readers
        if len(self._changes.insert) > turn // MOST_EFFORT:
            turn //= min(turn, MOST_EFFORT, self._rights.effort(session))
        self._decided_for = session.identity, self._registry.rules_version.number
        self._deciding: Generator[None, None, Decision[C]] = resolve_subscriptions(
            session.subscriptions,
            self._changes,
            limits.current.subscriptions,
            self._admission,
            self._admitted,
            turn,
        )

    def begin(self, out: Effects[C]) -> None:
        """Carry it out now if it is little, or else begin; once it is known what the connection may keep."""
        session = self._session
        changed = self._next(out) if session.is_examined else None
        if changed is None:
            session.undertake(self, out)
        else:
            self._registry.change_subscribers(*changed, out)

    def go_on(self, out: Effects[C]) -> None:
        """Do some more of it."""
        session = self._session
        if self._decided_for != (session.identity, self._registry.rules_version.number):
            self._give_back()
            self._decide()
            try:
                self._rights.admit(session)
            except RequestError as error:
                self._author.fail(error, out)
                session.complete(out)
                return
        if (changed := self._next(out)) is not None:
            self._registry.note_subscribers(*changed)
            session.complete(out)

    def abandon(self, out: list[Effect[C]]) -> None:
        """Give it up, since the connection has ended."""
        self._give_back()
        abandon(self._author, out)

    def _give_back(self) -> None:
        for subscription in self._admitted:
            self._admission.give_back(subscription)
        self._admitted = []

    def _next(self, out: Effects[C]) -> Changed[C] | None:
        """Decide some more; if that was all, carry it out, and return the subscriptions that have begun and ended."""
        try:
            next(self._deciding)
        except StopIteration as end:
            return self._carry_out(end.value, out)
        return None

    def _carry_out(self, decision: Decision[C], out: Effects[C]) -> Changed[C]:
        session = self._session
        subscriptions = session.subscriptions
        begun, gone = decision.admitted, decision.gone
        self._reply(decision, out)
        for subscription in gone:
            session.disown(subscription)
            subscription.collection.unsubscribe(subscription)
        for name in decision.dropped:
            subscriptions.drop(name)
        for name, subscription in decision.listed.items():
            subscriptions.put(name, subscription)
        for subscription in begun:
            if session.state == "blocked":
                session.owe(subscription)
            subscription.collection.begin(subscription)
        return begun, gone
