"""The client's state machine: what happens goes in, what is to be done comes back.

The rules:

1. No I/O, clock or randomness. The embedder connects, and reconnects, and performs the effects in order.
2. A replica belongs to a path and outlives connections: after a reconnect it resumes, and what changed meanwhile is
   reported as one net difference.
3. Every request is settled exactly once: answered, refused, or *connection lost: outcome unknown*.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sharedstate_core.arguments import as_condition, check_json, check_number, check_update, expect
from sharedstate_core.errors import LocalProtocolError, RequestError
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.storage import Condition, Cursor
from sharedstate_core.updates import Update

from . import messages, tunnels
from .effects import Changed, ClientEffect, Fault, Moved, Refused, SendText, Settled, Synced
from .requests import MAX_WAITING, Requests, ServerRefusedError
from .subscription import Subscription


class ClientProtocol:
    """One client of one server, over any number of connections, one after the other.

    Args:
        max_waiting: requests that may wait for a connection; one more is settled with `too_many`.

    Raises:
        TypeError, ValueError: `max_waiting` is not a whole number from 0. Every method raises these for an argument
            that is not what its signature says, and nothing has changed then.
        LocalProtocolError: by every input after `close`.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        check_number("max_waiting", max_waiting, 0)
        self._connected = self._closed = False
        self._requests = Requests(max_waiting)
        self._subscriptions: dict[str, Subscription] = {}
        self._asked = 0
        self._level: Literal[1, 2] | None = None  # the protocol level that the server has shown

    # --- the connection ---------------------------------------------------------------------------

    def connection_opened(self) -> list[ClientEffect]:
        """A connection is up: subscriptions are resumed, then requests that waited are sent."""
        self._check_open()
        if self._connected:
            raise LocalProtocolError("the connection is open already")
        self._connected = True
        out: list[ClientEffect] = []
        self._subscribe(self._subscriptions.values(), out, resume=True)
        self._requests.connection_opened(out)
        return out

    def connection_lost(self, reason: str = "", *, too_big: bool = False) -> list[ClientEffect]:
        """The connection has ended; the reason is for those whose requests it cost.

        With `too_big` the server closed it with 1009, a message too big: the longest request that is unanswered is
        settled with `too_large`.
        """
        self._connected = False
        out: list[ClientEffect] = []
        for subscription in self._subscriptions.values():
            subscription.connection_lost()
        self._requests.connection_lost(out, reason, too_big=too_big)
        return out

    def close(self) -> list[ClientEffect]:
        """End for good: every request is settled, those that were never sent with a `ClosedError`.

        Replicas stay readable. Nothing else may be put in afterwards: that raises `LocalProtocolError`, but for
        `connection_lost`, `withdraw` and `close`, which find nothing left to do.
        """
        self._closed = True
        out = self.connection_lost()
        self._requests.close(out)
        return out

    # --- what the application wants ----------------------------------------------------------------

    def acquire(self, path: str) -> list[ClientEffect]:
        """Keep a replica of the collection; for one held already, only a refused one is asked for again.

        Raises:
            RequestError: `bad_path`.
        """
        self._check_open()
        name = str(parse_collection_path(path))
        out: list[ClientEffect] = []
        subscription = self._subscriptions.setdefault(name, Subscription(name))
        if subscription.state in {"idle", "refused"}:
            self._subscribe([subscription], out, resume=True)
        return out

    def release(self, path: str) -> list[ClientEffect]:
        """Let a replica go.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        self._check_open()
        name = str(parse_collection_path(path))
        if self._subscriptions.pop(name, None) is None:
            raise LocalProtocolError(f"{name} is not acquired")
        out: list[ClientEffect] = []
        self._unsubscribe(name, out)
        return out

    def items(self, path: str) -> Mapping[str, bytes]:
        """Return a replica's item texts by id, in order; valid until the next input.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        return self._held(path).items

    def cursor(self, path: str) -> Cursor | None:
        """Return the state a replica holds; None before the first synchronisation.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        return self._held(path).cursor

    def update(
        self, path: str, update: Update, condition: Condition | Cursor | None = None
    ) -> tuple[int, list[ClientEffect]]:
        """Ask for an update; return its ticket, which comes back in one `Settled`.

        The text of each item is sent as it stands: JSON in UTF-8, an object that holds the id under which it is
        inserted. A cursor alone is a condition on the whole collection.

        Raises:
            TypeError, ValueError: an argument is not that; the message names the place, such as `insert['x']`.
        """
        self._check_open()
        expect("path", path, str)
        check_update(update)
        wanted = None if condition is None else as_condition(condition)
        if wanted is not None and self._level == 1:  # it would be ignored
            ticket = self._requests.issue()
            error = ServerRefusedError({}, "this server knows no conditions")
            return ticket, [Settled(ticket, error=error)]
        return self._request("PUT", path, messages.encode_update(update, wanted))

    def request(
        self, cmd: Literal["GET", "PUT"], path: str, arg: bytes = b"null"
    ) -> tuple[int, list[ClientEffect]]:
        """Ask for anything; `arg` is JSON text. Return the ticket, which comes back in one `Settled`."""
        self._check_open()
        if cmd not in {"GET", "PUT"}:
            raise ValueError(f"cmd: expected GET or PUT, found {cmd!r}")
        expect("path", path, str)
        check_json("arg", arg)
        return self._request(cmd, path, arg)

    def _request(
        self, cmd: Literal["GET", "PUT"], path: str, arg: bytes
    ) -> tuple[int, list[ClientEffect]]:
        out: list[ClientEffect] = []
        ticket = self._requests.add(cmd, path, arg, out)
        return ticket, out

    def withdraw(self, ticket: int) -> bool:
        """Withdraw a request that was not sent yet: it is over, without a `Settled`.

        Returns:
            False if it was sent (its `Settled` comes as ever) or is over already.
        """
        return self._requests.withdraw(ticket)

    @property
    def unsettled(self) -> int:
        """Number of requests that wait or are unanswered."""
        return len(self._requests)

    # --- what the server says ----------------------------------------------------------------------

    def receive_text(self, text: str) -> list[ClientEffect]:
        """One text message has arrived, whole. Never raises because of what a server sent."""
        self._check_open()
        expect("text", text, str)
        out: list[ClientEffect] = []
        try:
            message = messages.decode(text)
        except messages.MalformedError as error:
            problem = f"the server sent a bad message: {error}"
            out.append(Fault(problem, fatal=error.path is None))
            subscription = self._subscriptions.get(error.path) if error.path is not None else None
            if subscription is not None and subscription.state == "subscribed":
                self._resubscribe(subscription, out, resume=True)
            return out
        if isinstance(message, messages.Notification):
            self._notified(message, out)
        elif isinstance(message, messages.Reply):
            if message.cursor is not None:
                self._level = 2
            if not self._issued(message.tunnel):
                if not message.ok:  # it could not read what we have sent
                    problem = f"the server refuses a request that was never sent: {tunnels.describe(message)}"
                    out.append(Fault(problem, fatal=self._is_waiting()))
            elif isinstance(message.tunnel, str):
                self._subscribed(message, out)
            else:
                self._requests.receive(message, out)
        return out

    def _is_waiting(self) -> bool:
        """Return whether an answer is outstanding, which would be waited for without end."""
        asked = (each.state == "asked" for each in self._subscriptions.values())
        return self._requests.unanswered > 0 or any(asked)

    def _issued(self, tunnel: int | str | None) -> bool:
        """Return whether a request has ever carried this tunnel, on whatever connection."""
        if not isinstance(tunnel, str):
            return tunnel is not None and self._requests.issued(tunnel)
        return tunnels.is_own(tunnel, self._asked)

    def _notified(self, notification: messages.Notification, out: list[ClientEffect]) -> None:
        self._level = 1 if notification.cursor is None else 2
        subscription = self._subscriptions.get(notification.path)
        if subscription is None:
            return  # not held any more: this was under way
        diffs = subscription.receive(notification)
        if diffs == "gap":
            held, came = subscription.cursor, notification.cursor
            same_epoch = held is not None and came is not None and held.epoch == came.epoch
            self._resubscribe(subscription, out, resume=same_epoch)
        elif diffs is not None:
            if diffs:
                out.append(Changed(subscription.path, diffs))
            if subscription.awaited != "nothing":
                subscription.awaited = "nothing"
                out.append(Synced(subscription.path))
            elif not diffs:
                out.append(Moved(subscription.path))

    def _resubscribe(
        self, subscription: Subscription, out: list[ClientEffect], *, resume: bool
    ) -> None:
        """Subscribe anew after a gap, in two requests: one that removes and inserts a path may do nothing.

        Args:
            subscription: the one that missed it.
            out: gets the effects.
            resume: whether changes since the version held are enough, unless those were asked for just now.
        """
        subscription.state = "idle"
        self._unsubscribe(subscription.path, out)
        if subscription.awaited == "snapshot":  # asking again would not help
            subscription.state = "refused"
            problem = RequestError("bad_message", "the server did not send a snapshot")
            out.append(Refused(subscription.path, problem))
            return
        self._subscribe([subscription], out, resume=resume and subscription.awaited == "nothing")

    def _subscribed(self, reply: messages.Reply, out: list[ClientEffect]) -> None:
        accepted = messages.accepted_paths(reply.data)
        for subscription in self._subscriptions.values():
            asked = subscription.state == "asked" and subscription.tunnel == reply.tunnel
            if reply.ok and (accepted is None or subscription.path in accepted):
                if asked:
                    subscription.state = "subscribed"
            elif asked or (reply.ok and subscription.state == "subscribed" and self._level != 2):
                subscription.state = "refused"
                error: Any = reply.errors.get(subscription.path) if reply.ok else reply.error
                reason = error if isinstance(error, dict) else {}
                refused = ServerRefusedError(
                    reason,
                    f"{subscription.path}: not subscribed",
                    otherwise="refused" if reply.ok else "failed",
                )
                out.append(Refused(subscription.path, refused))

    # --- subscribing -------------------------------------------------------------------------------

    def _subscribe(
        self, subscriptions: Iterable[Subscription], out: list[ClientEffect], *, resume: bool
    ) -> None:
        if not self._connected:
            return
        self._asked += 1
        tunnel = tunnels.subscribing(self._asked)
        asked = list(subscriptions)
        for each in asked:
            each.ask(tunnel, resume=resume)
        if asked:
            subs = {each.path: each.since for each in asked}
            arg = self._whole_list() or messages.encode_subscribe(subs, whole=False)
            out.append(SendText(messages.encode_request("PUT", "/subs", arg, tunnel)))

    def _unsubscribe(self, path: str, out: list[ClientEffect]) -> None:
        """Have the server drop a path, which is not in force here any more."""
        if self._connected:
            arg = self._whole_list() or messages.encode_unsubscribe(path)
            out.append(SendText(messages.encode_request("PUT", "/subs", arg, tunnels.UNSUBSCRIBE)))

    def _whole_list(self) -> bytes | None:
        """Return the argument that names all subscriptions; None for a server that has shown to know changes."""
        if self._level == 2:
            return None
        in_force = (each for each in self._subscriptions.values() if each.is_in_force)
        subs = {each.path: each.since for each in in_force}
        return messages.encode_subscribe(subs, whole=True)

    def _held(self, path: str) -> Subscription:
        name = str(parse_collection_path(path))
        subscription = self._subscriptions.get(name)
        if subscription is None:
            raise LocalProtocolError(f"{name} is not acquired")
        return subscription

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("the client is closed")
