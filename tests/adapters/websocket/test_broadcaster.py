"""What is sent arrives in the order in which it was sent, however turns, slow readers and broadcasts fall together."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast
from unittest.mock import patch

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import example, given
from hypothesis import strategies as st

from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.connections.connection import Connection
from sharedstate_anyio.hub.shared import Shared
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_anyio.net.gate import Gate
from sharedstate_anyio.websocket import broadcaster as broadcaster_module
from sharedstate_anyio.websocket.broadcaster import FLUSHED_BYTES
from sharedstate_anyio.websocket.fair_turns import FairTurns
from sharedstate_anyio.websocket.frames import LARGE_BYTES, Head, text_frame
from sharedstate_anyio.websocket.partial_messages import PartialMessages
from sharedstate_anyio.websocket.writer import KEPT_AT_ONCE, Writer

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from sharedstate_anyio.hub.peer import Peer
    from sharedstate_core.driver import Driver

PEERS = 3
SLOW_BYTES = 200_000
"""More than a socket takes at once."""


class StubDriver:
    """There is no core behind it."""

    def is_open(self, _: Peer) -> bool:
        return True

    def blocked(self, *_: object) -> None: ...

    def drained(self, *_: object) -> None: ...


def shared(tasks: TaskGroup, broadcaster: broadcaster_module.Broadcaster) -> Shared:
    driver = cast("Driver[Peer]", StubDriver())
    return Shared(
        driver,
        broadcaster,
        Gate(),
        FairTurns(),
        PartialMessages(LiveConfig(Config())),
        RepeatedErrors(),
        tasks,
    )


peers = st.sets(st.integers(0, PEERS - 1), min_size=1)
sizes = st.sampled_from([1, 10, 10, 10, LARGE_BYTES, SLOW_BYTES])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), peers, sizes),
        st.tuples(st.just("large head"), peers, st.just(10)),
        st.tuples(st.just("turn"), st.just(set[int]()), st.integers(1, 4)),
        st.tuples(st.just("read"), peers, st.just(SLOW_BYTES)),
    ),
    max_size=30,
)
Step = tuple[Literal["send", "large head", "turn", "read"], set[int], int]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(steps=steps)
@example([("send", {0, 1, 2}, 10), ("send", {1}, 10), ("send", {0, 1, 2}, 10)])
@example([("send", {0, 1}, 10), ("large head", {1}, 10), ("turn", set(), 1)])
@example([("send", {0, 1}, SLOW_BYTES), ("turn", set(), 4), ("send", {0, 1}, 10)])
def test_each_peer_gets_its_frames_in_order(backend: str, steps: list[Step]) -> None:
    with patch.object(
        broadcaster_module, "FLUSHED_AT_ONCE", 1
    ):  # others have their turn after each socket
        anyio.run(live_through, steps, backend=backend)


async def live_through(steps: list[Step]) -> None:
    sent: list[bytes] = [b""] * PEERS
    read: list[bytes] = [b""] * PEERS
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(PEERS)]
        for sock in sum(pairs, ()):
            stack.enter_context(sock)
            sock.setblocking(False)
        async with anyio.create_task_group() as tasks:
            broadcaster = broadcaster_module.Broadcaster(LiveConfig(Config()))
            everything = shared(tasks, broadcaster)
            connections = [Connection(ours, everything) for ours, _ in pairs]
            tasks.start_soon(broadcaster.flush_forever)
            for number, (what, who, size) in enumerate(steps):
                message = b"%d." % number * size
                match what:
                    case "send":
                        to = reached(connections, who)
                        broadcaster.send([connections[peer] for peer in to], message)
                        add(sent, {peer: text_frame(message) for peer in to})
                    case "large head":
                        for peer in who:
                            connections[peer].send_pieces((b"head", message))
                        add(sent, dict.fromkeys(who, b"head" + message))
                    case "read":
                        add(read, {peer: received(pairs[peer][1], size) for peer in who})
                    case "turn":
                        await turns(size)
            with anyio.fail_after(30):
                for peer in range(PEERS):
                    while len(read[peer]) < len(sent[peer]):
                        read[peer] += received(pairs[peer][1], SLOW_BYTES)
                        await checkpoint()
            tasks.cancel_scope.cancel()
    assert read == sent


def reached(connections: list[Connection], peers: set[int]) -> set[int]:
    """Leave out those whom the core would not tell what goes to many: the blocked ones."""
    if len(peers) == 1:
        return peers
    return {peer for peer in peers if not connections[peer].is_blocked}


def received(sock: socket.socket, size: int) -> bytes:
    try:
        return sock.recv(size)
    except BlockingIOError:
        return b""


def add(texts: list[bytes], more: dict[int, bytes]) -> None:
    for peer, text in more.items():
        texts[peer] += text


async def turns(number: int) -> None:
    for _ in range(number):
        await checkpoint()


class Listed(Writer):
    """A connection whose socket takes everything, and lists what it was offered."""

    def __init__(self) -> None:
        self.sent_pieces: list[bytes] = []
        super().__init__(cast("Any", self), cast("Any", self))

    def send(self, data: bytes) -> int:
        self.sent_pieces.append(data)
        return len(data)

    def queue(self, connection: Writer) -> None: ...

    def blocked(self) -> None: ...

    def progressed(self) -> None: ...

    def drained(self) -> None: ...

    def abort(self) -> None: ...


def test_a_large_message_does_not_send_small_ones_one_by_one() -> None:
    small, large = b"x" * 100, b"y" * LARGE_BYTES
    connection = Listed()
    for piece in [*[small] * 1000, large, *[small] * 1000, Head(b"h"), large, small]:
        connection.send_frame(piece)
    connection.flush()
    assert connection.sent_pieces == [small * 1000, large, small * 1000, b"h", large, small]


async def test_a_long_message_to_many_goes_out_in_several_turns() -> None:
    connections = [Listed() for _ in range(40)]
    pieces = [b"x" * LARGE_BYTES] * (FLUSHED_BYTES // (4 * LARGE_BYTES))
    broadcaster = broadcaster_module.Broadcaster(LiveConfig(Config()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broadcaster.flush_forever)
        for connection in connections:
            connection.send_pieces(pieces)
            broadcaster.queue(connection)
        sizes = [0]
        while sizes[-1] < 40 * FLUSHED_BYTES // 4:
            await checkpoint()
            sizes.append(sum(len(piece) for each in connections for piece in each.sent_pieces))
        tasks.cancel_scope.cancel()
    # On trio, the flushing task may run twice between two turns of this one.
    assert max(more - size for size, more in pairwise(sizes)) <= 2 * FLUSHED_BYTES


class Full(Listed):
    """A connection whose socket takes nothing."""

    blocks = 0

    def send(self, _: bytes) -> int:
        raise BlockingIOError

    def blocked(self) -> None:
        Full.blocks += 1


@pytest.mark.parametrize("to", ["all", "each"])
async def test_many_that_cannot_take_it_are_kept_in_several_turns(to: str) -> None:
    Full.blocks, blocks = 0, [0]
    connections = [Full() for _ in range(10 * KEPT_AT_ONCE)]
    broadcaster = broadcaster_module.Broadcaster(LiveConfig(Config()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broadcaster.flush_forever)
        if to == "all":
            broadcaster.send(connections, b"news")
        for connection in connections if to == "each" else ():
            connection.send_frame(b"news")
            broadcaster.queue(connection)
        while blocks[-1] < len(connections):
            await checkpoint()
            blocks.append(Full.blocks)
        tasks.cancel_scope.cancel()
    # On trio, the flushing task may run twice between two turns of this one.
    assert max(more - few for few, more in pairwise(blocks)) <= 2 * KEPT_AT_ONCE
