"""What one turn of the loop does for a whole server is counted, and bounded."""

from __future__ import annotations

from tests.support.peer import open_client, open_clients
from tests.support.services.servers import running
from tests.support.work import LONG_TURN
from tests.support.work.turns import counting_turns

C = "/app/items/c"
N = 2_000
MANY = 15 * N


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
            for start in range(0, MANY, N):
                items = [{"id": f"item{n}"} for n in range(start, start + N)]
                await writer.put(C, {"insert": items})
            await reader.subscribe(C)
            assert len((await reader.notification())["data"]["insert"]) == MANY
            await writer.put(C, {"insert": [{"id": "item7", "x": 1}]})
            await reader.notification()
            assert len((await writer.ask("GET", C))["data"]) == MANY
    assert max(turns) < LONG_TURN, max(turns)
