"""A whole system in which nothing moves unless told to: clients, links, a server, a store, and time.

`steps` has what can happen, and its rules. `settle` lets everything go well until nothing is left to do; then all
clients must show what the store holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.counters import Counters
from sharedstate_core.paths import parse_collection_path

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.names import Paging
    from sharedstate_core.storage import Condition, Cursor
    from sharedstate_core.updates import Update

from .contract import ContractError
from .filters import is_filtered, shows
from .links import Link
from .records import path_of
from .steps import Steps
from .stopping import Stopping


class World(Steps):
    """A server with its store and `clients` connected clients.

    Args:
        clients: number of clients.
        limits: the server's limits; None for the defaults.
        store: the store to start with; None for an empty one.
        services: names of the services.
        access: who has to sign in; None if nobody does.

    Attributes:
        proofs: what the server wants to know of whose connection it is, by ticket.
        callers: the authors of `put` and `get`, and their answers.
        sent: what the server has sent: `deliveries` and `bytes` only.
        doubts: number of `Doubt` effects.
        refused: number of `Refused` effects.
        stopping: the orderly stop under way; None before one, and after a restart.
        late: requests that arrived while a server was stopping, which are not accepted.
    """

    def put(
        self,
        path: str,
        update: Update,
        author: Hashable | None = None,
        condition: Condition | Cursor | None = None,
        client: int | None = None,
    ) -> None:
        """Let the embedding program update a collection, for a client's connection or for none."""
        connection = None if client is None else self.connection(client)
        self.callers.ask(author, path, update)
        self._perform(
            self.server.put(
                path, update, self.now, author=author, condition=condition, connection=connection
            )
        )

    def get(
        self, path: str, author: Hashable, client: int | None = None, paging: Paging | None = None
    ) -> None:
        """Let the embedding program read a path, for a client's connection or for none."""
        connection = None if client is None else self.connection(client)
        self.callers.ask(author, path, None)
        get = self.server.get(path, self.now, author=author, connection=connection, paging=paging)
        self._perform(get)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the server whenever it asks for it."""
        until = self.now + seconds
        while (at := self.server.next_wakeup()) is not None and at <= until:
            self.now = max(self.now, at)
            self._perform(self.server.wake(self.now))
        self.now = until
        if self.stopping is not None and self.stopping.until <= until:
            self.stopping.check_ended(self.links)

    def turn(self) -> None:
        """Let the server go on with one portion of the long work that it has to do, if any."""
        self._perform(self.server.wake(self.now))

    def stop(self, seconds: float) -> None:
        """Stop the server, giving it `seconds` to finish what it has accepted; `restart` then makes a new one."""
        if self.stopping is None:
            accepted = {
                link.connection: client.arrived
                for client, link in zip(self.clients, self.links, strict=True)
                if link.connection is not None
            }
            self.stopping = Stopping(accepted)
        self.stopping.until = self.now + seconds
        self._perform(self.server.stop(self.now, self.stopping.until))

    def restart(self) -> None:
        """Replace the server with a new one on the same store; operations under way stop where they are."""
        for client, link in enumerate(self.links):
            if link.connection is not None:
                self.links[client] = Link()
                self.clients[client].disconnected()
        self.stopping = None
        self.operations.clear()
        self.proofs.clear()
        self.callers.waiting.clear()
        self._untold.clear()
        self.server = self._server()
        self.sent = Counters()

    def settle(self) -> None:
        """Let everything go well until nothing is left to do; a stopping server ends and is replaced.

        Raises:
            ContractError: a client still waits for something.
        """
        if self.stopping is not None:
            self.carry_everything()
            self.advance(max(0.0, self.stopping.until - self.now))
            self.restart()
        for path in sorted(self._untold):
            self.tell(path)
        for client, link in enumerate(self.links):
            if link.connection is None:
                self.connect(client)
            elif link.blocked:
                self.drain(client)
        for _ in range(100):
            self.carry_everything()
            if not (waiting := self._backlog()):
                return
            wakeup = self.server.next_wakeup()
            if wakeup is None:
                break
            self.advance(wakeup - self.now)
        raise ContractError(f"all is well, but somebody still waits: {waiting}")

    def carry_everything(self) -> None:
        """Let everything under way arrive, and everything that follows from it."""
        moved = True
        while moved:
            moved = bool(self.operations or self.proofs)
            for ticket in list(self.proofs):
                self.accept(ticket)
            for ticket in list(self.operations):
                self.finish(ticket)
            for client, link in enumerate(self.links):
                while link.reading and self.clients[client].outbox:
                    self.to_server(client)
                    moved = True
                while link.inbox:
                    self.to_client(client)
                    moved = True
                if link.draining:
                    self.drain(client)
                    moved = True

    def _backlog(self) -> list[str]:
        """Return what clients still wait for."""
        waiting = [f"client {n}: {a}" for n, c in enumerate(self.clients) for a in c.waiting]
        waiting += [f"author {author!r}" for author in self.callers.waiting]
        for number, client in enumerate(self.clients):
            for name, subscribed in client.subscribed.items():
                copy, path = client.copies.get(name), parse_collection_path(path_of(name))
                head = self.store.head(path)
                if is_filtered(subscribed.sub):  # it stays where it is while nothing touches it
                    stored = self.store.state_at(path, head) or {}
                    is_late = copy is None or not shows(copy.state, stored, subscribed.sub)
                else:
                    is_late = copy is None or copy.cursor != head
                if is_late or not subscribed.synchronised:
                    waiting.append(f"client {number}: {name} at {head}")
        return waiting
