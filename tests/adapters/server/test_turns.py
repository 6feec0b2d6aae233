"""What one turn of the loop does for a whole server is counted, and bounded."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from tests.support import frames
from tests.support.frames import encode_text
from tests.support.peer import Peer, open_client, open_clients, open_peer, request, upgrade_request
from tests.support.services.servers import running
from tests.support.work import LONG_TURN
from tests.support.work.turns import counting_turns

if TYPE_CHECKING:
    from sharedstate_anyio import RunningServer
    from tests.support.work import Work

C = "/app/items/c"
N = 2_000
MANY = 15 * N

HERD = 400
"""Clients that do something in the same turn, which together is more than a turn may take."""


async def test_the_work_of_a_turn_is_counted() -> None:
    with counting_turns() as turns:
        async with running() as server, open_client(server.port) as client:
            del turns[:]  # of the start
            await client.put(C, {"insert": [{"id": "a"}]})
            quiet = max(turns)
            items = [{"id": f"item{n}"} for n in range(N)]
            assert await client.put(C, {"insert": items}) == N
    assert quiet < N < max(turns) < LONG_TURN, max(turns)


async def test_what_the_test_does_itself_does_not_count() -> None:
    with counting_turns() as turns:
        async with running() as server, open_clients(server.port, 2) as (one, other):
            await one.subscribe(C)
            await one.notification()
            del turns[:]
            await other.put(C, {"insert": [{"id": "a", "text": "x" * 1000}]})
            told = sum(turns)
            sorted(range(10 * LONG_TURN))
            await one.notification()
            assert sum(turns) < told + N
    assert max(turns) < N


async def test_no_turn_is_long_however_much_there_is() -> None:
    with counting_turns() as turns:
        async with running() as server, open_clients(server.port, 2) as (writer, reader):
            del turns[:]  # before it listens nobody waits
            for start in range(0, MANY, N):
                items = [{"id": f"item{n}"} for n in range(start, start + N)]
                await writer.put(C, {"insert": items})
            await reader.subscribe(C)
            assert len((await reader.notification())["data"]["insert"]) == MANY
            await writer.put(C, {"insert": [{"id": "item7", "x": 1}]})
            await reader.notification()
            assert len((await writer.ask("GET", C))["data"]) == MANY
    assert max(turns) < LONG_TURN, max(turns)


async def test_a_herd_is_taken_by_turns() -> None:
    """What many do at once is short for each of them: they arrive, ask, subscribe, write, and leave."""
    counted: dict[str, Work] = {}
    lists = [f"{C}{n}" for n in range(5)]
    wanted = {"insert": [[path, {}] for path in lists]}
    with counting_turns() as turns:
        async with running() as server, AsyncExitStack() as stack:

            async def together(what: str, data: bytes, answers: int = 1) -> None:
                """Let all of them send something before the server has a turn, and wait for the answers."""
                del turns[:]
                for peer in herd:
                    await peer.send(data)
                for peer in herd:
                    for _ in range(answers):
                        while (frame := await peer.frame()).opcode == frames.PING:
                            pass  # a busy machine takes its time
                        assert frame.opcode == frames.TEXT
                counted[what] = max(turns)

            herd = [await stack.enter_async_context(open_peer(server.port)) for _ in range(HERD)]
            await anyio.wait_all_tasks_blocked()
            del turns[:]
            for peer in herd:
                await peer.send(upgrade_request())
            for peer in herd:
                await peer.upgraded()
            counted["arrive"] = max(turns)
            await together("ask", encode_text(request("GET", "/clock")))
            await together("subscribe", encode_text(request("PUT", "/subs", wanted)), 6)
            update = {"insert": [{"id": "a"}]}
            await together("write", encode_text(request("PUT", f"{C}/none", update)))
            counted["leave"] = await _leave(server, herd, turns, len(lists) + 1)
    assert {what: work for what, work in counted.items() if work >= LONG_TURN} == {}


async def test_those_who_leave_many_subscriptions_leave_by_turns() -> None:
    paths = [f"{C}{n}" for n in range(1000)]
    text = request("PUT", "/subs", {"insert": [[path, {}] for path in paths]})
    with counting_turns() as turns:
        async with running() as server, AsyncExitStack() as stack:
            herd: list[Peer] = []
            for _ in range(6):
                peer = await stack.enter_async_context(open_peer(server.port))
                herd.append(peer)
                await peer.upgrade()
                await peer.send(encode_text(text))
                for _ in range(1 + len(paths)):
                    await peer.frame()
            longest = await _leave(server, herd, turns, len(paths))
    assert longest < LONG_TURN, longest


async def _leave(
    server: RunningServer, herd: list[Peer], turns: list[Work], collections: int
) -> Work:
    """Let all of them leave before the server has a turn; return the longest turn until only collections are left."""
    del turns[:]
    for peer in herd:
        peer.close()
    while server.size > collections:
        await anyio.sleep(0.01)
    return max(turns)
