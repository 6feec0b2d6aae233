"""What operators ask for: numbers that are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from sharedstate_anyio.connections.connection import Connection
from sharedstate_anyio.storage.instrumented import BOUNDS, Durations
from sharedstate_backends import StorageError
from tests.support.asking import numbers
from tests.support.faults import faulty_service
from tests.support.peer import limit_buffers, open_client, open_clients
from tests.support.services.servers import running, sqlite

if TYPE_CHECKING:
    import socket

    import pytest

    from sharedstate_anyio.hub.shared import Shared

C = "/app/items/c"
SMALL = 256 * 1024


async def test_what_is_counted() -> None:
    async with running(sqlite("items"), sqlite("other")) as server:
        before = await numbers(server.port)
        assert before["connections"] == before["updates_total"] == before["deliveries_total"] == 0
        async with open_clients(server.port, 4) as (writer, *readers):
            for reader in readers:
                await reader.subscribe(C, "/app/items/d")
                for _ in range(2):
                    await reader.notification()
            for number in range(10):
                await writer.put(C, {"insert": [{"id": str(number), "text": "x" * 2000}]})
                for reader in readers:
                    await reader.notification()
            await writer.ask("PUT", C, {"reset": True, "if": {"epoch": "none", "version": 1}})
            assert not (await writer.ask("PUT", C, {"insert": "what"}))["ok"]
            found = await numbers(server.port)
            assert found["connections"] == found["connections_opened_total"] == 4
            assert found["subscriptions"] == 6
            assert found["collections"] == found["loaded_collections"] == 2
            assert found["updates_total"] == 10
            assert found["rejected_updates_total"] == 1
            assert found["deliveries_total"] == 6 + 30
            assert 30 * 2000 < found["sent_bytes_total"] < 30 * 2000 * 1.3
            assert found["blocked_readers"] == found["conflated_versions_total"] == 0
            assert found["commit_seconds_count{items}"] == 11
            assert found["commit_seconds_bucket{+Inf,items}"] == 11
            assert found["commit_seconds_sum{items}"] > 0
            assert found["load_seconds_count{items}"] == 2
            assert found["commit_seconds_count{other}"] == found["load_seconds_count{other}"] == 0
            assert not any(v for name, v in found.items() if name.startswith("storage_errors"))
            for client in (writer, *readers):
                client.peer.shut()
            for client in (writer, *readers):
                while await client.peer.receive():
                    pass
        found = await numbers(server.port)
        assert found["connections"] == found["subscriptions"] == 0
        assert found["connections_opened_total"] == 4


async def test_resumes() -> None:
    async with running() as server:
        async with open_client(server.port) as client:
            reply = await client.ask("PUT", C, {"insert": [{"id": "a"}]})
            await client.put(C, {"insert": [{"id": "b"}]})
            for epoch in (reply["epoch"], reply["epoch"], "another"):
                since = {"epoch": epoch, "version": 1}
                await client.put("/subs", {"reset": True, "insert": []})
                await client.put("/subs", {"insert": [[C, {"since": since}]]})
                await client.notification()
            await client.put("/subs", {"reset": True, "insert": []})
            await client.subscribe(C)
            await client.notification()
            client.peer.shut()
        found = await numbers(server.port)
    assert found["resumes_total{met}"] == 2
    assert found["resumes_total{missed}"] == 1


class Narrow(Connection):
    """A connection of the server whose socket is soon full."""

    def __init__(self, sock: socket.socket, shared: Shared) -> None:
        super().__init__(sock, shared)
        limit_buffers(sock, SMALL)


async def test_slow_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.Connection", Narrow)
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as slow,
        open_clients(server.port, 1) as (writer,),
    ):
        await slow.subscribe(C)
        await slow.notification()
        version = blocked = 0
        while blocked < 20:  # the kernel may take some hundred kilobytes, and then a little more
            assert version < 1000, "the slow one is not slow enough for this test"
            insert = [{"id": "a", "n": version, "text": "x" * 65536}]
            version = (await writer.ask("PUT", C, {"insert": insert}))["version"]
            found = await numbers(server.port)
            blocked = blocked + 1 if found["blocked_readers"] == 1 else 0
        assert found["reader_blocks_total"] >= 1
        told: list[int] = []
        while not told or told[-1] < version:
            told.append((await slow.notification())["version"])
        found = await numbers(server.port)
        assert found["conflated_versions_total"] == version - len(told) > 0
        assert found["deliveries_total"] == 1 + len(told)
        await until_drained(server.port)


async def until_drained(port: int) -> None:
    with anyio.fail_after(20):
        while (await numbers(port))["blocked_readers"]:
            await anyio.sleep(0.01)


async def test_storage_errors(caplog: pytest.LogCaptureFixture) -> None:
    async with running(faulty_service.SERVICE) as server, open_client(server.port) as client:
        store = faulty_service.stores["it"]
        for error in (StorageError("full"), RuntimeError("what")):
            store.refuse = error
            await client.ask("PUT", C, {"insert": [{"id": "a"}]})
        store.unreadable = True
        await client.ask("GET", C)
        await client.ask("GET", "/app/items")
        found = await numbers(server.port)
        for operation, count in {"commit": 2, "load": 1, "collections": 1, "heads": 0}.items():
            assert found[f"storage_errors_total{{{operation},items}}"] == count
        assert found["commit_seconds_count{items}"] == 2
        assert found["load_seconds_count{items}"] == 1
    caplog.clear()


async def test_the_delay_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.ops.endpoints.DELAY_SECONDS", 0.001)
    async with running() as server:
        with anyio.fail_after(20):
            while not (await numbers(server.port))["event_loop_delay_seconds_count"]:
                await anyio.sleep(0.001)


def test_durations_fall_into_their_classes() -> None:
    durations = Durations()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1], BOUNDS[-1] + 1):
        durations.add(seconds)
    assert durations.counts[0] == 2
    assert durations.counts[1] == 1
    assert durations.counts[-2:] == [1, 1]
    assert sum(durations.counts) == 5
