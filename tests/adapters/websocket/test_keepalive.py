"""Pings: sent to all, answered by the living; who is silent is dropped."""

from __future__ import annotations

import socket
from collections import Counter
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.connections.connection import Connection
from sharedstate_anyio.websocket.broadcaster import Broadcaster
from sharedstate_anyio.websocket.frames import PING
from sharedstate_anyio.websocket.keepalive import KeepAlive
from sharedstate_anyio.websocket.wheel import AT_ONCE
from tests.support import frames
from tests.support.peer import Client, open_client, open_peer
from tests.support.services.servers import running

FAST = TransportLimits(ping_seconds=0.05, pong_seconds=0.05)


async def answered_ping(client: Client) -> None:
    """Wait for a ping, and answer it."""
    frame = await client.peer.frame()
    assert (frame.opcode, frame.payload) == (frames.PING, b"")
    await client.peer.send(frames.encode(frames.PONG))


async def test_who_answers_stays() -> None:
    async with running(transport=FAST) as server, open_client(server.port) as client:
        for _ in range(10):
            await answered_ping(client)
        await client.peer.send(frames.encode(frames.PING, b"and you?"))
        while (frame := await client.peer.frame()).opcode == frames.PING:
            await client.peer.send(frames.encode(frames.PONG))
        assert (frame.opcode, frame.payload) == (frames.PONG, b"and you?")


async def test_anything_heard_is_a_sign_of_life() -> None:
    """A peer that is busy sending may answer late: half a message counts."""
    async with running(transport=FAST) as server, open_client(server.port) as client:
        await client.peer.send(frames.encode(frames.TEXT, b" ", fin=False))
        for _ in range(10):
            assert (await client.peer.frame()).opcode == frames.PING
            await client.peer.send(frames.encode(frames.CONTINUATION, b" ", fin=False))


async def test_who_is_silent_is_told_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.connections.connection.CLOSE_SECONDS", 0.05)
    async with running(transport=FAST) as server, open_peer(server.port) as peer:
        await peer.upgrade()
        assert (await peer.frame()).opcode == frames.PING
        frame = await peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1008)
        assert frame.payload[2:] == b"no answer to a ping"
        assert await peer.receive_all() == b""  # it is cut off without an answer to the close frame


async def test_no_pings_by_choice() -> None:
    limits = TransportLimits(ping_seconds=0, pong_seconds=0.05)
    async with running(transport=limits) as server, open_client(server.port) as client:
        for _ in range(3):
            assert await client.get("/") == ["items"]
        assert not client.told


class Stub(Connection):
    """A connection on a pair of sockets, without a server."""


class Shared:
    broadcaster = Broadcaster(LiveConfig(Config()))


async def test_pings_may_be_more_frequent_than_answers_must_be() -> None:
    keep_alive = KeepAlive(TransportLimits(ping_seconds=1, pong_seconds=3))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Stub(ours, Shared())  # type: ignore[arg-type]
        keep_alive.watch(connection)
        pings: list[float] = []
        for tick in range(1, 60):
            for due in keep_alive._wheel.advance():
                keep_alive._visit(due)
            if connection.queued == [PING]:
                connection.queued = None
                pings.append(tick * keep_alive._wheel.tick)
            if len(pings) < 5:
                connection._heard = True  # it answers at once; then no more
    assert len(keep_alive._wheel) == 0, "given up after a while of silence"
    pauses = [then - before for before, then in pairwise(pings)]
    assert all(1 <= pause <= 1 + 2 * keep_alive._wheel.tick for pause in pauses)
    assert len(pings) == 7, "the fifth ping is not answered: the next two are in vain, too"


@pytest.mark.parametrize("obstacle", ["paused", "blocked", "in line", "none"])
async def test_who_cannot_answer_is_not_judged(obstacle: str) -> None:
    """Reading is paused, others have their turn, or the socket is full: none of it is the peer's silence."""

    keep_alive = KeepAlive(TransportLimits(ping_seconds=0.01, pong_seconds=0.01))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Stub(ours, Shared())  # type: ignore[arg-type]

        def turn() -> None:
            """Go on to the next visit."""
            for _ in range(10):
                for due in keep_alive._wheel.advance():
                    keep_alive._visit(due)
                    return

        keep_alive.watch(connection)
        turn()
        assert connection.queued == [b"\x89\x00"]
        if obstacle == "paused":
            connection.pause_reading()
        elif obstacle == "in line":
            connection._in_line = True
        elif obstacle == "blocked":
            connection._rest = memoryview(b"rest")
        turn()
        judged = obstacle == "none"
        assert (len(keep_alive._wheel) == 0) is judged
        if not judged:
            connection.queued = None
            for _ in range(2):
                turn()
            assert connection.queued is None, "no ping goes where it cannot be answered"
        keep_alive.forget(connection)
        assert len(keep_alive._wheel) == 0
        assert not keep_alive._awaited


class Idle:
    """A peer that is pinged, and forgets the time."""

    is_silent = False

    def __init__(self, pinged: Counter[int], turn: list[int]) -> None:
        self._pinged = pinged
        self._turn = turn

    def ping(self) -> bool:
        self._pinged[self._turn[0]] += 1
        return False

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"it is not silent: {code} {reason}")


async def test_those_who_came_together_are_pinged_by_turns_and_not_once_they_have_left() -> None:
    keep_alive = KeepAlive(TransportLimits(ping_seconds=0.01, pong_seconds=0.01))
    pinged, turn = Counter[int](), [0]
    peers = [Idle(pinged, turn) for _ in range(10 * AT_ONCE)]
    for peer in peers:
        keep_alive.watch(peer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_alive.run)
        while not pinged:
            turn[0] += 1
            await anyio.lowlevel.checkpoint()
        for peer in peers:
            keep_alive.forget(peer)
        await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    # On trio, it may run twice between two turns of this task.
    assert AT_ONCE <= pinged.total() <= 2 * AT_ONCE
    assert len(keep_alive._wheel) == 0
