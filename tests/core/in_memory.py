"""A transport in memory: peers that block, drain, vanish and call in from within, a store that answers when told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from sharedstate_core import Commit, Doubt, Limits, ListApps, ListCollections, Load
from sharedstate_core.driver import Driver, Host, Operation
from sharedstate_core.testing import Client, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    Trick: TypeAlias = Callable[["MemoryPeer"], None]


class MemoryPeer:
    """One connection; what it may not be asked to do any more is an error.

    Attributes:
        inbox: what it was sent and its client has not taken yet.
        tricks: what it does, one after the other, from within `send`.
    """

    def __init__(self, transport: Transport, client: Client) -> None:
        self.client = client
        self.inbox: deque[bytes] = deque()
        self.tricks: deque[Trick] = deque()
        self.reading = True
        self.blocked = False
        self.awaited = False
        self.was_slow = False
        self.left = False
        self.closed_with: int | None = None
        self._transport = transport

    def send(self, message: bytes) -> None:
        assert not self.left, "nothing is done to a peer that has left"
        assert self.closed_with is None, "Close is the last"
        self.inbox.append(message)
        self.play()

    def await_drain(self) -> None:
        assert not self.left
        self.awaited = self.was_slow = True
        self.play()

    def pause_reading(self) -> None:
        assert not self.left
        self.reading = False
        self.play()

    def resume_reading(self) -> None:
        assert not self.left
        self.reading = True
        self.play()

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        assert not self.left
        assert reason
        assert not at_once or self.was_slow
        self.closed_with = code
        self.play()

    def play(self) -> None:
        if self.tricks:
            self.tricks.popleft()(self)

    # --- what it tells the driver -----------------------------------------------------------------

    def say(self) -> None:
        """Let the driver have what its client has sent, as far as it reads."""
        outbox, transport = self.client.outbox, self._transport
        while outbox and self.reading and not self.left:
            transport.driver.receive(self, [outbox.popleft()], transport.now)

    def block(self) -> None:
        if not self.left:
            self.blocked = self.was_slow = True
            self._transport.driver.blocked(self, tuple(self.inbox), self._transport.now)

    def drain(self) -> None:
        """Take everything."""
        while self.inbox:
            self.client.receive(self.inbox.popleft())
        if (self.blocked or self.awaited) and not self.left:
            self.blocked = self.awaited = False
            self._transport.driver.drained(self, self._transport.now)

    def leave(self) -> None:
        self.left = True
        self._transport.driver.closed(self, self._transport.now)


class Transport(Host[MemoryPeer]):
    """All of them, and their store.

    Attributes:
        at_once: whether storage answers from within `start`.
        operations: those under way.
        reports: what the driver has dealt with.
        changes: how often the driver said that something has changed.
    """

    def __init__(self, limits: Limits | None = None, store: MemoryStore | None = None) -> None:
        self.now = 1000.0
        self.store = store or MemoryStore()
        self.driver: Driver[MemoryPeer] = Driver(["items"], self, limits)
        self.at_once = False
        self.operations: list[Operation] = []
        self.reports: list[tuple[Operation | MemoryPeer, Exception]] = []
        self.changes = 0
        self.peers: list[MemoryPeer] = []

    def start(self, operation: Operation) -> None:
        self.operations.append(operation)
        if self.at_once:
            self.finish(operation)

    def report(self, subject: Operation | MemoryPeer, error: Exception) -> None:
        self.reports.append((subject, error))

    def wall_time(self) -> float:
        return 1234.5

    def changed(self) -> None:
        self.changes += 1

    def connect(self, client: Client | None = None) -> MemoryPeer:
        peer = MemoryPeer(self, client or Client())
        self.peers.append(peer)
        self.driver.opened(peer)
        peer.client.connected()
        return peer

    def finish(self, operation: Operation) -> bool:
        self.operations.remove(operation)
        match operation:
            case Commit(_, path, writes):
                return self.driver.succeeded(operation, self.store.commit(path, writes), self.now)
            case Load(_, path, since):
                return self.driver.succeeded(operation, self.store.load(path, since), self.now)
            case ListCollections(_, service, app, after, limit):
                names = self.store.collections(service, app, after, limit)
                return self.driver.succeeded(operation, names, self.now)
            case ListApps(_, service, after, limit):
                names = self.store.apps(service, after, limit)
                return self.driver.succeeded(operation, names, self.now)
            case Doubt():
                return self.driver.succeeded(operation, None, self.now)

    def fail(self, operation: Operation, *, unknown: bool = False) -> None:
        self.operations.remove(operation)
        self.driver.failed(operation, self.now, outcome_unknown=unknown)

    def settle(self) -> None:
        """Let everything go well until nothing is left to do; who was closed leaves."""
        for _ in range(200):
            for operation in list(self.operations):
                self.finish(operation)
            for peer in self.peers:
                if not peer.left:
                    peer.say()
                    peer.drain()
                    if peer.closed_with:
                        peer.leave()
            if (due := self.driver.next_wakeup) is not None and due <= self.now:
                self.driver.wake(self.now)  # who is not read now may wait for it
            there = [peer for peer in self.peers if not peer.left]
            if not (self.operations or any(p.inbox or p.client.outbox for p in there)):
                wakeup = self.driver.next_wakeup
                waiting: list[object] = [each for peer in there for each in peer.client.waiting]
                for peer in there:
                    subscribed = peer.client.subscribed.items()
                    waiting += [path for path, each in subscribed if not each.synchronised]
                if self.driver.is_idle and not waiting:
                    return
                assert wakeup is not None, waiting
                self.now = max(self.now, wakeup)
                self.driver.wake(self.now)
        raise AssertionError("it does not come to rest")
