"""The server side of the protocol: inputs are methods, outputs are the effects they return.

The rules:

1. Nothing here does I/O, reads a clock or draws a random number. `now` is in seconds of the embedder's monotonic clock.
2. Perform the returned effects in order before the next input; never call an input while performing them.
3. `receive_text` never raises because of what a peer sent.
4. Answer every ticket of a Commit, Load, ListCollections or ListApps exactly once, even if its author has left.
5. An invalid input raises and leaves the core unchanged. It raises `LocalProtocolError` for a connection that is not
   open, a ticket that is not under way, or an impossible result from storage (`results`), whose ticket stays open for
   the input that reports the failure; `TypeError` or `ValueError` for an argument that does not match the signature
   (`arguments`).
"""

from collections.abc import Collection as Names
from collections.abc import Iterable
from functools import partial
from math import isfinite

from sharedstate_core.arguments import check_seconds, expect, messages
from sharedstate_core.collection.reader import Deferred
from sharedstate_core.counters import Census
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import CLOSE_GOING_AWAY, LocalProtocolError
from sharedstate_core.limits import Limits
from sharedstate_core.peer.session import Session
from sharedstate_core.peer.unsent_bytes import UnsentBytes

from .access import Access
from .identity_inputs import IdentityInputs
from .registry import AT_ONCE
from .storage_inputs import StorageInputs
from .typed_inputs import TypedInputs


class Server(StorageInputs[C], IdentityInputs[C], TypedInputs[C]):
    """All connections and collections of one server process.

    Args:
        services: names of the services; a path that names another is answered `no_service`.
        limits: bounds on what a peer may ask for; None for the defaults.
        access: who has to sign in; None if nobody does, and everybody may do everything.
        patchable: names of the services whose storage carries out patches: it calls `updates.resolve` within the
            transaction of a Commit. The others refuse patches.
        resendable: names of the services whose storage keeps receipts: it decides with `receipts.Receipts` within the
            transaction of a Commit. The others refuse updates with a number.

    Attributes:
        counters: what it has done so far.

    Raises:
        TypeError: `services` is a single str or contains anything but str, or `limits` or `access` is not
            what it should be.
        ValueError: a name cannot be a path segment, or `patchable` or `resendable` names no service.
    """

    def __init__(
        self,
        services: Names[str],
        limits: Limits | None = None,
        access: Access | None = None,
        *,
        patchable: Names[str] = (),
        resendable: Names[str] = (),
    ) -> None:
        super().__init__(services, limits, access, patchable, resendable, self._close_all)
        self._unsent: UnsentBytes[Session[C]] = UnsentBytes(self._limits)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits.current

    def change_limits(self, limits: Limits) -> None:
        """Apply new limits; what already exceeds them stays until it ends."""
        expect("limits", limits, Limits)
        self._limits.change(limits)

    # --- connections ------------------------------------------------------------------------------

    def connection_opened(self, connection: C, *, has_proof: bool = False) -> list[Effect[C]]:
        """Register a new connection; after `stop` it is closed at once.

        Args:
            connection: the connection.
            has_proof: whether it came with a proof of whose it is, such as a cookie, to be looked into first: see
                `Authenticate`. That matters only with an `Access`.

        Raises:
            LocalProtocolError: this connection is already open.
        """
        if connection in self._sessions:
            raise LocalProtocolError(f"connection {connection!r} is open already")
        session = self._sessions[connection] = Session(
            connection,
            self._limits,
            self.counters,
            self._unsent,
            self._drains,
            self._owed.add,
            self._rights.take_back,
        )
        self.counters.connections += 1
        out: list[Effect[C]] = []
        if self._shutdown.has_begun:
            session.close("the server is shutting down", out, CLOSE_GOING_AWAY)
        else:
            self._identities.opened(session, out, has_proof=has_proof)
        return out

    def connection_closed(self, connection: C, now: float) -> list[Effect[C]]:
        """Report that a connection has ended, for whatever reason; its updates are still carried out."""
        session = self._session(connection)
        out = self._begin(now)
        del self._sessions[connection]
        session.leave(out)
        self._owed.discard(session)
        self._identities.leave(session)
        self._dispatcher.update_rate.leave(session)
        self._listings.leave(session, out)
        for subscription in session.subscriptions.values():
            subscription.collection.unsubscribe(subscription)
        self._registry.change_subscribers((), session.subscriptions.values(), out)
        session.subscriptions.clear()
        return self._end(out)

    def connection_blocked(
        self, connection: C, now: float, unsent: Iterable[bytes] | None = None
    ) -> list[Effect[C]]:
        """Report that a reader is slow: it is sent nothing more until `connection_drained`.

        It has `drain_seconds` from the last such call, so a transport that sees progress may call again.

        Args:
            connection: the reader's connection.
            now: seconds, monotonic.
            unsent: all messages that the transport keeps in memory for the reader, counted against `Limits.owed_bytes`;
                what leaves next comes first, or it takes longer to count. One that several readers share counts once if
                it is the same object. None if unknown: then broadcasts are not counted.
        """
        session = self._session(connection)
        kept = None if unsent is None else messages(unsent)
        out = self._begin(now)
        if session.state != "closed":
            session.block(out)
            if kept is not None:
                session.keep(kept, out)
            self._drains.expect(session)
        return self._end(out)

    def connection_drained(self, connection: C, now: float) -> list[Effect[C]]:
        """Report that a reader has taken everything it was sent: it gets the net change to now."""
        session = self._session(connection)
        out = self._begin(now)
        if session.state == "blocked":
            self._drains.cancel(session)
            session.drain(out)
        return self._end(out)

    # --- messages ---------------------------------------------------------------------------------

    def receive_text(self, connection: C, text: str, now: float) -> list[Effect[C]]:
        """Handle one complete text message from a peer.

        Raises:
            TypeError: `text` is not a str: decode the message first.
        """
        return self.receive_texts(connection, (text,), now)

    def receive_texts(self, connection: C, texts: Iterable[str], now: float) -> list[Effect[C]]:
        """Handle complete text messages that arrived together from one peer; their updates are committed together.

        They are taken one by one: always the first, and no more once reading should pause; the rest of an iterator is
        for the next call. If an iterator raises, the texts already taken from it stay taken: their effects come with
        the next input, and `next_wakeup` asks for one at once. After `stop` texts are taken but not accepted.

        Raises:
            TypeError: `texts` is a single str or contains anything but str.
            Exception: whatever the iterator raises.
        """
        session = self._session(connection)
        if texts.__class__ is tuple or isinstance(texts, list):
            for text in texts:
                if text.__class__ is not str:
                    expect("text", text, str)
        elif isinstance(texts, str | bytes):
            raise TypeError("texts: expected several texts; receive_text takes a single one")
        take = self._dispatcher.receive if session.postponed is None else self._take_later
        out = self._begin(now)
        try:
            for text in texts:
                if text.__class__ is not str:  # from an iterator, not checked before
                    expect("text", text, str)
                if not (session.state == "closed" or self._shutdown.has_begun):
                    take(session, text, out)
                if session.state == "closed" or session.is_paused:
                    break
        except BaseException:
            self._late = out
            raise
        self._registry.flush(session, out)
        return self._end(out)

    def _take_later(self, session: Session[C], text: str, out: Effects[C]) -> None:
        """Let a message wait until it is known whose connection it is, and earlier requests are carried out."""
        take = partial(self._take_now, session, text)
        session.postpone(Deferred(take, _nobody_asks, len(text)), out)

    def _take_now(self, session: Session[C], text: str, out: Effects[C]) -> None:
        """Take a message that has waited."""
        if not (session.state == "closed" or self._shutdown.has_begun):
            self._dispatcher.receive(session, text, out)

    # --- time -------------------------------------------------------------------------------------

    def set_clock(self, wall: float, now: float) -> None:
        """Set the wall clock to `wall`, in seconds since the Unix epoch, at `now`; the core counts on from there.

        Call this before the first message, and again whenever the clock may have been set: it costs next to nothing.
        Until then `GET /clock` is answered `unavailable`.

        Raises:
            TypeError, ValueError: an argument is not a finite number.
        """
        if wall.__class__ is not float or now.__class__ is not float or not isfinite(wall - now):
            check_seconds(wall, "wall")
            check_seconds(now)
        self._clock.set(wall, now)

    def next_wakeup(self) -> float | None:
        """Return the time at which to call `wake`, or None; it may change with every input."""
        if self._late or self._registry.is_unfinished or self._listings.is_answering:
            return self._drains.now
        if self._unsent.may_go_on or self._owed or self._identities.is_waiting:
            return self._drains.now
        first: float | None = None
        for each in (self._drains, self._unsent, self._registry, self._shutdown, self._identities):
            deadline = each.next_deadline()
            if deadline is not None and (first is None or deadline < first):
                first = deadline
        return first

    def wake(self, now: float) -> list[Effect[C]]:
        """Handle the passage of time: retry loads, close connections that do not drain, drop idle collections.

        Each call also does one portion of the long work there is, such as to take in a large load; while there is more,
        `next_wakeup` asks for another call at once. Let others have their turns in between.
        """
        out = self._begin(now)
        for session in self._drains.due(AT_ONCE):
            session.close("the reader did not catch up in time; reconnect to resume", out)
        for session in self._unsent.evict(now):
            session.give_up(out)
        if (first := self._unsent.next(now)) is not None:
            first.go_on(out)
        self._registry.wake(out)
        if (owed := self._owed.next()) is not None:
            owed.take_turn(out)  # last, since what it begins the registry goes on with
        self._identities.wake(AT_ONCE, out)
        self._listings.go_on(out)
        return self._end(out)

    # --- stopping ---------------------------------------------------------------------------------

    def stop(self, now: float, until: float) -> list[Effect[C]]:
        """Accept nothing more, finish what was accepted, then close all connections with 1001; see `shutdown`.

        Keep calling inputs as usual, including texts, until `is_stopped`: storage's results come in, and what was
        accepted is answered.

        Args:
            now: seconds, monotonic.
            until: when all connections are closed in any case, on the same clock; a later call may change it.
        """
        check_seconds(until, "until")
        out = self._begin(now)
        self._shutdown.begin(until)
        return self._end(out)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is accepted."""
        return self._shutdown.has_begun

    @property
    def is_stopped(self) -> bool:
        """Whether all connections have been closed; if `is_busy` then, something was not finished in time."""
        return self._shutdown.is_over

    def census(self) -> Census:
        """Count connections and collections as they are now; what it costs depends on the connections alone."""
        sessions = self._sessions.values()
        return Census(
            connections=len(sessions),
            subscriptions=sum(len(session.subscriptions) for session in sessions),
            blocked=sum(session.state == "blocked" for session in sessions),
            collections=len(self._registry),
            loaded=self._registry.number_loaded,
            views=self._registry.encoded.views,
            scanned_views=self._registry.encoded.scanned,
            view_bytes=self._registry.encoded.remembered,
        )

    def size(self) -> int:
        """Return the number of connections, subscriptions and collections, all together."""
        census = self.census()
        return census.connections + census.subscriptions + census.collections

    def _close_all(self, out: Effects[C]) -> None:
        sessions = self._sessions.values()
        gone = [each for session in sessions for each in session.subscriptions.values()]
        for session in sessions:
            session.close("the server is shutting down", out, CLOSE_GOING_AWAY)
            session.subscriptions.clear()
        for subscription in gone:
            subscription.collection.unsubscribe(subscription)
        self._registry.change_subscribers((), gone, out)


def _nobody_asks(out: list[Effect[C]]) -> None:
    """Do nothing: a message of a connection that has ended has no author to be informed."""
