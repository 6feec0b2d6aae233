"""The client's state machine: inputs are methods, outputs are the effects they return.

The rules:

1. There is no I/O, clock or randomness. The embedder connects and reconnects, and performs the effects in order.
2. A replica belongs to a path and outlives connections: after a reconnect it resumes, and what changed meanwhile is
   reported as one net change.
3. Every request is settled exactly once: answered, refused, or *connection lost: outcome unknown*.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import UNSET, Raw, UnsetType

from sharedstate_core.arguments import as_condition, check_json, check_number, check_update, expect
from sharedstate_core.errors import LocalProtocolError
from sharedstate_core.storage import Condition, Cursor
from sharedstate_core.updates import Update

from . import encoding, messages, tunnels
from .effects import ClientEffect, Fault, Settled
from .requests import MAX_QUEUE, ClosedError, Requests, ServerRefusedError, knows_no_filters
from .session import Session
from .subscriptions import Subscriptions
from .views import WHOLE, At, Filter, exceeds

MAX_SNAPSHOT: Final = 256 * 1024 * 1024
"""Default number of characters of JSON text that the parts of one snapshot may have: a million items of 250."""

MAX_BREACHES: Final = 10
"""How often a server may break the protocol on one connection: once more, and the connection must be closed."""


class ClientProtocol:
    """One client of one server, over any number of consecutive connections.

    Args:
        max_queue: number of requests that may wait for a connection; one more is settled with `too_many`.
        max_snapshot: characters of JSON text that the parts of one snapshot may have; a collection with more is
            refused, `too_large`.
        key: the secret name of the client's session, 22 characters or more that nobody can guess; None for a client
            that does without one, keeps to no limits of the server and shows no token.

    Raises:
        TypeError, ValueError: `max_queue` is not a whole number from 0, or `max_snapshot` from 1. Every method raises
            these for an argument that does not match its signature, and nothing has changed then.
        LocalProtocolError: raised by every input after `close`.
    """

    def __init__(
        self,
        max_queue: int = MAX_QUEUE,
        max_snapshot: int = MAX_SNAPSHOT,
        key: str | None = None,
    ) -> None:
        check_number("max_queue", max_queue, 0)
        check_number("max_snapshot", max_snapshot, 1)
        if key is not None:
            expect("key", key, str)
        self._connected = self._closed = False
        self._requests = Requests(max_queue)
        self._subscriptions = Subscriptions(max_snapshot)
        self._session = Session(key)
        self._breaches = 0

    # --- the connection ---------------------------------------------------------------------------

    def connection_opened(self, token: str | UnsetType | None = UNSET) -> list[ClientEffect]:
        """Report a new connection: the session is named, subscriptions are resumed, then waiting requests are sent.

        Args:
            token: shows whose it is; None for nobody. Without it, nothing is said about that.
        """
        self._check_open()
        if not isinstance(token, UnsetType | None):
            expect("token", token, str)
        if self._connected:
            raise LocalProtocolError("the connection is open already")
        self._connected = True
        self._breaches = 0
        out: list[ClientEffect] = []
        self._session.connection_opened(token, out)
        self._refuse_waiting(out)
        self._adjust_requests()
        self._subscriptions.connection_opened(out)
        self._requests.connection_opened(out)
        return out

    def connection_lost(self, reason: str = "", *, too_big: bool = False) -> list[ClientEffect]:
        """Report that the connection has ended; the reason goes into the errors of the requests that are lost.

        With `too_big`, the server closed it with 1009 because a message was too big: the longest unanswered request is
        settled with `too_large`.
        """
        self._connected = False
        out: list[ClientEffect] = []
        self._session.connection_lost()
        self._subscriptions.connection_lost()
        self._requests.connection_lost(out, reason, too_big=too_big)
        return out

    def sign_in(self, token: str | None) -> list[ClientEffect]:
        """Show another token on this connection; None signs out. The next connection begins with its own."""
        self._check_open()
        if token is not None:
            expect("token", token, str)
        out: list[ClientEffect] = []
        self._session.sign_in(token, out)
        self._keep_to_session(out)
        return out

    def tick(self, limit: int) -> list[ClientEffect]:
        """Report that some time has passed, to look for what waits for an answer in vain; call it at regular intervals.

        Args:
            limit: number of whole intervals within which each answer has to come.
        """
        self._check_open()
        check_number("limit", limit, 1)
        all_late = (
            each.tick(limit)
            for each in (self._requests, self._subscriptions.requests, self._session)
        )
        if any([*all_late]):
            return [Fault("no answer in time", fatal=True)]
        out: list[ClientEffect] = []
        self._keep_to_session(out)
        return out

    def close(self) -> list[ClientEffect]:
        """Close the client for good: every request is settled, those never sent with a `ClosedError`.

        Replicas stay readable. Any later input raises `LocalProtocolError`, except `connection_lost`, `withdraw` and
        `close`, which find nothing left to do.
        """
        self._closed = True
        out = self.connection_lost()
        self._requests.refuse(ClosedError(), out)
        return out

    # --- calls of the application -----------------------------------------------------------------

    def acquire(self, path: str, asked: Filter = WHOLE) -> list[ClientEffect]:
        """Hold a replica of a collection, or of a part of it; if it is held, ask for it again only if it was refused.

        Args:
            path: of the collection.
            asked: what of it; with a `view` if there is another replica of it.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: another filter is held under this view.
        """
        self._check_open()
        expect("asked", asked, Filter)
        out: list[ClientEffect] = []
        self._subscriptions.acquire(path, asked, out)
        return out

    def release(self, path: str, view: str | None = None) -> list[ClientEffect]:
        """Release a replica.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        self._check_open()
        out: list[ClientEffect] = []
        self._subscriptions.release(path, view, out)
        return out

    def items(self, path: str, view: str | None = None) -> Mapping[str, bytes]:
        """Return a replica's item texts by id, in order; valid until the next input.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        return self._subscriptions.held(path, view).replica.items

    def cursor(self, path: str, view: str | None = None) -> Cursor | None:
        """Return the state a replica holds; None before the first synchronisation.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        return self._subscriptions.held(path, view).replica.cursor

    def first(self, path: str, view: str | None = None) -> At | None:
        """Return the place of a replica's first item in the order of its collection; None if it has none.

        Raises:
            RequestError: `bad_path`.
            LocalProtocolError: it is not held.
        """
        return self._subscriptions.held(path, view).replica.first

    def update(
        self, path: str, update: Update, condition: Condition | Cursor | None = None
    ) -> tuple[int, list[ClientEffect]]:
        """Request an update and return its ticket, which comes back in one `Settled`.

        The text of each item is sent unchanged: JSON in UTF-8, an object that holds the id under which it is
        inserted. A cursor alone is a condition on the whole collection. An update with patches is not sent to a server
        that knows none: it is settled with `failed`.

        Raises:
            TypeError, ValueError: an argument is invalid; the message names the place, such as `insert['x']`.
        """
        self._check_open()
        expect("path", path, str)
        check_update(update)
        for index, patch in enumerate(update.patch):
            if patch.whole is not None:
                raise ValueError(f"patch[{index}].whole: this is never part of a message")
        wanted = None if condition is None else as_condition(condition)
        if wanted is not None and self._subscriptions.requests.level == 1:  # which would ignore it
            ticket = self._requests.issue()
            error = ServerRefusedError({}, "this server knows no conditions")
            return ticket, [Settled(ticket, error=error)]
        arg = encoding.encode_update(update, wanted)
        return self._request("PUT", path, arg, has_patches=bool(update.patch))

    def request(
        self, cmd: Literal["GET", "PUT"], path: str, arg: bytes = b"null"
    ) -> tuple[int, list[ClientEffect]]:
        """Make any request and return its ticket, which comes back in one `Settled`; `arg` is JSON text.

        If it asks for a part of a collection, and the server knows no filters, it is settled with `failed`.
        """
        self._check_open()
        if cmd not in {"GET", "PUT"}:
            raise ValueError(f"cmd: expected GET or PUT, found {cmd!r}")
        expect("path", path, str)
        check_json("arg", arg)
        asked = messages.members(Raw(arg)) if cmd == "GET" else {}
        if exceeds(asked, self._session.features):
            ticket = self._requests.issue()
            return ticket, [Settled(ticket, error=knows_no_filters())]
        return self._request(cmd, path, arg, is_filtered=exceeds(asked, ()))

    def _request(
        self,
        cmd: Literal["GET", "PUT"],
        path: str,
        arg: bytes,
        *,
        is_filtered: bool = False,
        has_patches: bool = False,
    ) -> tuple[int, list[ClientEffect]]:
        out: list[ClientEffect] = []
        ticket = self._requests.add(
            cmd, path, arg, out, is_filtered=is_filtered, has_patches=has_patches
        )
        return ticket, out

    def withdraw(self, ticket: int) -> bool:
        """Withdraw a request that was not sent yet; there will be no `Settled` for it.

        Returns:
            False if it was sent (its `Settled` comes as usual) or is already settled or withdrawn.
        """
        return self._requests.withdraw(ticket)

    @property
    def unsettled(self) -> int:
        """Number of requests that wait or are unanswered."""
        return len(self._requests)

    # --- messages of the server -------------------------------------------------------------------

    def receive_text(self, text: str) -> list[ClientEffect]:
        """Handle one complete text message. Never raises because of what a server sent."""
        self._check_open()
        expect("text", text, str)
        out: list[ClientEffect] = []
        self._session.heard()
        try:
            message = messages.decode(text)
        except messages.MalformedError as error:
            problem = f"the server sent a bad message: {error}"
            if not self._breach(problem, out, fatal=error.key is None) and error.key is not None:
                self._subscriptions.missed(error.key, None, out)
            return out
        if isinstance(message, messages.Notification):
            if not self._subscriptions.notified(message, out) and not self._breach(None, out):
                self._subscriptions.missed(message.key, message.cursor, out)
        elif isinstance(message, messages.Reply):
            self._replied(message, out)
        elif isinstance(message, messages.SessionMessage):
            self._session.told(message, out)
            self._keep_to_session(out)
        elif isinstance(message, messages.End):
            self._subscriptions.ended(message, out)
        return out

    def _replied(self, reply: messages.Reply, out: list[ClientEffect]) -> None:
        if reply.cursor is not None:
            self._subscriptions.requests.level = 2
        if isinstance(reply.tunnel, int) and self._requests.issued(reply.tunnel):
            self._overtaken(out)
            self._requests.receive(reply, out)
        elif isinstance(reply.tunnel, str) and self._subscriptions.requests.issued(reply.tunnel):
            self._overtaken(out)
            self._subscriptions.answered(reply, out, undecided=self._session.is_undecided)
        elif isinstance(reply.tunnel, str) and self._session.issued(reply.tunnel):
            if self._session.answered(reply, out):
                self._subscriptions.user_changed(out)
            self._keep_to_session(out)
        elif not reply.ok and reply.tunnel is None and self._session.blamed():
            self._keep_to_session(out)
        elif not reply.ok:  # it could not read something we sent
            problem = f"the server refuses a request that was never sent: {tunnels.describe(reply)}"
            is_waiting = self._requests.unanswered > 0 or len(self._subscriptions.requests) > 0
            self._breach(problem, out, fatal=is_waiting)  # a request might wait forever

    def _overtaken(self, out: list[ClientEffect]) -> None:
        if self._session.overtaken():
            self._keep_to_session(out)

    def _keep_to_session(self, out: list[ClientEffect]) -> None:
        """Go on as far as it is known whose the connection is, and what the server takes."""
        session = self._session
        self._refuse_waiting(out)
        if not session.is_undecided:
            self._subscriptions.let_go(out)
        self._subscriptions.adjust(session.bounds.subscriptions, session.features, out)
        self._adjust_requests()
        self._requests.go_on(out)

    def _adjust_requests(self) -> None:
        session = self._session
        takes = session.takes_patches
        self._requests.adjust(session.bounds, held=session.is_held, takes_patches=takes)

    def _refuse_waiting(self, out: list[ClientEffect]) -> None:
        if (refusal := self._session.take_refusal()) is not None:
            self._requests.refuse(refusal, out)

    def _breach(self, problem: str | None, out: list[ClientEffect], *, fatal: bool = False) -> bool:
        """Count a breach of the protocol; return whether it is fatal, as is one too many.

        Args:
            problem: what to say about it; None for a gap, which is no news as long as it is mended.
            out: receives the effects.
            fatal: whether it cannot be mended.
        """
        self._breaches += 1
        fatal = fatal or self._breaches > MAX_BREACHES
        if problem is not None or fatal:
            out.append(Fault(problem or "the server leaves out changes", fatal=fatal))
        return fatal

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("the client is closed")
