"""What the user of a connection may do, and what is taken back when it may no longer.

The rules:

1. A request is refused before anything is done for it, and content once more when it is about to be sent: meanwhile the
   user may have changed.
2. A subscription that its reader may no longer see ends: a notification empties what it has shown, and a message says
   why.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effects
from sharedstate_core.wire.encode_session import encode_emptying, encode_end

if TYPE_CHECKING:
    from sharedstate_core.access import Access
    from sharedstate_core.collection.author import Author
    from sharedstate_core.collection.reader import Reader
    from sharedstate_core.collection.subscribers import Subscription
    from sharedstate_core.errors import RequestError
    from sharedstate_core.peer.session import Session

    from .registry import Registry


class Rights(Generic[C]):
    """The rights of all users.

    Args:
        access: what is demanded; None if everybody may do everything.
        registry: holds the collections.

    Attributes:
        are_limited: whether anybody may do less than everything.
    """

    def __init__(self, access: Access | None, registry: Registry[C]) -> None:
        self.are_limited = access is not None
        self._access = access
        self._registry = registry

    def admit(self, session: Reader[C] | None) -> None:
        """Refuse a request of a connection that has to sign in first.

        Raises:
            RequestError: `unauthenticated`.
        """
        error = None if session is None else self._refusal(session)
        if error is not None:
            raise error

    def guard(self, author: Author[C]) -> None:
        """Refuse a read, and have content withheld if, when there is an answer, it may no longer be seen.

        Raises:
            RequestError: `unauthenticated`.
        """
        session = author.reader
        if session is not None:
            self.admit(session)
            author.refusal = partial(self._refusal, session)

    def _refusal(self, session: Reader[C]) -> RequestError | None:
        access = self._access
        if access is None or not access.required or session.identity.user is not None:
            return None
        return session.identity.refusal()

    def take_back(self, session: Session[C], out: Effects[C]) -> None:
        """End the subscriptions that a connection, which has another user now, may not have."""
        lost: list[Subscription[C]] = []
        for path, subscription in [*session.subscriptions.items()]:
            error = self._refusal(session)
            if error is None:
                continue
            lost.append(subscription)
            session.disown(subscription)
            subscription.collection.unsubscribe(subscription)
            session.subscriptions.drop(path)
            if subscription.cursor is not None:
                session.send(encode_emptying(path, subscription.cursor), out)
            session.send(encode_end(path, error), out)
        self._registry.change_subscribers((), lost, out)
