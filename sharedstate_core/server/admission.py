"""What a request for subscriptions may begin, as far as the server as a whole decides on that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.collection.subscription import Subscription, subscription_size
from sharedstate_core.effects import C
from sharedstate_core.items.notices import Audience
from sharedstate_core.wire.decode_subscriptions import Subscribe, decode_subscription

if TYPE_CHECKING:
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.peer.session import Session

    from .registry import Registry
    from .rights import Rights


class Admission(Generic[C]):
    """Admits the subscriptions of one connection, one after another.

    Args:
        session: whose they are.
        registry: holds the collections and the limits.
        rights: what the user of a connection may see.

    Attributes:
        effort: what it has taken to decide; see `Admits`.
    """

    def __init__(self, session: Session[C], registry: Registry[C], rights: Rights[C]) -> None:
        self.effort = 0
        self._session = session
        self._registry = registry
        self._rights = rights

    def admit(
        self, path: CollectionPath, wanted: Subscribe, known: Subscription[C] | None
    ) -> Subscription[C]:
        """Return a subscription that may begin; it counts from now on, until `give_back`.

        Args:
            path: that of the collection.
            wanted: what the peer asks for.
            known: the subscription whose place it takes; None if it is new.

        Raises:
            RequestError: it may not.
        """
        session, registry, rights = self._session, self._registry, self._rights
        name, sub = wanted
        if known is None:
            if rights.are_limited:
                rights.check_read(session, path)
            registry.check_use(path)
        options = decode_subscription(sub, registry.limits)
        definition = rights.definition(session, path, options.wanted)
        self.effort += 0 if definition is None else definition.effort
        more = subscription_size(name.path, sub, definition) - (0 if known is None else known.size)
        if more > 0:
            registry.check_room(path, more)
        there = registry.get(path)
        if definition is not None and there is not None and there.views is not None:
            there.views.check_room(definition, session)
        scope = rights.scope(session, path)
        audience = Audience(name.path, options.parts, name.view, scope)
        subscription = Subscription(
            session, registry.open(path), audience, sub, options.since, definition, options.wanted
        )
        subscription.begins_anew = options.scope != scope
        subscription.collection.subscribe(subscription)
        registry.subscribed += subscription.size
        return subscription

    def give_back(self, subscription: Subscription[C]) -> None:
        """Forget a subscription that was admitted and has not begun."""
        subscription.collection.unsubscribe(subscription)
        self._registry.lose_subscriber(subscription)
