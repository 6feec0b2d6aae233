"""The server's clock as a client sees it."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

import anyio
import pytest
from wsproto.events import TextMessage

from sharedstate_anyio.client import ClosedError, connect
from sharedstate_anyio.client import clock as clock_module
from sharedstate_anyio.client.clock import BURST, Clock
from sharedstate_anyio.client.loop_affinity import LoopAffinity
from sharedstate_core import SharedStateError
from tests.support.services.servers import running, until

from .support import websockets

if TYPE_CHECKING:
    from wsproto import WSConnection

SLACK = 60.0
"""This machine may do something else between two looks at its clock."""


class Server:
    """A clock that is `ahead`, asked over wires that need no time, unless `reading` the clock does something."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self.asked = 0
        self.failing = False
        self.seconds = 0.0

    async def ask(self) -> float:
        self.asked += 1
        await anyio.sleep(self.seconds)
        if self.failing:
            raise SharedStateError("not now")
        return time.time() + self.ahead


async def test_with_a_real_server() -> None:
    async with running() as server, connect(server.url) as client:
        with anyio.fail_after(20):
            await client.clock.synced()
        assert 0 < client.clock.error < 10
        before, now, after = time.time(), client.clock.now(), time.time()
        assert before - client.clock.error <= now <= after + client.clock.error
        assert abs(client.clock.skew) < SLACK
        first = client.clock.now()
        assert client.clock.now() >= first


async def test_a_clock_that_is_ahead() -> None:
    server = Server(3600.0)
    clock = Clock(server.ask, LoopAffinity())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        assert (clock.error, server.asked) == (math.inf, 0)
        assert abs(clock.skew) < SLACK, "this machine's own time before the first sample"
        await clock.synced()
        assert abs(clock.skew - 3600) < SLACK
        assert abs(clock.now() - time.time() - 3600) < SLACK
        tasks.cancel_scope.cancel()


async def test_sampled_only_while_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(clock_module, "USED_SECONDS", 0.05)
    server = Server(0.0)
    clock = Clock(server.ask, LoopAffinity())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        await anyio.sleep(0.02)
        assert server.asked == 0
        await until(lambda: bool(clock.now()) and server.asked > BURST)
        before = -1
        while server.asked != before:  # until it rests
            before = server.asked
            await anyio.sleep(0.1)
        clock.now()
        await until(lambda: server.asked > before)
        tasks.cancel_scope.cancel()


async def test_who_waits_is_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(clock_module, "USED_SECONDS", 0.0)
    server = Server(0.0)
    server.failing = True
    clock = Clock(server.ask, LoopAffinity())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        tasks.start_soon(clock.synced)
        await until(lambda: server.asked > 2 * BURST)
        server.failing = False
        with anyio.fail_after(20):
            await clock.synced()
        await until(lambda: not clock._waiting)
        tasks.cancel_scope.cancel()


async def test_a_clock_that_is_set_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "INTERVAL_SECONDS", 0.001)
    server = Server(10.0)
    clock = Clock(server.ask, LoopAffinity())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        await clock.synced()
        server.failing = True
        await anyio.sleep(0.01)
        assert abs(clock.skew - 10) < SLACK / 10, "failures change nothing"
        server.failing = False
        server.ahead = -500.0
        await until(lambda: abs(clock.skew + 500) < SLACK)
        tasks.cancel_scope.cancel()


async def test_one_sample_is_enough_to_see_that_it_was_set() -> None:
    server = Server(10.0)
    clock = Clock(server.ask, LoopAffinity())
    await clock._sample()
    server.ahead, server.seconds = -500.0, 0.05
    await clock._sample()
    assert abs(clock.skew + 500) < SLACK, "though the older one looks better"


async def test_waiting_ends_with_the_client() -> None:
    clock = Clock(Server(0.0).ask, LoopAffinity())
    clock.end()
    with pytest.raises(ClosedError):
        await clock.synced()


@pytest.mark.parametrize("told", ["null", '"abc"', "{}", "true", "1e999"])
async def test_an_answer_that_is_no_time_does_not_count(told: str) -> None:
    answers = [told]

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        while True:
            websocket.receive_data(await stream.receive())
            for event in websocket.events():
                if not isinstance(event, TextMessage):
                    continue
                tunnel = json.dumps(json.loads(event.data)["tunnel"])
                data = answers.pop() if answers else str(time.time() + 3600)
                reply = '{"type":"REPLY","cmd":"GET","tunnel":%s,"ok":true,"data":%s}'
                await stream.send(websocket.send(TextMessage(reply % (tunnel, data))))

    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        with anyio.fail_after(20):
            await client.clock.synced()
        assert abs(client.clock.skew - 3600) < SLACK
        assert not answers
