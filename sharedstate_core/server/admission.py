"""What a request for subscriptions may begin, as far as the server as a whole decides on that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.collection.subscription import subscription_size
from sharedstate_core.effects import C
from sharedstate_core.peer.subscribing import Accepted
from sharedstate_core.wire.decode_subscriptions import Subscribe, decode_subscription

if TYPE_CHECKING:
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.peer.session import Session
    from sharedstate_core.views.views import NewViews

    from .registry import Registry
    from .rights import Rights


class Admission(Generic[C]):
    """Admits the subscriptions of one request, one after another.

    Args:
        session: whose they are.
        registry: holds the collections and the limits.
        rights: what the user of the connection may see.
    """

    def __init__(self, session: Session[C], registry: Registry[C], rights: Rights[C]) -> None:
        self._session = session
        self._registry = registry
        self._rights = rights
        self._reserved: set[CollectionPath] = set()
        self._views: dict[CollectionPath, NewViews] = {}
        self._more = 0

    def admit(self, path: CollectionPath, wanted: Subscribe, is_new: bool) -> Accepted:
        """Return a subscription that may begin.

        Args:
            path: that of the collection.
            wanted: what the peer asks for.
            is_new: whether it does not take the place of another one.

        Raises:
            RequestError: it may not.
        """
        session, registry, rights = self._session, self._registry, self._rights
        if is_new:
            if rights.are_limited:
                rights.check_read(session, path)
            registry.reserve(path, self._reserved)
        options = decode_subscription(wanted.sub, registry.limits)
        definition = rights.definition(session, path, options.wanted)
        if is_new:
            self._more += subscription_size(wanted.name.path, wanted.sub, definition)
            registry.check_room(self._more, len(self._reserved))
        if definition is not None:
            if path not in self._views:
                self._views[path] = registry.new_views(path)
            self._views[path].add(definition)
        return Accepted(path, wanted.sub, options, definition, rights.scope(session, path))
