"""The collections that a client holds: its requests to keep them in sync, and the server's messages about them.

The rules:

1. A subscription ends with its connection; the replica survives and resumes on the next one.
2. What this user may not read is no longer held: it is emptied when the server refuses it or ends it, and asked for
   again for another user. While it is undecided who the user is, what nobody may read is kept.
3. A collection may be held several times, by other filters: each is a subscription of its own, by path and view. What a
   server does not know how to filter is refused here: it would send all of it.
4. Of more than the server takes the first are asked for, and the others when there is room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.errors import LocalProtocolError, RequestError
from sharedstate_core.paths import parse_collection_path

from .effects import Changed, Moved, Refused, Synced
from .requests import ServerRefusedError, knows_no_filters
from .subs_requests import SubsRequests
from .subscription import Subscription
from .views import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sharedstate_core.storage import Cursor

    from . import messages
    from .effects import ClientEffect
    from .views import Filter


DENIALS: Final = frozenset({"unauthenticated", "forbidden"})
"""Codes of a refusal for the sake of who asks."""


class Subscriptions:
    """All held collections, by path and view; methods add their effects to `out`.

    Args:
        max_snapshot: characters of JSON text that the parts of one snapshot may have.

    Attributes:
        requests: those for subscriptions.
    """

    def __init__(self, max_snapshot: int) -> None:
        self._max_snapshot = max_snapshot
        self.requests = SubsRequests()
        self._most: int | None = None
        self._is_full = False  # some wait because there are more
        self._connected = False
        self._features: Collection[str] | None = None  # as in `Session`
        self._held: dict[Key, Subscription] = {}

    def held(self, path: str, view: str | None) -> Subscription:
        """Return the subscription of a path and view.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        key = Key(str(parse_collection_path(path)), view)
        subscription = self._held.get(key)
        if subscription is None:
            raise LocalProtocolError(f"{' '.join(filter(None, key))} is not acquired")
        return subscription

    # --- the connection ---------------------------------------------------------------------------

    def connection_opened(self, out: list[ClientEffect]) -> None:
        """Resume every subscription."""
        self._connected = True
        self._features = None
        self._subscribe(self._held.values(), out, resume=True)

    def connection_lost(self) -> None:
        """Record that the subscriptions are gone; the replicas stay."""
        self._connected = False
        self.requests.connection_lost()
        for subscription in self._held.values():
            subscription.connection_lost()

    # --- calls of the application -----------------------------------------------------------------

    def acquire(self, path: str, asked: Filter, out: list[ClientEffect]) -> None:
        """Hold a collection, or a part of it; if it is already held, ask for it again only if it was refused.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: there is another filter under this view.
        """
        name = str(parse_collection_path(path))
        subscription = self._held.get(Key(name, asked.view))
        if subscription is None:
            subscription = Subscription(name, asked, self._max_snapshot)
            self._held[subscription.key] = subscription
        elif subscription.filter != asked:
            raise LocalProtocolError(f"{name}: another filter is acquired under this view")
        if subscription.state in {"idle", "refused"}:
            self._subscribe([subscription], out, resume=True)

    def release(self, path: str, view: str | None, out: list[ClientEffect]) -> None:
        """Release a collection, or a part of it.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        subscription = self.held(path, view)
        del self._held[subscription.key]
        self._unsubscribe(subscription, out)
        self._use_room(out)

    def adjust(
        self, most: int | None, features: Collection[str] | None, out: list[ClientEffect]
    ) -> None:
        """Ask for at most so many at a time, and for nothing but what the server can do, as it has said."""
        self._most = most
        if features != self._features:
            self._features = features
            self._do_without_unknown(out)
        self._use_room(out)

    def _do_without_unknown(self, out: list[ClientEffect]) -> None:
        in_force = list(self._in_force())
        unknown = [each for each in in_force if each.filter.unknown_to(self._features)]
        for each in unknown:
            each.state = "idle"
        # A server that knows no filters knows no views, either: to it, these were paths.
        kept = {each.key.path for each in in_force if each.is_in_force}
        paths = {each.key.path: None for each in unknown if each.key.path not in kept}
        if paths and self._connected:
            self.requests.remove([Key(path) for path in paths], self._in_force(), out)
        for each in unknown:
            self._refuse(each, knows_no_filters(), out)

    def user_changed(self, out: list[ClientEffect]) -> None:
        """Ask again for what the former user was denied."""
        denied = [each for each in self._held.values() if each.denial is not None]
        self._subscribe(denied, out, resume=True)

    def let_go(self, out: list[ClientEffect]) -> None:
        """Let go what was kept until it was decided who the user is: there is none."""
        for each in self._held.values():
            if each.state == "idle" and each.denial is not None:
                self._deny(each, each.denial, out)

    # --- messages of the server -------------------------------------------------------------------

    def notified(self, notification: messages.Notification, out: list[ClientEffect]) -> bool:
        """Handle a notification; return False if there is a gap before it."""
        self.requests.level = 1 if notification.cursor is None else 2
        subscription = self._held.get(notification.key)
        if subscription is None:
            return True  # no longer held: this was under way
        diffs = subscription.receive(notification)
        if diffs == "gap":
            return False
        if diffs == "too_large":
            self._give_up(subscription, RequestError(diffs, "its parts exceed max_snapshot"), out)
        elif diffs == "whole":
            self._give_up(subscription, knows_no_filters(), out)
        elif diffs is not None:
            path, view = subscription.key
            if diffs:
                out.append(Changed(path, diffs, view))
            if subscription.awaited != "nothing":
                subscription.awaited = "nothing"
                out.append(Synced(path, view))
            elif not diffs:
                out.append(Moved(path, view))
        return True

    def ended(self, message: messages.End, out: list[ClientEffect]) -> None:
        """Handle the end of a subscription, by the server."""
        subscription = self._held.get(message.key)
        if subscription is None:
            return
        if subscription.state == "asked":  # the end is that of an earlier subscription
            self._forget(subscription, out)
        elif subscription.state == "subscribed":
            text = f"{subscription.key.path}: ended by the server"
            self._deny(subscription, ServerRefusedError(message.error, text), out)
            self._use_room(out)

    def missed(self, key: Key, cursor: Cursor | None, out: list[ClientEffect]) -> None:
        """Subscribe again, if subscribed, because something was missed.

        Args:
            key: the path and the view.
            cursor: the state that it should be in, if known; without it, it resumes from the state that it is in.
            out: receives the effects.
        """
        subscription = self._held.get(key)
        if subscription is not None and subscription.state == "subscribed":
            held = subscription.replica.cursor
            same_epoch = cursor is None or (held is not None and held.epoch == cursor.epoch)
            self._resubscribe(subscription, out, resume=same_epoch)

    def answered(
        self, reply: messages.Reply, out: list[ClientEffect], *, undecided: bool = False
    ) -> None:
        """Handle the reply to a request for subscriptions.

        Args:
            reply: the reply.
            out: receives the effects.
            undecided: whether it may yet turn out who the user is.
        """
        for subscription, refused in self.requests.answered(reply):
            if undecided and refused.code == "unauthenticated":
                subscription.state, subscription.denial = "idle", refused
            elif refused.code in DENIALS:
                self._deny(subscription, refused, out)
            else:
                self._refuse(subscription, refused, out)
        self._use_room(out)

    # --- requests to the server -------------------------------------------------------------------

    def _resubscribe(
        self, subscription: Subscription, out: list[ClientEffect], *, resume: bool
    ) -> None:
        """Subscribe again after a gap, in two requests: a single one that removes and inserts a path may do nothing.

        Args:
            subscription: the subscription with the gap.
            out: receives the effects.
            resume: whether to resume from the version held, unless that was what was asked for last.
        """
        if subscription.awaited == "snapshot":  # asking again would be no use
            problem = RequestError("bad_message", "the server did not send a snapshot")
            self._give_up(subscription, problem, out)
            return
        self._unsubscribe(subscription, out)
        self._subscribe([subscription], out, resume=resume and subscription.awaited == "nothing")

    def _give_up(
        self, subscription: Subscription, problem: RequestError, out: list[ClientEffect]
    ) -> None:
        """Do without a subscription until it is asked for again."""
        self._unsubscribe(subscription, out)
        self._refuse(subscription, problem, out)

    def _refuse(
        self, subscription: Subscription, problem: RequestError, out: list[ClientEffect]
    ) -> None:
        subscription.state = "refused"
        path, view = subscription.key
        out.append(Refused(path, problem, view))

    def _subscribe(
        self, subscriptions: Iterable[Subscription], out: list[ClientEffect], *, resume: bool
    ) -> None:
        known = []
        for each in subscriptions:
            if each.filter.unknown_to(self._features):
                self._refuse(each, knows_no_filters(), out)
            else:
                known.append(each)
        asked = self._with_room(known)
        if self._connected and asked:
            for each in asked:
                each.ask(resume=resume)
            self.requests.insert(asked, self._in_force(), out)

    def _in_force(self) -> Iterator[Subscription]:
        return (each for each in self._held.values() if each.is_in_force)

    def _with_room(self, wanted: list[Subscription]) -> list[Subscription]:
        """Return the first of them, as many as the server takes; the others wait, idle."""
        if self._most is None or len(self._held) <= self._most:
            return wanted
        self._is_full = True
        room = max(0, self._most - len(list(self._in_force())))
        for each in wanted[room:]:
            each.state = "idle"
        return wanted[:room]

    def _use_room(self, out: list[ClientEffect]) -> None:
        """Ask for what waits, if there may be room for it."""
        if not self._is_full:
            return
        self._is_full = False
        waiting = [
            each for each in self._held.values() if each.state == "idle" and each.denial is None
        ]
        self._subscribe(waiting, out, resume=True)

    def _deny(
        self, subscription: Subscription, denial: RequestError, out: list[ClientEffect]
    ) -> None:
        """Hold nothing any more of what this user may not read."""
        subscription.denial = denial
        self._forget(subscription, out)
        self._refuse(subscription, denial, out)

    def _forget(self, subscription: Subscription, out: list[ClientEffect]) -> None:
        if gone := subscription.forget():
            path, view = subscription.key
            out.append(Changed(path, gone, view))

    def _unsubscribe(self, subscription: Subscription, out: list[ClientEffect]) -> None:
        subscription.state = "idle"
        is_known = not subscription.filter.unknown_to(self._features)  # else it never was in force
        if self._connected and is_known:
            self.requests.remove([subscription.key], self._in_force(), out)
