"""One collection as a client holds it: which notifications to apply, and when to subscribe again.

A notification is applied if it stands on its own (`reset`) or leads from the version held (`base`). Otherwise
something was missed, a *gap*, and the client subscribes again: first from the version held, then from nothing.

| state | notification | what is done |
|---|---|---|
| idle, refused | any | ignored: not subscribed on this connection |
| asked | snapshot, or from the version held | applied |
| asked | other | ignored: it belongs to the previous subscription |
| subscribed | snapshot, from the version held, or without `base` (level 1) | applied |
| subscribed | other | gap |

Parts are kept up to `max_snapshot` characters of their messages; a subscription with more is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sharedstate_core.updates import Diff, Update, apply, compose, diff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.errors import RequestError
    from sharedstate_core.storage import Cursor

    from .messages import Notification


class Subscription:
    """A replica and the state of its subscription.

    Attributes:
        state: see the table above.
        tunnel: that of the latest request for it.
        items: item texts by id, in order of insertion.
        cursor: the state held, if known.
        awaited: what was asked for and has not come yet.
        since: the state to resume from in the latest request.
        denial: why it was refused, or ended, if for the sake of who asked.
    """

    def __init__(self, path: str, max_snapshot: int) -> None:
        self.path = path
        self.state: Literal["idle", "asked", "subscribed", "refused"] = "idle"
        self.tunnel: str | None = None
        self.items: dict[str, bytes] = {}
        self.cursor: Cursor | None = None
        self.awaited: Literal["nothing", "change", "snapshot"] = "snapshot"
        self.since: Cursor | None = None
        self.denial: RequestError | None = None
        self._max_snapshot = max_snapshot
        self._parts: Notification | None = None

    def ask(self, *, resume: bool) -> None:
        """Record that the server is asked for the subscription; with `resume`, from the state held, if any."""
        self.state, self._parts = "asked", None
        self.denial = None
        self.since = self.cursor if resume else None
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
        before, self.items = self.items, {}
        self.cursor = self._parts = None
        return diff(before, self.items)

    def receive(
        self, notification: Notification
    ) -> Sequence[Diff] | Literal["gap", "too_large"] | None:
        """Apply a notification, if it fits.

        Returns:
            The diffs, one for each id that changed; `gap`; `too_large` if its parts exceed `max_snapshot`; or None if
            it was ignored or is incomplete.
        """
        if not self.is_in_force:
            return None
        parts, self._parts = self._parts, None
        if parts is not None and parts.cursor == notification.cursor:
            notification = parts._replace(
                update=_join(parts.update, notification.update),
                more=notification.more,
                size=parts.size + notification.size,
            )
        elif not self._acceptable(notification):
            return "gap" if self.state == "subscribed" else None
        if notification.more:
            if notification.size > self._max_snapshot:
                return "too_large"
            self._parts = notification
            return None
        self.cursor = notification.cursor
        return self._apply(notification.update)

    def _acceptable(self, notification: Notification) -> bool:
        if notification.update.reset:
            return True
        if notification.base is None or notification.cursor is None:
            return self.state == "subscribed"
        held = self.cursor
        return held == (notification.cursor.epoch, notification.base)

    def _apply(self, update: Update) -> Sequence[Diff]:
        if update.reset:
            before, self.items = self.items, apply({}, update)
            return diff(before, self.items)
        touched = {id: self.items.get(id) for id in (*update.remove, *update.insert)}
        for id in update.remove:
            self.items.pop(id, None)
        self.items.update(update.insert)
        found = [Diff(id, self.items.get(id), old) for id, old in touched.items()]
        return [each for each in found if each.new is not None or each.old is not None]


def _join(first: Update, then: Update) -> Update:
    """Compose two parts of one snapshot; `first` is ours, so that joining many stays linear."""
    if then.remove or then.reset or not isinstance(first.insert, dict):
        return compose(first, then)
    first.insert.update(then.insert)
    return first
