"""The driver under everything that peers and storage may do, from within its effects, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sharedstate_core import (
    Commit,
    CommitResult,
    Committed,
    Doubt,
    Limits,
    Load,
    Loaded,
    parse_collection_path,
)
from sharedstate_core.testing import Client
from sharedstate_core.testing.records import path_of
from tests.core.in_memory import MemoryPeer, Transport

if TYPE_CHECKING:
    from sharedstate_core.driver import Operation

PATHS = ("/a/items/c", "/a/items/d")
LIMITS = Limits(
    unanswered=8, held_bytes=1500, window_bytes=400, owed_bytes=4000, drain_seconds=10, loads=1
)

who = st.integers(0, 2)
paths = st.sampled_from(PATHS)


class DriverSimulation(RuleBasedStateMachine):
    """Three clients, who come back when they have left."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = Transport(LIMITS)
        self.clients = [Client() for _ in range(3)]
        self.peers = [self.transport.connect(client) for client in self.clients]
        self.updates = 0
        self.stopped = False

    # --- tricks from within -----------------------------------------------------------------------

    @rule(
        client=who,
        other=who,
        tricks=st.lists(
            st.sampled_from(
                ["nothing", "block", "drain", "leave", "leave other", "write", "finish"]
            ),
            max_size=4,
        ),
        path=paths,
    )
    def prepare(self, client: int, other: int, tricks: list[str], path: str) -> None:
        """Let a peer do this from within what the driver asks of it next."""

        def play(trick: str) -> Any:
            def go(peer: MemoryPeer) -> None:
                if trick == "block":
                    peer.block()
                elif trick == "drain" and not peer.left and (peer.blocked or peer.awaited):
                    peer.blocked = peer.awaited = False  # its client reads later
                    self.transport.driver.drained(peer, self.transport.now)
                elif trick == "leave":
                    peer.leave()
                elif trick == "leave other":
                    self.peers[other].leave()
                elif trick == "write":
                    self._write(other, path)
                elif trick == "finish" and self.transport.operations:
                    self.transport.finish(self.transport.operations[0])

            return go

        self.peers[client].tricks.extend(play(trick) for trick in tricks)

    # --- what may happen --------------------------------------------------------------------------

    @rule(client=who, path=paths)
    def write(self, client: int, path: str) -> None:
        self._write(client, path)

    def _write(self, client: int, path: str) -> None:
        peer = self.peers[client]
        if not (peer.left or peer.closed_with):
            self.updates += 1
            item = {"id": "pqr"[self.updates % 3], "n": self.updates}
            peer.client.put(path, insert=[item])
            peer.say()

    @rule(client=who, path=st.sampled_from([*PATHS, "/a/items", "/clock"]))
    def read(self, client: int, path: str) -> None:
        peer = self.peers[client]
        if not (peer.left or peer.closed_with):
            peer.client.ask("GET", path)
            peer.say()

    @rule(client=who, path=paths)
    def subscribe(self, client: int, path: str) -> None:
        peer = self.peers[client]
        if not (peer.left or peer.closed_with):
            peer.client.put_subs({path: {}})
            peer.say()

    @rule(client=who, fate=st.sampled_from(["drain", "block", "leave", "twice"]))
    def peer(self, client: int, fate: str) -> None:
        peer = self.peers[client]
        if fate == "drain":
            peer.drain()
        elif fate == "block":
            peer.block()
        else:
            peer.leave()
            if fate == "twice":
                peer.leave()
                self.transport.driver.drained(peer, self.transport.now)

    @precondition(lambda self: self.transport.operations)
    @rule(fate=st.sampled_from(["finish", "finish", "fail", "lose", "nonsense"]))
    def storage(self, fate: str) -> None:
        operation = self.transport.operations[0]
        if fate == "finish":
            self.transport.finish(operation)
        elif fate == "nonsense":
            self._answer_nonsense(operation)
        else:
            self.transport.fail(operation, unknown=fate == "lose")

    @rule(at_once=st.booleans())
    def storage_answers_from_within(self, at_once: bool) -> None:
        self.transport.at_once = at_once

    @rule(seconds=st.sampled_from([0.1, 1.0, 20.0]))
    def advance(self, seconds: float) -> None:
        transport = self.transport
        until = transport.now + seconds
        while (at := transport.driver.next_wakeup) is not None and at <= until:
            transport.now = max(transport.now, at)
            transport.driver.wake(transport.now)
        transport.now = until

    @rule()
    def come_back(self) -> None:
        for number, peer in enumerate(self.peers):
            if peer.closed_with:
                peer.drain()
                peer.leave()
            if peer.left and not self.stopped:
                peer.client.disconnected()
                self.peers[number] = self.transport.connect(peer.client)

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def nothing_waits_for_its_turn(self) -> None:
        driver = self.transport.driver
        assert driver.is_idle == (not driver.server.is_busy)
        there = {peer for peer in self.transport.peers if not peer.left}
        assert driver.has_peers == bool(there)
        assert set(driver.server._sessions) == there
        kept = {each.ticket for each in self.transport.operations if not isinstance(each, Doubt)}
        assert set(driver._operations._under_way) == set(driver.server._tickets) == kept

    def teardown(self) -> None:
        transport = self.transport
        for peer in transport.peers:
            peer.tricks.clear()
        self.come_back()
        transport.settle()
        while any(peer.left for peer in self.peers):  # closed by what came before
            self.come_back()
            transport.settle()
        for peer in self.peers:
            for path in map(path_of, peer.client.subscribed):
                head = transport.store.head(parse_collection_path(path))
                assert peer.client.copies[path].cursor == head
        transport.driver.stop(transport.now, transport.now + 10)
        self.stopped = True
        assert [peer.closed_with for peer in self.peers] == [1001] * 3
        self.come_back()
        assert transport.driver.is_stopped
        assert not transport.driver.has_peers

    def _answer_nonsense(self, operation: Operation) -> None:
        self.transport.operations.remove(operation)
        nonsense: Any = "names"
        if isinstance(operation, Commit):
            nonsense = CommitResult("epoch-1", [Committed(-1)])
        elif isinstance(operation, Load):
            nonsense = Loaded("epoch-1", 1, 2, [])
        accepted = self.transport.driver.succeeded(operation, nonsense, self.transport.now)
        assert accepted is isinstance(operation, Doubt)


DriverSimulation.TestCase.settings = settings(
    max_examples=max(100, settings().max_examples), stateful_step_count=50
)
TestDriverSimulation = DriverSimulation.TestCase
