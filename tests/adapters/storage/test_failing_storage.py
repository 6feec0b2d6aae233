"""Storage that refuses, fails, loses its tongue or takes its time: what authors and subscribers are told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from tests.support.faults import faulty_service
from tests.support.peer import (
    ClosedError,
    open_client,
    open_clients,
    open_peer,
    upgrade_request,
)
from tests.support.services.servers import ending, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer
    from tests.support.faults.faulty_service import FaultyStore

C = "/app/items/c"


@asynccontextmanager
async def faulty() -> AsyncIterator[tuple[RunningServer, FaultyStore]]:
    async with running(faulty_service.SERVICE) as server:
        yield server, faulty_service.stores["it"]


def logged(caplog: pytest.LogCaptureFixture, *parts: str) -> None:
    """Check that exactly these errors were logged, and clear the log."""
    messages = [record.getMessage() for record in caplog.records if record.levelname != "INFO"]
    assert len(messages) == len(parts), messages
    for message, part in zip(messages, parts, strict=True):
        assert part in message
    caplog.clear()


async def test_a_refused_commit_was_not_applied(caplog: pytest.LogCaptureFixture) -> None:
    async with faulty() as (server, store), open_clients(server.port, 2) as (writer, reader):
        await writer.put(C, {"insert": [{"id": "a"}]})
        await reader.subscribe(C)
        await reader.notification()
        store.refuse = StorageError("the disk of /secret/place is full")
        reply = await writer.ask("PUT", C, {"insert": [{"id": "b"}]})
        assert not reply["ok"]
        assert reply["error"]["code"] == "unavailable"
        assert "outcome" not in reply["error"]
        assert "secret" not in reply["data"]
        assert await writer.get(C) == [{"id": "a"}]
        store.refuse = None
        await writer.put(C, {"insert": [{"id": "c"}]})
        message = await reader.notification()
        assert (message["base"], message["version"]) == (1, 2)
        assert message["data"]["insert"] == [{"id": "c"}]
    logged(caplog, f"commit to {C} failed: the disk of /secret/place is full")


@pytest.mark.parametrize("error", [OutcomeUnknownError("lost"), RuntimeError("a fault"), OSError()])
@pytest.mark.parametrize("stored", [True, False])
async def test_an_unknown_outcome_is_followed_by_what_is_stored(
    error: Exception, caplog: pytest.LogCaptureFixture, *, stored: bool
) -> None:
    async with faulty() as (server, store), open_clients(server.port, 2) as (writer, reader):
        for client in (writer, reader):
            await client.subscribe(C)
            await client.notification()
        await writer.put(C, {"insert": [{"id": "a"}]})
        for client in (writer, reader):
            await client.notification()
        if stored:
            store.lose = error
        else:
            store.refuse = error
        reply = await writer.ask("PUT", C, {"insert": [{"id": "b"}]})
        assert not reply["ok"]
        assert reply["error"]["code"] == "unavailable"
        assert reply["error"]["outcome"] == "unknown"
        store.lose = store.refuse = None
        if stored:
            for client in (writer, reader):
                message = await client.notification()
                assert (message["base"], message["version"]) == (1, 2)
                assert message["data"]["insert"] == [{"id": "b"}]
        expected = ["a", "b"] if stored else ["a"]
        assert await reader.get(C) == [{"id": id} for id in expected]
        await writer.put(C, {"insert": [{"id": "z"}]})
        for client in (writer, reader):
            message = await client.notification()
            assert message["version"] == len(expected) + 1
            assert message["data"] == {"remove": [], "insert": [{"id": "z"}], "reset": False}
            assert not client.told
    logged(caplog, "outcome unknown")


async def test_a_service_that_breaks_the_contract(caplog: pytest.LogCaptureFixture) -> None:
    async with faulty() as (server, store), open_client(server.port) as client:
        await client.subscribe(C)
        await client.notification()
        store.drop_outcomes = True
        reply = await client.ask("PUT", C, {"insert": [{"id": "a"}]})
        assert reply["error"]["outcome"] == "unknown"
        assert (await client.notification())["data"]["insert"] == [{"id": "a"}]
    caplog.clear()


async def test_a_failing_load_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is served as empty meanwhile; the subscriber is told everything once it can be read."""
    async with faulty() as (server, store), open_clients(server.port, 2) as (writer, reader):
        await writer.put(C, {"insert": [{"id": "a"}]})
        store.unreadable = True
        reply = await writer.ask("GET", C)
        assert (reply["ok"], reply["error"]["code"]) == (False, "unavailable")
        reply = await writer.ask("GET", "/app/items")
        assert (reply["ok"], reply["error"]["code"]) == (False, "unavailable")
        await reader.subscribe(C)
        before = store.loads
        await until(lambda: store.loads >= before + 2)
        await reader.get("/")
        assert not reader.told
        store.unreadable = False
        message = await reader.notification()
        assert message["data"] == {"remove": [], "insert": [{"id": "a"}], "reset": True}
        assert await writer.get(C) == [{"id": "a"}]
        assert await writer.get("/app/items") == ["c"]
        await writer.put(C, {"insert": [{"id": "b"}]})
        assert (await reader.notification())["data"]["insert"] == [{"id": "b"}]
    assert all("on holiday" in record.getMessage() for record in caplog.records)
    caplog.clear()


async def test_a_slow_commit_holds_up_its_own_collection_only() -> None:
    async with faulty() as (server, store), open_clients(server.port, 2) as (one, two):
        store.gates["slow"] = anyio.Event()
        slow = "/app/items/slow"
        first = await one.send("PUT", slow, {"insert": [{"id": "a"}]})
        await until(lambda: store.committing["slow"] == 1)
        second = await two.send("PUT", slow, {"insert": [{"id": "b"}]})
        for client in (one, two):
            await client.put(C, {"insert": [{"id": "a"}]})
            assert await client.get(C) == [{"id": "a"}]
            assert await client.get("/app/items") == ["c"]
            assert not client.told
        store.gates.pop("slow").set()
        assert (await one.reply(first))["version"] == 1
        assert (await two.reply(second))["version"] == 2
        assert await one.get(slow) == [{"id": "a"}, {"id": "b"}]


async def test_updates_that_wait_are_committed_together() -> None:
    async with faulty() as (server, store), open_client(server.port) as client:
        gate = store.gates["c"] = anyio.Event()
        first = await client.send("PUT", C, {"insert": [{"id": "first"}]})
        await until(lambda: store.committing["c"] == 1)
        tunnels = [await client.send("PUT", C, {"insert": [{"id": str(n)}]}) for n in range(50)]
        assert await client.get("/") == ["items"]  # so all of them have arrived
        gate.set()
        assert (await client.reply(first))["version"] == 1
        assert [(await client.reply(t))["version"] for t in tunnels] == list(range(2, 52))
        assert store.committing["c"] == 2


@pytest.mark.parametrize("politely", [True, False])
async def test_who_leaves_does_not_cancel_the_update(*, politely: bool) -> None:
    async with faulty() as (server, store), open_client(server.port) as watcher:
        await watcher.subscribe(C)
        await watcher.notification()
        gate = store.gates["c"] = anyio.Event()
        async with open_client(server.port) as writer:
            await writer.send("PUT", C, {"insert": [{"id": "a"}]})
            await writer.send("PUT", C, {"insert": [{"id": "b"}]})
            await writer.get("/")
            if politely:
                writer.peer.shut()
                assert await writer.peer.receive() == b""
            else:
                writer.peer.reset()
        await watcher.get("/")
        gate.set()
        seen: list[object] = []
        while len(seen) < 2:
            seen += [item["id"] for item in (await watcher.notification())["data"]["insert"]]
        assert seen == ["a", "b"]


async def refuses_connections(server: RunningServer) -> bool:
    try:
        async with open_peer(server.port) as peer:
            await peer.send(b"?")
            return False
    except OSError:
        return True


async def test_the_end_waits_for_what_was_accepted() -> None:
    """The author has its answer and every subscriber the change before anybody is told to go."""
    async with (
        ending(faulty_service.SERVICE) as (server, end),
        open_clients(server.port, 2) as (writer, reader),
    ):
        store = faulty_service.stores["it"]
        await reader.subscribe(C)
        await reader.notification()
        gate = store.gates["c"] = anyio.Event()
        first = await writer.send("PUT", C, {"insert": [{"id": "a"}]})
        await until(lambda: store.committing["c"] == 1)
        second = await writer.send("PUT", C, {"insert": [{"id": "b"}]})
        await writer.get("/")
        end()
        with anyio.fail_after(20):
            while not await refuses_connections(server):
                await anyio.lowlevel.checkpoint()
        gate.set()
        assert (await writer.reply(first))["version"] == 1
        assert (await writer.reply(second))["version"] == 2
        told = [await reader.notification(), await reader.notification()]
        assert [message["data"]["insert"][0]["id"] for message in told] == ["a", "b"]
        for client in (writer, reader):
            with pytest.raises(ClosedError) as caught:
                await client.message()
            assert caught.value.code == 1001
            client.peer.shut()


async def test_the_end_comes_though_somebody_never_stops_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes after the end has begun is not accepted, so that it need not be finished."""
    monkeypatch.setattr("sharedstate_anyio.server.FINISH_SECONDS", 1000)
    async with ending(faulty_service.SERVICE) as (server, end), open_client(server.port) as client:
        acknowledged = 0
        with pytest.raises(ClosedError) as caught:  # noqa: PT012
            for number in range(5_000):
                await client.send("PUT", C, {"insert": [{"id": str(number)}]}, tunnel=number)
                if number == 100:
                    end()
                if number >= 20:
                    assert (await client.message())["ok"]
                    acknowledged += 1
        assert caught.value.code == 1001
        assert acknowledged > 50
        client.peer.shut()


async def test_whoever_arrives_at_the_end_is_sent_away() -> None:
    """A handshake under way when the end begins is no way to stay."""
    async with (
        ending(faulty_service.SERVICE) as (server, end),
        open_clients(server.port, 1) as (client,),
    ):
        store = faulty_service.stores["it"]
        gate = store.gates["c"] = anyio.Event()
        tunnel = await client.send("PUT", C, {"insert": [{"id": "a"}]})
        await until(lambda: store.committing["c"] == 1)
        async with open_peer(server.port) as peer:
            await peer.send(upgrade_request()[:-2])
            await client.get("/")
            end()
            with anyio.fail_after(20):
                while not await refuses_connections(server):
                    await anyio.lowlevel.checkpoint()
            await peer.send(b"\r\n")
            await peer.upgraded()
            assert (await peer.closed()).close_code == 1001
        gate.set()
        assert (await client.reply(tunnel))["ok"]
        client.peer.shut()
