"""A whole system in one place where nothing moves unless told: clients, links, a server, a store, the time.

`steps` has what may happen, and its rules. `settle` lets everything go well until nothing is left to do; then all
clients must show what the store holds.
"""

from __future__ import annotations

from sharedstate_core.counters import Counters
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.server.server import Server

from .contract import ContractError
from .links import Link
from .steps import Steps


class World(Steps):
    """A server with its store and `clients` connected clients.

    Args:
        clients: how many.
        limits: the server's.
        store: a store to start with.
        services: names of the services.

    Attributes:
        sent: what the server has sent: `deliveries` and `bytes` only.
        doubts: how often the server doubted a reader, or storage.
    """

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the server whenever it asked for it."""
        until = self.now + seconds
        while (at := self.server.next_wakeup()) is not None and at <= until:
            self.now = max(self.now, at)
            self._perform(self.server.wake(self.now))
        self.now = until

    def restart(self) -> None:
        """Replace the server by a new one on the same store; operations under way stop where they are."""
        for client, link in enumerate(self.links):
            if link.connection is not None:
                self.links[client] = Link()
                self.clients[client].disconnected()
        self.operations.clear()
        self._untold.clear()
        self.server = Server(self._services, self.limits)
        self.sent = Counters()

    def settle(self) -> None:
        """Let everything go well until nothing is left to do.

        Raises:
            ContractError: a client still waits for something.
        """
        for path in sorted(self._untold):
            self.tell(path)
        for client, link in enumerate(self.links):
            if link.connection is None:
                self.connect(client)
            elif link.blocked:
                self.drain(client)
        for _ in range(100):
            self.carry_everything()
            if not (waiting := self._owed()):
                return
            wakeup = self.server.next_wakeup()
            if wakeup is None:
                break
            self.advance(wakeup - self.now)
        raise ContractError(f"all is well, but somebody still waits: {waiting}")

    def carry_everything(self) -> None:
        """Let everything that is under way arrive, and what follows from it."""
        moved = True
        while moved:
            moved = bool(self.operations)
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

    def _owed(self) -> list[str]:
        """Return what clients still wait for."""
        waiting = [f"client {n}: {a}" for n, c in enumerate(self.clients) for a in c.waiting]
        for number, client in enumerate(self.clients):
            for path, subscribed in client.subscribed.items():
                copy, head = client.copies.get(path), self.store.head(parse_collection_path(path))
                if not subscribed.synchronised or copy is None or copy.cursor != head:
                    waiting.append(f"client {number}: {path} at {head}")
        return waiting
