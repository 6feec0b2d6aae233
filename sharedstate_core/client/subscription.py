"""One subscription of a client: which notifications to apply, and when to subscribe again.

A notification is applied if it stands on its own (`reset`) or leads from the version held (`base`). Otherwise
something was missed, a *gap*, and the client subscribes again: first from the version held, then from nothing.

| state | notification | what is done |
|---|---|---|
| idle, refused | any | ignored: not subscribed on this connection |
| asked | snapshot, or from the version held | applied |
| asked | other | ignored: it belongs to the previous subscription |
| subscribed | snapshot, from the version held, or without `base` (level 1) | applied |
| subscribed | other | gap |

What comes without places, although only a part of the collection is subscribed, is from a server that knows no filters:
nothing of it is applied.

Parts are kept up to `max_snapshot` characters of their messages; a subscription with more is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sharedstate_core.updates import Update, compose

from .replica import Replica
from .views import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.errors import RequestError
    from sharedstate_core.storage import Cursor
    from sharedstate_core.updates import Diff

    from .messages import Notification
    from .views import Filter


class Subscription:
    """A replica and the state of its subscription.

    Args:
        path: of the collection, in normal form.
        asked: what of it is asked for.
        max_snapshot: characters of JSON text that the parts of one snapshot may have.

    Attributes:
        key: its path and view.
        filter: what is asked for.
        state: see the table above.
        tunnel: that of the latest request for it.
        replica: what is held.
        awaited: what was asked for and has not come yet.
        since: the state to resume from in the latest request.
        scope: that which goes with it.
        denial: why it was refused, or ended, if for the sake of who asked.
    """

    def __init__(self, path: str, asked: Filter, max_snapshot: int) -> None:
        self.key = Key(path, asked.view)
        self.filter = asked
        self.state: Literal["idle", "asked", "subscribed", "refused"] = "idle"
        self.tunnel: str | None = None
        self.replica = Replica()
        self.awaited: Literal["nothing", "change", "snapshot"] = "snapshot"
        self.since: Cursor | None = None
        self.scope: str | None = None
        self.denial: RequestError | None = None
        self._max_snapshot = max_snapshot
        self._parts: Notification | None = None

    def ask(self, *, resume: bool) -> None:
        """Record that the server is asked for the subscription; with `resume`, from the state held, if any."""
        self.state, self._parts = "asked", None
        self.denial = None
        self.since = self.replica.cursor if resume else None
        self.scope = self.replica.scope
        self.awaited = "snapshot" if self.since is None else "change"

    @property
    def is_in_force(self) -> bool:
        """Whether the server has accepted the subscription or was asked for it."""
        return self.state in {"asked", "subscribed"}

    def connection_lost(self) -> None:
        """Record that the subscription is gone; the replica stays."""
        self.state, self._parts = "idle", None

    def forget(self) -> Sequence[Diff]:
        """Hold nothing any more, at no state, and return what has gone."""
        self._parts = None
        self.replica.cursor = self.replica.scope = None
        return self.replica.apply(Update(reset=True))

    def receive(
        self, notification: Notification
    ) -> Sequence[Diff] | Literal["gap", "too_large", "whole"] | None:
        """Apply a notification, if it fits.

        Returns:
            The diffs, one for each id that changed; `gap`; `too_large` if its parts exceed `max_snapshot`; `whole` if
            the server does not filter; or None if it was ignored or is incomplete.
        """
        if not self.is_in_force:
            return None
        if self._is_unfiltered(notification):
            return "whole" if self.state == "subscribed" else None
        parts, self._parts = self._parts, None
        if parts is not None and parts.cursor == notification.cursor:
            notification = _join(parts, notification)
        elif not self._acceptable(notification):
            return "gap" if self.state == "subscribed" else None
        if notification.more:
            if notification.size > self._max_snapshot:
                return "too_large"
            self._parts = notification
            return None
        self.replica.cursor, self.replica.scope = notification.cursor, notification.scope
        return self.replica.apply(notification.update, notification.places)

    def _is_unfiltered(self, notification: Notification) -> bool:
        has_items = len(notification.update.insert) > 0
        return self.filter.may_hide and notification.places is None and has_items

    def _acceptable(self, notification: Notification) -> bool:
        if notification.update.reset:
            return True
        if notification.base is None or notification.cursor is None:
            return self.state == "subscribed"
        held = self.replica.cursor
        return held == (notification.cursor.epoch, notification.base)


def _join(first: Notification, then: Notification) -> Notification:
    """Join two parts of one snapshot; `first` is ours, so that joining many stays linear."""
    places = first.places
    if places is None or not isinstance(places, dict):
        places = then.places
    elif then.places is not None:
        places.update(then.places)
    update = first.update
    if then.update.remove or then.update.reset or not isinstance(update.insert, dict):
        update = compose(update, then.update)
    else:
        update.insert.update(then.update.insert)
    size = first.size + then.size
    return then._replace(update=update, places=places, base=first.base, size=size)
