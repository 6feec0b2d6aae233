"""The server's side of the protocol: inputs are methods, outputs are the effects they return.

The rules:

1. Nothing here does I/O, reads a clock or draws a random number. `now` is seconds of the embedder's monotonic clock.
2. Perform the returned effects in order before the next input; never call in from within.
3. `receive_text` never raises because of what a peer sent. `LocalProtocolError` means that the embedding
   program broke a rule.
4. Every ticket of a Commit, Load or ListCollections comes back exactly once, also when its author has left.
"""

from collections.abc import Collection as Names
from collections.abc import Iterable, Sequence
from typing import Generic

from .counters import Census, Counters
from .dispatch import Dispatcher
from .effects import C, Effect
from .errors import LocalProtocolError, RequestError
from .limits import Limits
from .outstanding import Outstanding
from .paths import CollectionPath
from .registry import Registry
from .session import Session
from .storage import CommitResult, Cursor, Loaded
from .subscribers import proceed
from .timers import Timers


class Server(Generic[C]):
    """All connections and collections of one server process.

    Args:
        services: names of the services; a path that names another is answered `no_service`.
        limits: bounds on what a peer may ask for.

    Attributes:
        counters: what it has done so far.
    """

    def __init__(self, services: Names[str], limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self._registry: Registry[C] = Registry(services, self.limits, self.counters)
        self._dispatcher = Dispatcher(self._registry)
        self._tickets = self._registry.tickets
        self._sessions: dict[C, Session[C]] = {}
        self._drains: Timers[Session[C]] = Timers()
        self._outstanding: Outstanding[C] = Outstanding(self.limits.owed_bytes)

    def change_limits(self, limits: Limits) -> None:
        """Let other limits hold from now on; what exceeds them already stays until it ends."""
        self.limits = limits
        self._outstanding.most = limits.owed_bytes
        for session in self._sessions.values():
            session.limits = limits
        self._registry.change_limits(limits)

    # --- connections ------------------------------------------------------------------------------

    def connection_opened(self, connection: C) -> None:
        """A connection is up.

        Raises:
            LocalProtocolError: this connection is open already.
        """
        if connection in self._sessions:
            raise LocalProtocolError(f"connection {connection!r} is open already")
        session = Session(connection, self.limits, self.counters, self._outstanding)
        self._sessions[connection] = session
        self.counters.connections += 1

    def connection_closed(self, connection: C, now: float) -> list[Effect[C]]:
        """A connection has ended, for whatever reason; its updates go on."""
        session = self._session(connection)
        out: list[Effect[C]] = []
        del self._sessions[connection]
        session.closed = True
        self._outstanding.take_back(session)
        self._drains.cancel(session)
        gone = session.subscriptions.values()
        for subscription in gone:
            subscription.collection.unsubscribe(subscription)
        proceed(gone, now, out)
        session.subscriptions.clear()
        return out

    def connection_blocked(
        self, connection: C, now: float, unsent: Iterable[bytes] | None = None
    ) -> list[Effect[C]]:
        """The reader is slow: send it nothing more until `connection_drained`.

        It has `drain_seconds` from the last such call, so that a transport which sees progress may call again.

        Args:
            connection: the reader's.
            now: seconds, monotonic.
            unsent: all that the transport keeps in memory for the reader, for `Limits.owed_bytes`. What several readers
                share counts once if it is the same object. None: not known; then broadcasts are not counted.
        """
        session = self._session(connection)
        out: list[Effect[C]] = []
        if not session.closed:
            session.block(out)
            if unsent is not None:
                session.keep(unsent, out)
            self._drains.set(session, now + self.limits.drain_seconds)
        return out

    def connection_drained(self, connection: C, now: float) -> list[Effect[C]]:
        """The reader has caught up with what was sent: it gets the net change to now."""
        session = self._session(connection)
        out: list[Effect[C]] = []
        if session.blocked and not session.closed:
            self._drains.cancel(session)
            session.drain(now, out)
        return out

    # --- messages ---------------------------------------------------------------------------------

    def receive_text(self, connection: C, text: str, now: float) -> list[Effect[C]]:
        """One text message of a peer has arrived, whole."""
        return self.receive_texts(connection, (text,), now)

    def receive_texts(self, connection: C, texts: Iterable[str], now: float) -> list[Effect[C]]:
        """Text messages of one peer have arrived together, each whole: their updates are committed together.

        They are taken one by one, the first one in any case, and no more when reading is to pause: what is left of an
        iterator is for the next call.
        """
        session = self._session(connection)
        out: list[Effect[C]] = []
        for text in texts:
            if not session.closed:
                self._dispatcher.receive(session, text, now, out)
            if session.closed or session.is_paused:
                break
        self._registry.go_on(session, now, out)
        return out

    # --- storage ----------------------------------------------------------------------------------

    def commit_succeeded(self, ticket: int, result: CommitResult, now: float) -> list[Effect[C]]:
        """A Commit was carried out; `result` has one outcome for each write."""
        out: list[Effect[C]] = []
        self._tickets.take_collection(ticket, loading=False).commit_succeeded(result, now, out)
        return out

    def commit_failed(
        self, ticket: int, message: str, now: float, *, outcome_unknown: bool
    ) -> list[Effect[C]]:
        """A Commit failed.

        Args:
            ticket: the Commit's.
            message: one sentence for the authors, without secrets.
            now: seconds, monotonic.
            outcome_unknown: False only if it is certain that nothing was stored.
        """
        out: list[Effect[C]] = []
        error = RequestError("unavailable", message)
        collection = self._tickets.take_collection(ticket, loading=False)
        collection.commit_failed(error, now, out, outcome_unknown=outcome_unknown)
        return out

    def load_succeeded(self, ticket: int, loaded: Loaded, now: float) -> list[Effect[C]]:
        """A Load was carried out."""
        out: list[Effect[C]] = []
        collection = self._tickets.take_collection(ticket, loading=True)
        self._registry.end_load(collection)
        collection.load_succeeded(loaded, now, out)
        self._registry.go_on_loading(collection.path.service, now, out)
        return out

    def load_failed(self, ticket: int, message: str, now: float) -> list[Effect[C]]:
        """A Load failed; the core asks again in a while if somebody still watches."""
        out: list[Effect[C]] = []
        error = RequestError("unavailable", message)
        collection = self._tickets.take_collection(ticket, loading=True)
        self._registry.end_load(collection)
        collection.load_failed(error, now, out)
        self._registry.go_on_loading(collection.path.service, now, out)
        return out

    def list_succeeded(self, ticket: int, names: Sequence[str]) -> list[Effect[C]]:
        """A ListCollections was carried out."""
        out: list[Effect[C]] = []
        self._tickets.take_request(ticket).succeed(names, out)
        return out

    def list_failed(self, ticket: int, message: str) -> list[Effect[C]]:
        """A ListCollections failed."""
        out: list[Effect[C]] = []
        self._tickets.take_request(ticket).fail(RequestError("unavailable", message), out)
        return out

    def collection_changed(
        self, path: CollectionPath, cursor: Cursor | None, now: float
    ) -> list[Effect[C]]:
        """Another process has committed to a collection, and reached `cursor` if that is known."""
        out: list[Effect[C]] = []
        collection = self._registry.get(path)
        if collection is not None:
            collection.changed_elsewhere(cursor, now, out)
        return out

    def loaded(self, service: str) -> list[CollectionPath]:
        """Return the service's collections whose content is in memory: for these, others' commits matter."""
        return [
            collection.path
            for collection in self._registry.all()
            if collection.path.service == service and collection.is_loaded
        ]

    # --- time -------------------------------------------------------------------------------------

    def next_wakeup(self) -> float | None:
        """Return the time at which `wake` should be called, or None; it may change with every input."""
        drain, deadline = self._drains.next(), self._registry.next_deadline()
        if drain is None or deadline is None:
            return deadline if drain is None else drain
        return min(drain, deadline)

    def wake(self, now: float) -> list[Effect[C]]:
        """Time has passed: retry loads, close connections that do not drain, let idle collections go."""
        out: list[Effect[C]] = []
        for session in self._drains.due(now):
            session.close("the reader did not catch up in time; come back and resume", out)
        self._registry.wake(now, out)
        return out

    @property
    def is_busy(self) -> bool:
        """Whether a request still waits for storage: shutting down waits for this to end."""
        return bool(self._tickets) or any(each.is_busy for each in self._registry.all())

    def census(self) -> Census:
        """Count what there is now; the cost is that of looking at each connection and collection."""
        collections = self._registry.all()
        return Census(
            connections=len(self._sessions),
            subscriptions=sum(collection.subscriptions for collection in collections),
            blocked=sum(session.blocked for session in self._sessions.values()),
            collections=len(self._registry),
            loaded=sum(collection.is_loaded for collection in collections),
        )

    def _session(self, connection: C) -> Session[C]:
        session = self._sessions.get(connection)
        if session is None:
            raise LocalProtocolError(f"connection {connection!r} is not open")
        return session
