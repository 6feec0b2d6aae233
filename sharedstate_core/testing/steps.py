"""The steps of a world, one at a time: messages on links, storage operations, effects of the server.

The rules:

1. A message travels only with `to_server` or `to_client`; a storage operation acts on the store at `execute` and is
   reported at `finish`, so anything may happen in between.
2. It is a transport that keeps its side of the contract and holds the core to the other side: it raises
   `ContractError` for a message to a connection that is closed or blocked, for two operations under way for one
   collection, and for anything that follows a `Close`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sharedstate_core.counters import Counters
from sharedstate_core.effects import (
    Answer,
    Authenticate,
    AwaitDrain,
    Close,
    Commit,
    Doubt,
    Effect,
    ListApps,
    ListCollections,
    Load,
    PauseReading,
    Refused,
    ResumeReading,
    Send,
)
from sharedstate_core.errors import CLOSE_GOING_AWAY
from sharedstate_core.limits import Limits
from sharedstate_core.server.server import Server
from sharedstate_core.storage import CommitResult, Loaded, Write

from .callers import Callers
from .client import Client
from .contract import ContractError, check
from .links import Connection, Link, Operation
from .store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from sharedstate_core.errors import AuthReason
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.server.access import Access
    from sharedstate_core.updates import Update

    from .records import Asked
    from .stopping import Stopping


class Steps:
    """Everything that can happen in a `World`, except the passage of time."""

    def __init__(
        self,
        clients: int = 1,
        *,
        limits: Limits | None = None,
        store: MemoryStore | None = None,
        services: Sequence[str] = ("items",),
        access: Access | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.store = store or MemoryStore()
        self.now = 1000.0
        self.clients = [Client() for _ in range(clients)]
        self.links = [Link() for _ in range(clients)]
        self.operations: dict[int, Operation] = {}
        self.proofs: dict[int, Authenticate[Connection]] = {}
        self._services = services
        self._access = access
        self._connections = 0
        self._untold: set[CollectionPath] = set()
        self._asked_for: set[CollectionPath] = set()
        self.doubts = 0
        self.refused = 0
        self._closing: list[int] = []
        self.stopping: Stopping | None = None
        self.late: list[Asked] = []
        self.server = self._server()
        self.sent = Counters()
        self.callers = Callers()
        for client in range(clients):
            self.connect(client)

    def _server(self) -> Server[Connection]:
        """Return a new server, whose wall clock shows the same as the monotonic one."""
        server: Server[Connection] = Server(
            self._services,
            self.limits,
            self._access,
            patchable=self._services,
            resendable=self._services,
        )
        server.set_clock(self.now, self.now)
        return server

    # --- links ------------------------------------------------------------------------------------

    def connect(self, client: int) -> None:
        """Connect a client that has no connection; it asks for what it wants."""
        self._connections += 1
        connection = Connection(client, self._connections)
        self.links[client] = Link(connection)
        effects = self.server.connection_opened(connection)
        self.clients[client].connected()
        self._perform(effects)

    def cut(self, client: int) -> None:
        """End a connection; everything under way on it is lost, in both directions."""
        connection = self.connection(client)
        self.links[client] = Link(closed_with=self.links[client].closed_with)
        self.clients[client].disconnected()
        self._perform(self.server.connection_closed(connection, self.now))

    def to_server(self, client: int, *, even_if_paused: bool = False) -> None:
        """Carry the client's next message to the server.

        Args:
            client: number of the client.
            even_if_paused: whether the transport had already read it when it was asked to pause.
        """
        check(self.links[client].reading or even_if_paused, "reading is paused")
        self._arrive(client, 1)
        text = self.clients[client].outbox.popleft()
        self._perform(self.server.receive_text(self.connection(client), text, self.now))

    def all_to_server(self, client: int) -> None:
        """Carry all the client's messages to the server together; it takes them until it pauses reading."""
        check(self.links[client].reading, "reading is paused")
        outbox = self.clients[client].outbox
        self._arrive(client, len(outbox))
        texts = (outbox.popleft() for _ in range(len(outbox)))
        self._perform(self.server.receive_texts(self.connection(client), texts, self.now))

    def _arrive(self, client: int, texts: int) -> None:
        """Record messages that come too late for a server that is stopping."""
        if self.stopping is not None:
            asked = self.clients[client].asked
            first = len(asked) - len(self.clients[client].outbox)
            self.late += asked[first : first + texts]

    def to_client(self, client: int) -> None:
        """Carry the server's next message to the client."""
        self.clients[client].receive(self.links[client].inbox.popleft())

    def block(self, client: int) -> None:
        """Report to the server that the reader is slow, and what is kept for it."""
        link = self.links[client]
        link.blocked = True
        unsent = tuple(link.inbox)
        self._perform(self.server.connection_blocked(self.connection(client), self.now, unsent))

    def drain(self, client: int) -> None:
        """Report to the server that the reader has caught up."""
        self.links[client].blocked = self.links[client].draining = False
        self._perform(self.server.connection_drained(self.connection(client), self.now))

    def connection(self, client: int) -> Connection:
        """Return a client's connection."""
        connection = self.links[client].connection
        if connection is None:
            raise ValueError(f"client {client} has no connection")
        return connection

    # --- users ------------------------------------------------------------------------------------

    def accept(
        self, ticket: int, user: Mapping[str, Any] | None = None, expires: float | None = None
    ) -> None:
        """Report whose connection it is; by default the user whose id is the token."""
        token = self.proofs.pop(ticket).token
        if user is None and token is not None:
            user = {"id": token}
        self._perform(self.server.authenticated(ticket, user, self.now, expires))

    def decline(self, ticket: int, reason: AuthReason = "invalid") -> None:
        """Report that a proof is not one."""
        del self.proofs[ticket]
        self._perform(self.server.authentication_failed(ticket, reason, self.now))

    def send_away(self, client: int) -> None:
        """Let the embedding program sign out a client's user for good."""
        self._perform(self.server.send_away(self.connection(client), self.now))

    def kick(self, user: str) -> None:
        """Let the embedding program sign out a user for good."""
        self._perform(self.server.kick(user, self.now))

    def withdraw(self, client: int) -> None:
        """Report to the server that what has vouched for a client's user does so no more."""
        self._perform(self.server.withdraw(self.connection(client), self.now))

    def change_access(self, access: Access | None) -> None:
        """Put other rules in force."""
        self._access = access
        self._perform(self.server.change_access(access, self.now))

    # --- storage ----------------------------------------------------------------------------------

    def execute(self, ticket: int, reject: Collection[int] = ()) -> None:
        """Let the store carry out an operation, without reporting it to the server yet."""
        operation = self.operations[ticket]
        match operation.effect:
            case Commit(_, path, writes):
                operation.result = self.store.commit(path, writes, reject=reject)
            case Load(_, path, since):
                operation.result = self.store.load(path, since)
            case ListCollections(_, service, app, after, limit):
                operation.result = self.store.collections(service, app, after, limit)
            case ListApps(_, service, after, limit):
                operation.result = self.store.apps(service, after, limit)

    def finish(self, ticket: int, reject: Collection[int] = ()) -> None:
        """Report the result of an operation, carrying it out first unless that has been done."""
        if self.operations[ticket].result is None:
            self.execute(ticket, reject)
        result = self.operations.pop(ticket).result
        match result:
            case CommitResult():
                self._perform(self.server.commit_succeeded(ticket, result, self.now))
            case Loaded():
                self._perform(self.server.load_succeeded(ticket, result, self.now))
            case list() as names:
                self._perform(self.server.list_succeeded(ticket, names, self.now))
            case None:
                raise AssertionError("execute leaves a result")

    def fail(self, ticket: int) -> None:
        """Report that an operation failed, and that a commit certainly stored nothing."""
        operation = self.operations.pop(ticket)
        match operation.effect:
            case Commit():
                check(operation.result is None, "this commit has been carried out")
                failed = self.server.commit_failed(
                    ticket, "the disk is full", self.now, outcome_unknown=False
                )
                self._perform(failed)
            case Load():
                self._perform(self.server.load_failed(ticket, "the disk is gone", self.now))
            case ListCollections() | ListApps():
                self._perform(self.server.list_failed(ticket, "the disk is gone", self.now))

    def lose(self, ticket: int, *, applied: bool = False) -> None:
        """Report that the outcome of a commit is unknown; `applied` carries it out first."""
        if applied and self.operations[ticket].result is None:
            self.execute(ticket)
        del self.operations[ticket]
        lost = self.server.commit_failed(
            ticket, "the connection was lost", self.now, outcome_unknown=True
        )
        self._perform(lost)

    def commit_elsewhere(self, path: CollectionPath, update: Update) -> None:
        """Let another server process commit; ours does not learn of it until `tell`."""
        self.store.commit(path, [Write(update)])
        self._untold.add(path)

    def forget(self, path: CollectionPath) -> None:
        """Let the store forget a collection if it holds nothing; the server does not learn of it until `tell`."""
        if self.store.forget(path):
            self._untold.update(path for (path, _), _ in self.store.histories())
            self._untold |= self._asked_for  # ones never written to are now at the same version

    def start_anew(self, epoch: str) -> None:
        """Lose the store's content; the server does not learn of it until `tell`."""
        self._untold.update(path for (path, _), _ in self.store.histories())
        self._untold |= self._asked_for  # including ones never written to
        self.store.start_anew(epoch)

    def tell(self, path: CollectionPath, *, vaguely: bool = False) -> None:
        """Report to the server that a collection has changed; `vaguely` omits the state it reached."""
        self._untold.discard(path)
        cursor = None if vaguely else self.store.head(path)
        self._perform(self.server.collection_changed(path, cursor, self.now))

    # --- effects ----------------------------------------------------------------------------------

    def _perform(self, effects: list[Effect[Connection]]) -> None:  # noqa: C901  (one arm each)
        for effect in effects:
            match effect:
                case Send():
                    text = bytes(effect.message)
                    is_reply = text.startswith(b'{"type":"REPLY"')
                    for connection in effect.connections:
                        self.sent.deliveries += not is_reply
                        self.sent.bytes += len(text)
                        self._send(connection, text)
                case AwaitDrain():
                    self._link(effect.connection).draining = True
                case PauseReading() | ResumeReading():
                    self._link(effect.connection).reading = isinstance(effect, ResumeReading)
                case Close():
                    self._close(effect)
                case Commit() | Load() | ListCollections() | ListApps():
                    self._begin(effect)
                case Authenticate():
                    self.proofs[effect.ticket] = effect
                case Doubt():
                    self._doubt(effect)
                case Refused():
                    self.refused += 1
                case Answer():
                    self.callers.hear(effect)
                case _:
                    assert_never(effect)
        while self._closing:
            self.cut(self._closing.pop())

    def _close(self, close: Close[Connection]) -> None:
        connection, link = close.connection, self._link(close.connection)
        if close.code == CLOSE_GOING_AWAY:
            if self.stopping is None:
                raise ContractError(f"{close}, but nobody has asked the server to stop")
            if not (link.blocked or link.draining):  # which get theirs another time
                while link.inbox:
                    self.to_client(connection.client)
                self.stopping.check_answered(connection, self.now)
        link.closed_with = close.code
        self._closing.append(connection.client)

    def _doubt(self, doubt: Doubt) -> None:
        held = self.store.head(doubt.collection)
        is_stored = held.epoch == doubt.cursor.epoch and held.version >= doubt.cursor.version
        check(not is_stored, f"{doubt}, though storage holds it")
        self.doubts += 1

    def _begin(self, effect: Commit | Load | ListCollections | ListApps) -> None:
        if isinstance(effect, Commit | Load):
            for other in self.operations.values():
                twice = getattr(other.effect, "collection", None) == effect.collection
                check(not twice, f"{effect} while {other.effect} is under way")
            self._asked_for.add(effect.collection)
        self.operations[effect.ticket] = Operation(effect)

    def _send(self, connection: Connection, message: bytes) -> None:
        link = self._link(connection)
        stopped = link.blocked or link.draining
        check(not stopped, f"{message!r} is sent to a reader that is blocked")
        link.inbox.append(message)

    def _link(self, connection: Connection) -> Link:
        link = self.links[connection.client]
        check(link.connection == connection, f"{connection} is closed, but the server uses it")
        check(link.closed_with is None, f"the server has closed {connection}, but goes on using it")
        return link
