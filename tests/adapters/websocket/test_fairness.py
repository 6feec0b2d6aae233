"""One peer that says much at once does not keep the others waiting."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio.connections import turn as turn_module
from sharedstate_anyio.connections.turn import HANDLED_AT_ONCE, TURN_SECONDS
from sharedstate_anyio.hub.executor import Executor
from sharedstate_anyio.websocket.fair_turns import LARGE_CHARACTERS, FairTurns
from sharedstate_backends.timed_host import TURNS_BETWEEN
from sharedstate_core.driver import Driver
from tests.support import frames
from tests.support.peer import open_client, open_clients, open_peer, request
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sharedstate_anyio.connections.connection import Connection
    from sharedstate_core import Load


def listen(
    monkeypatch: pytest.MonkeyPatch, note: Callable[[Any, Iterator[str]], Iterator[str]]
) -> None:
    """Let a function pass on what each peer says."""
    whole = Driver.receive

    def receive(driver: Driver[Any], peer: Any, texts: Iterator[str], now: float) -> None:
        whole(driver, peer, note(peer, texts), now)

    monkeypatch.setattr(Driver, "receive", receive)


@pytest.mark.parametrize("slow", [False, True])
async def test_others_get_turns_amid_a_flood(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    """A turn has few messages, and fewer still if each of them takes long."""
    turn, now = 0, 0.0
    received: Counter[int] = Counter()

    def count(texts: Iterator[str]) -> Iterator[str]:
        nonlocal now
        for text in texts:
            received[turn] += 1
            now += 0.6 * TURN_SECONDS if slow else 0.0
            yield text

    listen(monkeypatch, lambda _, texts: count(texts))
    monkeypatch.setattr(turn_module, "monotonic", lambda: now)

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await anyio.lowlevel.checkpoint()

    flood = frames.encode_text(request("GET", "/", tunnel=1)) * 500
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_turns)
            await peer.send(flood)
            await until(lambda: received.total() == 500)
            tasks.cancel_scope.cancel()
    limit = 2 if slow else HANDLED_AT_ONCE
    assert max(received.values()) <= 4 * limit, "a turn may end and the next begin with it"


async def test_messages_that_take_long_come_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several peers that send them without pause, none has one in the turns that others need."""
    peers, count = 3, 6
    turn, now = 0, 0.0
    begun: list[int] = []
    tunnels: defaultdict[Connection, list[int]] = defaultdict(list)

    def note(connection: Connection, texts: Iterator[str]) -> Iterator[str]:
        nonlocal now
        for text in texts:
            tunnels[connection].append(json.loads(text)["tunnel"][0])
            if len(text) >= LARGE_CHARACTERS:
                begun.append(turn)
                now += 10 * TURN_SECONDS
            yield text

    listen(monkeypatch, note)
    monkeypatch.setattr(turn_module, "monotonic", lambda: now)

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await anyio.lowlevel.checkpoint()

    def ask(number: int) -> bytes:
        padding = "x" * (LARGE_CHARACTERS if number % 2 else 1)
        return frames.encode_text(request("GET", "/", tunnel=[number, padding]))

    flood = b"".join(map(ask, range(2 * count)))
    async with (
        running() as server,
        open_clients(server.port, peers) as clients,
        open_client(server.port) as canary,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(take_turns)
        for client in clients:
            await client.peer.send(flood)
        while len(begun) < peers * count:
            await canary.ask("GET", "/", tunnel=[0])
        tasks.cancel_scope.cancel()
    pauses = [after - before for before, after in pairwise(begun)]
    assert min(pauses) >= TURNS_BETWEEN - 1
    assert sorted(len(each) for each in tunnels.values())[:peers] == [2 * count] * peers
    for order in tunnels.values():
        assert order == sorted(order), "of one peer all come in their order"


async def test_a_peer_that_leaves_the_line_keeps_nobody_in_it() -> None:
    fair_turns = FairTurns()
    first, second = object(), object()
    fair_turns.end_turn(second)
    async with anyio.create_task_group() as tasks:
        waiting = anyio.CancelScope()

        async def wait() -> None:
            with waiting:
                await fair_turns.wait(first)

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not fair_turns.allows(second)
        waiting.cancel()
        tasks.start_soon(fair_turns.run)
        with anyio.fail_after(10):
            await fair_turns.wait(second)
        assert fair_turns.allows(second)
        tasks.cancel_scope.cancel()


async def test_who_is_called_has_a_turn_however_many_others_tire_meanwhile() -> None:
    """Such as those who have just connected, and ask at once for what takes long."""
    fair_turns = FairTurns()
    peer = object()

    async def tire_in_every_turn() -> None:
        while True:
            fair_turns.end_turn(object())
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fair_turns.run)
        tasks.start_soon(tire_in_every_turn)
        for _ in range(20):
            with anyio.fail_after(10):
                await fair_turns.wait(peer)
            assert fair_turns.allows(peer)
            fair_turns.end_turn(peer)
            assert not fair_turns.allows(peer)
        tasks.cancel_scope.cancel()


async def test_claims_to_have_seen_more_keep_no_update_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever claims so all the time is looked after by slow loads, one upon the other if need be."""
    path, loads = "/app/items/c", 0
    load = Executor._load

    async def slowly(executor: Executor, wanted: Load) -> None:
        nonlocal loads
        loads += 1
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        await load(executor, wanted)

    monkeypatch.setattr(Executor, "_load", slowly)
    async with (
        running() as server,
        open_client(server.port) as writer,
        open_client(server.port) as claimant,
        anyio.create_task_group() as tasks,
    ):
        epoch = (await writer.ask("PUT", path, {"insert": [{"id": "p"}]}))["epoch"]
        await writer.subscribe(path)
        claims = 0

        async def claim() -> None:
            nonlocal claims
            while True:
                claims += 1
                sub = {"since": {"epoch": epoch, "version": 1000 + claims}}
                await claimant.ask("PUT", "/subs", {"insert": [[path, sub]], "reset": True})

        tasks.start_soon(claim)
        await until(lambda: loads > 1)
        for number in range(20):
            await writer.put(path, {"insert": [{"id": "p", "n": number}]})
        tasks.cancel_scope.cancel()
    assert loads < claims
