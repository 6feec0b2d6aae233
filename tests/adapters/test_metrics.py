"""What operators ask for: numbers that are right, and whether the server is ready."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.connection import Connection
from sharedstate_anyio.metered import BOUNDS, Durations
from sharedstate_backends import StorageError
from tests.support import faulty_service
from tests.support.peer import limit_buffers, open_client, open_clients, open_peer
from tests.support.servers import document, ending, running, sqlite, until

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Mapping

    from sharedstate_anyio import RunningServer
    from sharedstate_anyio.hub import Hub
    from tests.support.faulty_service import FaultyStore
    from tests.support.servers import Service

C = "/app/items/c"
SMALL = 256 * 1024
FAULTY: Service = {
    "name": "items",
    "module": faulty_service.MODULE,
    "config": {"name": "it"},
}


async def ask(
    port: int, target: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Ask by HTTP; return status, headers in lower case, body."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    async with open_peer(port) as peer:
        await peer.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        head, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in rest)
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}, body.decode()


async def numbers(port: int) -> Mapping[str, float]:
    """Return our samples as Prometheus reads them: `name`, or `name{values}` of its labels, sorted by label."""
    status, headers, body = await ask(port, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(body):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {
        name.removeprefix("sharedstate_"): value
        for name, value in samples.items()
        if name.startswith("sharedstate_")
    }


@asynccontextmanager
async def serving(metrics: str) -> AsyncIterator[RunningServer]:
    async with serve(parse_config({**document(), "metrics": metrics})) as server:
        yield server


# Numbers


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

    def __init__(self, sock: socket.socket, hub: Hub) -> None:
        super().__init__(sock, hub)
        limit_buffers(sock, SMALL)


async def test_slow_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.reception.Connection", Narrow)
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as slow,
        open_clients(server.port, 1) as (writer,),
    ):
        await slow.subscribe(C)
        await slow.notification()
        version = 0
        for number in range(50):
            insert = [{"id": "a", "n": number, "text": "x" * 65536}]
            version = (await writer.ask("PUT", C, {"insert": insert}))["version"]
        found = await numbers(server.port)
        assert found["blocked_readers"] == 1
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
    async with running(FAULTY) as server, open_client(server.port) as client:
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
    monkeypatch.setattr("sharedstate_anyio.inspection.DELAY_SECONDS", 0.001)
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


# Who may ask


@pytest.mark.parametrize(
    ("metrics", "headers", "status", "part"),
    [
        ("local", {}, 200, "sharedstate_connections 0.0\n"),
        ("local", {"X_Forwarded_For": "10.0.0.1"}, 403, '"anyone"'),
        ("local", {"FORWARDED": "for=10.0.0.1"}, 403, "this machine only"),
        ("local", {"via": "1.1 proxy"}, 403, "this machine only"),
        ("anyone", {"X_Forwarded_For": "10.0.0.1"}, 200, "process_open_fds"),
        ("off", {}, 404, 'The key "metrics"'),
    ],
)
async def test_who_may_ask(metrics: str, headers: dict[str, str], status: int, part: str) -> None:
    async with serving(metrics) as server:
        found, _, body = await ask(server.port, "/metrics?x=1", **headers)
        assert (found, part in body) == (status, True)
        assert (await ask(server.port, "/", **headers))[0] == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.7", 403),
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("2001:db8::1", 403),
    ],
)
async def test_where_it_comes_from(
    address: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharedstate_anyio.reception.group", real_group(address))
    async with running() as server:
        assert (await ask(server.port, "/metrics"))[0] == status
        assert (await ask(server.port, "/readyz"))[0] == 200


def real_group(address: str) -> Any:
    from sharedstate_anyio.admission import group

    return lambda _: group(address)


@pytest.mark.parametrize("target", ["/metrics", "/readyz"])
async def test_the_methods(target: str) -> None:
    async with running() as server:
        status, headers, body = await ask(server.port, target, "HEAD")
        assert (status, body) == (200, "")
        assert int(headers["content-length"]) > 0
        status, headers, _ = await ask(server.port, target, "POST", Content_Length="0")
        assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sharedstate_anyio.metrics", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    async with running() as server:
        status, _, body = await ask(server.port, "/metrics")
        assert (status, body) == (
            404,
            "The metrics need a package: pip install 'sharedstate[metrics]'\n",
        )
        assert (await ask(server.port, "/readyz"))[0] == 200


class Hidden:
    """Makes it as if prometheus-client were not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name.split(".", maxsplit=1)[0] == "prometheus_client":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# Readiness


@pytest.fixture
def unmoved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.inspection.FRESH_SECONDS", 0.0)


@pytest.mark.usefixtures("unmoved")
async def test_ready_while_every_storage_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.inspection.PROBE_SECONDS", 0.05)
    async with running(FAULTY, sqlite("other")) as server:
        store = faulty_service.stores["it"]
        assert (await ask(server.port, "/readyz"))[::2] == (200, "ready\n")
        away = (503, 'not ready: no answer from the storage of "items"\n')
        for heads in (fails, hangs):
            monkeypatch.setattr(store, "heads", heads)
            assert (await ask(server.port, "/readyz"))[::2] == away
            assert (await ask(server.port, "/healthz"))[::2] == (200, "ok\n")
            monkeypatch.undo()
            monkeypatch.setattr("sharedstate_anyio.inspection.PROBE_SECONDS", 0.05)
            monkeypatch.setattr("sharedstate_anyio.inspection.FRESH_SECONDS", 0.0)
            assert (await ask(server.port, "/readyz"))[::2] == (200, "ready\n")


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

    monkeypatch.setattr("sharedstate_anyio.inspection.FRESH_SECONDS", 1000.0)
    async with running(FAULTY) as server:
        monkeypatch.setattr(faulty_service.stores["it"], "heads", heads)
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(ask, server.port, "/readyz")
        assert asked == 1


async def test_not_ready_while_stopping() -> None:
    async with ending(FAULTY) as (server, end), open_client(server.port) as client:
        store: FaultyStore = faulty_service.stores["it"]
        gate = store.gates["c"] = anyio.Event()
        tunnel = await client.send("PUT", C, {"insert": [{"id": "a"}]})
        await until(lambda: store.committing["c"] == 1)
        async with open_peer(server.port) as peer:
            await peer.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n")
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
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
