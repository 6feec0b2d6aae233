"""The driver: takes inputs for a `Server` and performs their effects on peers and the host.

The rules:

1. An input may come at any time, even from within a method of a peer or the host: then it is taken once the current
   effects have been performed, in order of arrival.
2. A peer that has left is left alone: no more input is taken from it, and nothing is done to it. It leaves only once.
3. A text that cannot be handled closes its own connection and no other.
4. An exception from a method of a peer or the host propagates to the caller of the input. The remaining effects are
   performed with the next input, for which `next_wakeup` asks at once.
5. `now` is in seconds of the host's monotonic clock, the same one for all inputs.
"""

from collections.abc import Collection as Names
from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any, Generic

from sharedstate_core.arguments import check_now, expect
from sharedstate_core.effects import Authenticate, Effect
from sharedstate_core.errors import CLOSE_INTERNAL_ERROR, AuthReason, LocalProtocolError
from sharedstate_core.limits import Limits
from sharedstate_core.names import Paging
from sharedstate_core.paths import CollectionPath
from sharedstate_core.server.access import Access
from sharedstate_core.server.identity_inputs import check_user
from sharedstate_core.server.server import Server
from sharedstate_core.storage import Condition, Cursor
from sharedstate_core.updates import Update

from .host import Host
from .operations import Operation, Operations, Result
from .peer import P
from .performer import Performer


class Driver(Generic[P]):
    """A `Server` together with what performs its effects.

    Args:
        services: names of the services.
        host: carries out what does not concern a single peer.
        limits: bounds on what a peer may ask for; None for the defaults.
        access: who has to sign in; None if nobody does. With it, the host has to `authenticate`.
        patchable: names of the services whose storage carries out patches: see `Server`.
        resendable: names of the services whose storage keeps receipts: see `Server`.

    Attributes:
        server: the core, for inspection only: call none of its inputs.
    """

    def __init__(
        self,
        services: Names[str],
        host: Host[P],
        limits: Limits | None = None,
        access: Access | None = None,
        *,
        patchable: Names[str] = (),
        resendable: Names[str] = (),
    ) -> None:
        self.server: Server[P] = Server(
            services, limits, access, patchable=patchable, resendable=resendable
        )
        self._host = host
        self._operations: Operations[P] = Operations(self.server)
        self._performer: Performer[P] = Performer(host, self._start, self._tell)
        self._peers: set[P] = set()
        self._told: object = (None, False, False)

    @property
    def now(self) -> float:
        """The time of the current input, or of the last one."""
        return self._performer.now

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.server.limits

    def change_limits(self, limits: Limits) -> None:
        """Apply new limits; what already exceeds them stays until it ends."""
        self.server.change_limits(limits)

    # --- peers ------------------------------------------------------------------------------------

    def opened(self, peer: P, *, has_proof: bool = False) -> None:
        """Register a new connection; after `stop` it is closed at once.

        `has_proof`: whether it came with a proof of whose it is; see `Server.connection_opened`.

        Raises:
            LocalProtocolError: it is already open.
        """
        if peer in self._peers:
            raise LocalProtocolError(f"{peer!r} is open already")
        self._peers.add(peer)
        opened = partial(self.server.connection_opened, has_proof=has_proof)
        self._performer.take(self.now, opened, peer)

    def receive(self, peer: P, texts: Iterable[str], now: float) -> None:
        """Handle complete text messages that arrived together from one peer; their updates are committed together.

        The first is always taken, and no more once reading should pause: the rest of an iterator is for another call.
        """
        if peer in self._peers:
            self._performer.take(now, self._receive, peer, texts, now)

    def blocked(self, peer: P, unsent: Iterable[bytes] | None, now: float) -> None:
        """Report that a peer is not taking everything, or has taken some of it but not all.

        `unsent` is everything kept for it, None if that is unknown; see `Server.connection_blocked`.
        """
        if peer in self._peers:
            self._performer.take(now, self.server.connection_blocked, peer, now, unsent)

    def drained(self, peer: P, now: float) -> None:
        """Report that a peer has taken everything, after `blocked` or when `Peer.await_drain` asked for it."""
        if peer in self._peers:
            self._performer.take(now, self.server.connection_drained, peer, now)

    def closed(self, peer: P, now: float) -> None:
        """Report that a connection has ended, for whatever reason; a second call does nothing."""
        if peer in self._peers:
            self._peers.discard(peer)
            self._performer.gone.add(peer)
            self._performer.take(now, self._closed, peer, now)

    def is_open(self, peer: P) -> bool:
        """Return whether a connection is open."""
        return peer in self._peers

    @property
    def has_peers(self) -> bool:
        """Whether any connection is open."""
        return bool(self._peers)

    # --- requests without a message ---------------------------------------------------------------

    def put(
        self,
        path: str,
        update: Update,
        now: float,
        *,
        author: Hashable | None = None,
        condition: Condition | Cursor | None = None,
        peer: P | None = None,
    ) -> None:
        """Update a collection; see `Server.put`. The outcome goes to `Host.answered`."""
        call = partial(self.server.put, author=author, condition=condition, connection=peer)
        self._performer.take(now, call, path, update, now)

    def get(
        self,
        path: str,
        now: float,
        *,
        author: Hashable,
        peer: P | None = None,
        paging: Paging | None = None,
        part: Mapping[str, object] | None = None,
    ) -> None:
        """Read a path; see `Server.get`. The data goes to `Host.answered`."""
        call = partial(self.server.get, author=author, connection=peer, paging=paging, part=part)
        self._performer.take(now, call, path, now)

    def subscribe(
        self,
        peer: P,
        path: str,
        now: float,
        *,
        since: Cursor | None = None,
        parts: bool = False,
        part: Mapping[str, object] | None = None,
        view: str = "",
        author: Hashable | None = None,
    ) -> None:
        """Subscribe a peer to a collection; see `Server.subscribe`."""
        subscribe = self.server.subscribe
        call = partial(subscribe, since=since, parts=parts, part=part, view=view, author=author)
        self._performer.take(now, call, peer, path, now)

    def unsubscribe(
        self,
        peer: P,
        path: str,
        now: float,
        *,
        view: str = "",
        author: Hashable | None = None,
    ) -> None:
        """End a subscription of a peer; see `Server.unsubscribe`."""
        call = partial(self.server.unsubscribe, view=view, author=author)
        self._performer.take(now, call, peer, path, now)

    # --- users ------------------------------------------------------------------------------------

    def authenticated(
        self,
        question: Authenticate[P],
        user: Mapping[str, Any] | None,
        now: float,
        expires: float | None = None,
    ) -> None:
        """Report whose connection it is; see `Server.authenticated`.

        Raises:
            TypeError, ValueError: `user` is not a JSON object with an `id`: report `authentication_failed` instead.
        """
        if user is not None:
            check_user(user)
        self._performer.take(now, self._authenticated, question.ticket, user, now, expires)

    def authentication_failed(
        self, question: Authenticate[P], reason: AuthReason, now: float
    ) -> None:
        """Report that it is not known whose connection it is; see `Server.authentication_failed`."""
        fail = self.server.authentication_failed
        self._performer.take(now, fail, question.ticket, reason, now)

    def send_away(self, peer: P, now: float) -> None:
        """Sign out a peer's user and close it with 4403; see `Server.send_away`."""
        if peer in self._peers:
            self._performer.take(now, self.server.send_away, peer, now)

    def kick(self, user: str, now: float) -> int:
        """Sign out a user, by id, close all its connections, and return how many it has; see `Server.kick`."""
        count = self.server.connections_of(user)
        self._performer.take(now, self.server.kick, user, now)
        return count

    def withdraw(self, peer: P, now: float) -> None:
        """Report that what has vouched for a peer's user does so no more; see `Server.withdraw`."""
        if peer in self._peers:
            self._performer.take(now, self._withdraw, peer, now)

    def change_access(self, access: Access | None, now: float) -> None:
        """Put other rules in force; see `Server.change_access`."""
        self._performer.take(now, self.server.change_access, access, now)

    # --- storage ----------------------------------------------------------------------------------

    def succeeded(self, operation: Operation, result: Result, now: float) -> bool:
        """Report that an operation was carried out.

        A result that the core refuses counts as a failure with an unknown outcome, and is reported to the host.

        Returns:
            False if the core refused the result. True if not, or if the call came from within another input: then the
            result is taken later.

        Raises:
            LocalProtocolError: the operation is not under way.
        """
        check_now(now)
        self._operations.end(operation)
        refused: list[LocalProtocolError] = []
        self._performer.take(now, self._succeeded, operation, result, refused, now)
        return not refused

    def failed(
        self,
        operation: Operation,
        now: float,
        message: str | None = None,
        *,
        outcome_unknown: bool,
    ) -> None:
        """Report that an operation failed.

        Args:
            operation: the operation.
            now: seconds, monotonic.
            message: one sentence for the authors, without secrets; None says that the storage is not available.
            outcome_unknown: for a Commit, False only if it is certain that nothing was stored.

        Raises:
            LocalProtocolError: the operation is not under way.
        """
        check_now(now)
        if message is not None:
            expect("message", message, str)
        expect("outcome_unknown", outcome_unknown, bool)
        self._operations.end(operation)
        take = partial(self._operations.failed, outcome_unknown=outcome_unknown)
        self._performer.take(now, take, operation, message, now)

    def collection_changed(self, path: CollectionPath, cursor: Cursor | None, now: float) -> None:
        """Report that another process has committed to a collection; see `Server.collection_changed`."""
        self._performer.take(now, self.server.collection_changed, path, cursor, now)

    # --- time and stopping ------------------------------------------------------------------------

    @property
    def next_wakeup(self) -> float | None:
        """When to call `wake`; None if not before another input."""
        return self.now if self._performer.is_waiting else self.server.next_wakeup()

    def wake(self, now: float) -> None:
        """Handle the passage of time; see `Server.wake`."""
        self._performer.take(now, self.server.wake, now)

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for storage and no input for its turn."""
        return not (self._performer.is_waiting or self.server.is_busy)

    def stop(self, now: float, until: float) -> None:
        """Accept nothing more, finish what was accepted by `until` at the latest, then close all peers with 1001.

        Keep calling inputs as usual until `is_stopped`, and after that until no peer is left.
        """
        self._performer.take(now, self.server.stop, now, until)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is accepted."""
        return self.server.is_stopping

    @property
    def is_stopped(self) -> bool:
        """Whether all peers have been closed; if not `is_idle` then, something was not finished in time."""
        return self.server.is_stopped

    # --- inputs, in their turn --------------------------------------------------------------------

    def _receive(self, peer: P, texts: Iterable[str], now: float) -> Iterable[Effect[P]]:
        try:
            self.server.set_clock(self._host.wall_time(), now)
            return self.server.receive_texts(peer, texts, now)
        except Exception as error:  # noqa: BLE001  (no fault may affect other peers)
            self._host.report(peer, error)
            if peer in self._peers:
                peer.close(CLOSE_INTERNAL_ERROR, "internal error")
            return ()  # effects from before the fault come with the next input

    def _authenticated(
        self, ticket: int, user: Mapping[str, Any] | None, now: float, expires: float | None
    ) -> Iterable[Effect[P]]:
        self.server.set_clock(self._host.wall_time(), now)
        return self.server.authenticated(ticket, user, now, expires)

    def _withdraw(self, peer: P, now: float) -> Iterable[Effect[P]]:
        self.server.set_clock(self._host.wall_time(), now)
        return self.server.withdraw(peer, now)

    def _start(self, operation: Operation) -> None:
        """Hand a storage operation to the host; one that it does not begin has failed."""
        self._operations.begin(operation)
        try:
            self._host.start(operation)
        except BaseException:
            if self._operations.is_under_way(operation):
                self.failed(operation, self.now, outcome_unknown=True)
            raise

    def _closed(self, peer: P, now: float) -> Iterable[Effect[P]]:
        yield from self.server.connection_closed(peer, now)
        self._performer.gone.discard(peer)  # not before: an earlier input may have left effects

    def _succeeded(
        self, operation: Operation, result: Result, refused: list[LocalProtocolError], now: float
    ) -> Iterable[Effect[P]]:
        try:
            return self._operations.succeeded(operation, result, now)
        except LocalProtocolError as error:
            refused.append(error)
            failed = partial(self._operations.failed, outcome_unknown=True)
            self._performer.take(now, failed, operation, None, now)  # whatever `report` may raise
            self._host.report(operation, error)
            return ()

    def _tell(self) -> None:
        """Notify the host of changes once an input and all its effects are done."""
        state = self.next_wakeup, self.server.is_stopped, bool(self._peers)
        if state != self._told:
            self._told = state
            self._host.changed()
