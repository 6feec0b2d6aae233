"""Whether the server is ready: while every storage answers, and not while it stops."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import anyio

from tests.support.asking import ask
from tests.support.faults import faulty_service
from tests.support.peer import open_client, open_peer
from tests.support.services.servers import ending, running, sqlite, until

if TYPE_CHECKING:
    import pytest

    from tests.support.faults.faulty_service import FaultyStore

C = "/app/items/c"
UNPOLLED: Final = {**faulty_service.SERVICE, "poll_seconds": 0}
"""So that nothing but readiness asks for heads."""


def ask_each_time(monkeypatch: pytest.MonkeyPatch, *, fresh: float = 0.0) -> None:
    """Let no commit and no older answer stand for an answer."""
    monkeypatch.setattr("sharedstate_anyio.storage.proof.HOLDS_SECONDS", 0.0)
    monkeypatch.setattr("sharedstate_anyio.ops.readiness.FRESH_SECONDS", fresh)


async def test_ready_while_every_storage_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask_each_time(monkeypatch)
    async with running(faulty_service.SERVICE, sqlite("other")) as server:
        store = faulty_service.stores["it"]
        assert (await ask(server.port, "/readyz"))[::2] == (200, "ready\n")
        away = (503, 'not ready: no updates can be stored in "items"\n')
        for heads in (fails, hangs):
            with monkeypatch.context() as patch:
                patch.setattr(store, "heads", heads)
                if heads is hangs:  # long enough for the other one to answer
                    patch.setattr("sharedstate_anyio.ops.readiness.PROBE_SECONDS", 0.5)
                assert (await ask(server.port, "/readyz"))[::2] == away
            assert (await ask(server.port, "/healthz"))[::2] == (200, "ok\n")
            assert (await ask(server.port, "/readyz"))[::2] == (200, "ready\n")
    caplog.clear()


async def test_storage_that_cannot_be_interrupted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one on an island. It is not asked again before its answer, and its answer is enough."""
    asked = 0
    end = anyio.Event()

    async def heads(_: object) -> dict[str, object]:
        nonlocal asked
        asked += 1
        with anyio.CancelScope(shield=True):
            await end.wait()
        return {}

    ask_each_time(monkeypatch)
    async with running(UNPOLLED) as server:
        try:
            with monkeypatch.context() as patch:
                patch.setattr(faulty_service.stores["it"], "heads", heads)
                patch.setattr("sharedstate_anyio.ops.readiness.PROBE_SECONDS", 0.1)
                with anyio.fail_after(20):
                    for _ in range(2):
                        assert (await ask(server.port, "/readyz"))[0] == 503
                assert asked == 1
        finally:
            end.set()
        assert (await ask(server.port, "/readyz"))[0] == 200
        assert asked == 1
    caplog.clear()


async def fails(_: object) -> None:
    raise OSError("secret")


async def hangs(_: object) -> None:
    await anyio.sleep_forever()


async def test_many_questions_are_one_to_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def heads(_: object) -> dict[str, object]:
        nonlocal asked
        asked += 1
        await anyio.sleep(0.01)
        return {}

    ask_each_time(monkeypatch, fresh=1000.0)
    async with running(UNPOLLED) as server:
        monkeypatch.setattr(faulty_service.stores["it"], "heads", heads)
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(ask, server.port, "/readyz")
        assert asked == 1


async def test_not_ready_while_stopping() -> None:
    async with ending(faulty_service.SERVICE) as (server, end), open_client(server.port) as client:
        store: FaultyStore = faulty_service.stores["it"]
        gate = store.gates["c"] = anyio.Event()
        tunnel = await client.send("PUT", C, {"insert": [{"id": "a"}]})
        await until(lambda: store.committing["c"] == 1)
        async with open_peer(server.port) as peer:
            await peer.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n")
            await client.get("/")
            end()
            await until(lambda: not listens(server.port))
            await peer.send(b"\r\n")
            answer = await peer.receive_all()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"\r\n\r\nnot ready: the server is stopping\n")
        gate.set()
        assert (await client.reply(tunnel))["ok"]
        client.peer.shut()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
