"""Services that break their contract: each costs one operation, and one line in the log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from msgspec.structs import replace

from sharedstate_anyio.storage.contract_checks import BrokenContractError, call
from sharedstate_backends import StorageError
from sharedstate_core import CommitResult, Committed, Loaded, Row, Server
from tests.support.asking import numbers
from tests.support.faults import faulty_service
from tests.support.peer import open_client
from tests.support.services.servers import running, sqlite, until

if TYPE_CHECKING:
    from collections.abc import Callable

C = "/app/items/c"

ROW = Row("a", b'{"id":"a"}', 1, 0, 1)
BAD: list[tuple[str, object]] = [
    ("load", None),
    ("load", ()),
    ("load", Loaded("e", 1, 0, None)),  # type: ignore[arg-type]
    ("load", Loaded("e", "1", 0, [ROW])),  # type: ignore[arg-type]
    ("load", Loaded("e", 1, 0, [replace(ROW, text='{"id":"a"}')])),
    ("load", Loaded("e", 1, 0, [replace(ROW, id=b"a")])),
    ("load", Loaded("e", 1, 0, [("a", b"{}")])),  # type: ignore[list-item]
    ("load", Loaded(b"e", 1, 0, [])),  # type: ignore[arg-type]
    ("load", Loaded("e", 1, 0, [], "1")),  # type: ignore[arg-type]
    ("commit", None),
    ("commit", [Committed(1)]),
    ("commit", CommitResult("e", [])),
    ("commit", CommitResult("e", None)),  # type: ignore[arg-type]
    ("commit", CommitResult("e", [1])),  # type: ignore[list-item]
    ("commit", CommitResult("e", [Committed("1")])),  # type: ignore[arg-type]
    ("commit", CommitResult(None, [Committed(1)])),  # type: ignore[arg-type]
    ("collections", None),
    ("collections", "abc"),
    ("collections", [b"c"]),
]


async def give_up() -> None:
    """Cancel something of one's own, and wait for it."""
    task = asyncio.ensure_future(asyncio.sleep(9))
    task.cancel()
    await task


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("method", "result"), BAD)
async def test_wrong_results(method: str, result: object, caplog: pytest.LogCaptureFixture) -> None:
    async def wrong(*_: object) -> object:
        return result

    await breaks(method, wrong, caplog)
    (message,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert message.startswith(method.replace("collections", "list"))
    assert "pydoc sharedstate_backends.contract" in caplog.text or "NoneType" in caplog.text
    assert "replaced as a whole" not in caplog.text, "the epoch of a wrong result is none"
    caplog.clear()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_wrong_result_is_no_commit(caplog: pytest.LogCaptureFixture) -> None:
    async def wrong(*_: object) -> object:
        return CommitResult("e", [Committed(1), Committed(2)])

    async with running(faulty_service.SERVICE) as server, open_client(server.port) as client:
        store: Any = faulty_service.stores["it"]
        store.commit = wrong
        for stored in (False, True):
            assert (await client.ask("PUT", C, {"insert": [{"id": "a"}]}))["ok"] is stored
            latest = (await numbers(server.port))["last_commit_timestamp_seconds{items}"]
            assert (latest > 0) is stored
            if not stored:
                del store.commit
    caplog.clear()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("method", ["load", "commit", "collections"])
async def test_cancelling_its_own_call(method: str, caplog: pytest.LogCaptureFixture) -> None:
    async def cancelled(*_: object) -> object:
        await give_up()
        raise AssertionError

    await breaks(method, cancelled, caplog)
    assert "the service has cancelled its own call" in caplog.text
    caplog.clear()


async def breaks(method: str, broken: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """Break one method: what needs it fails, everything else goes on, and so does it when it is mended."""
    caplog.set_level(logging.INFO)
    async with running(faulty_service.SERVICE) as server, open_client(server.port) as client:
        store: Any = faulty_service.stores["it"]
        setattr(store, method, broken)
        failing = {
            "load": ("GET", C, None),
            "commit": ("PUT", C, {"insert": [{"id": "a"}]}),
            "collections": ("GET", "/app/items", None),
        }[method]
        reply = await client.ask(*failing)
        assert not reply["ok"]
        assert reply["error"]["code"] == "unavailable"
        assert ("outcome" in reply["error"]) is (method == "commit")
        await client.ask("GET", "/clock")
        delattr(store, method)
        assert (await client.ask("PUT", C, {"insert": [{"id": "b"}]}))["ok"]
        assert await client.get(C) == [{"id": "b"}]


@pytest.mark.parametrize("apps", ["abc", [3]])
async def test_apps_that_a_service_tells_wrongly(
    apps: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One service more is no help: a list of some would look like one of all."""

    async def tell() -> Any:
        return apps

    services = faulty_service.SERVICE, sqlite("others")
    async with running(*services) as server, open_client(server.port) as client:
        store: Any = faulty_service.stores["it"]
        store.apps = tell
        for _ in range(2):
            reply = await client.ask("GET", "/apps")
            assert reply["error"]["code"] == "unavailable"
        (line,) = (each for each in caplog.records if "list of apps failed" in each.getMessage())
        assert line.__dict__["fields"]["event"] == "list_failed"
        assert await client.get("/app") == []
    caplog.clear()


async def test_a_service_that_cannot_tell_apps(caplog: pytest.LogCaptureFixture) -> None:
    """That is no failure: whoever asks hears which one it is, and the log hears nothing."""
    services = faulty_service.SERVICE, sqlite("others")
    async with running(*services) as server, open_client(server.port) as client:
        reply = await client.ask("GET", "/apps")
        assert reply["error"] == {
            "code": "unavailable",
            "message": "service items cannot tell which apps it has",
        }
    assert "apps" not in caplog.text


async def test_listings_come_one_at_a_time() -> None:
    """However many ask; what is asked for while one is under way is answered by the next."""
    began, running_now, highest = 0, 0, 0
    gate = anyio.Event()

    async def collections(app: str) -> list[str]:
        nonlocal began, running_now, highest
        began, running_now = began + 1, running_now + 1
        highest = max(highest, running_now)
        await gate.wait()
        running_now -= 1
        return [f"{app} {began}"]

    async with running(faulty_service.SERVICE) as server, open_client(server.port) as client:
        store: Any = faulty_service.stores["it"]
        store.collections = collections
        for app in "ab" * 40:
            await client.send("GET", f"/{app}/items")
        await until(lambda: began == 1)
        gate.set()
        told = [(await client.message())["data"] for _ in range(80)]
        assert highest == 1
        assert began <= 4
        assert {name.split()[0] for (name,) in told} == {"a", "b"}


async def test_lists_are_not_read_for_those_who_have_left_and_others_need_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of those who ask for many, each has a turn; who comes last with one list waits for few."""
    read: list[str] = []
    gate, left = anyio.Event(), anyio.Event()
    closed = Server.connection_closed

    def leave(*arguments: Any) -> Any:
        left.set()
        return closed(*arguments)

    monkeypatch.setattr(Server, "connection_closed", leave)

    async def collections(app: str) -> list[str]:
        read.append(app)
        await gate.wait()
        return []

    async with running(faulty_service.SERVICE) as server:
        store: Any = faulty_service.stores["it"]
        store.collections = collections
        async with open_client(server.port) as stays, open_client(server.port) as late:
            async with open_client(server.port) as leaves:
                for number in range(40):
                    await leaves.send("GET", f"/leaves{number}/items")
                await leaves.send("GET", "/")
                assert (await leaves.message())["data"] == ["items"]
            await left.wait()
            for number in range(40):
                await stays.send("GET", f"/stays{number}/items")
            await stays.send("GET", "/")
            assert (await stays.message())["data"] == ["items"]
            await late.send("GET", "/late/items")
            await late.send("GET", "/")
            assert (await late.message())["data"] == ["items"]
            assert read == ["leaves0"]
            gate.set()
            assert (await late.message())["data"] == []
            for _ in range(40):
                await stays.message()
        assert read.index("late") <= 3
        assert len(read) == 1 + 40 + 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_looking_for_others_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    service = faulty_service.SERVICE | {"poll_seconds": 0.05}
    async with running(service) as server, open_client(server.port) as client:
        store: Any = faulty_service.stores["it"]

        async def cancelled(_: object) -> object:
            await give_up()
            raise AssertionError

        store.heads = cancelled
        await client.subscribe(C)
        await until(lambda: "cannot see what others commit" in caplog.text)
        del store.heads
        looked = anyio.Event()
        heads = store.heads

        async def look(paths: object) -> object:
            looked.set()
            return await heads(paths)

        store.heads = look
        await looked.wait()
        await client.put(C, {"insert": [{"id": "a"}]})
    caplog.clear()


@pytest.mark.parametrize("error", [RuntimeError("no\nway"), StorageError("no way")])
async def test_opening(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(faulty_service.FaultyStore, "open", refuse)
    with pytest.raises(StorageError, match=r"services\[0\]: .*no\sway"):
        async with running(faulty_service.SERVICE):
            pass


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_opening_that_cancels_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faulty_service.FaultyStore, "open", lambda _: give_up())
    with pytest.raises(StorageError, match="the service has cancelled its own call"):
        async with running(faulty_service.SERVICE):
            pass


async def test_closing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The others are closed none the less, and the server ends in order."""

    close = faulty_service.FaultyStore.close

    async def refuse(store: faulty_service.FaultyStore) -> None:
        await close(store)  # else its threads keep this process
        raise RuntimeError("no way")

    monkeypatch.setattr(faulty_service.FaultyStore, "close", refuse)
    async with running(faulty_service.SERVICE):
        pass
    assert "services[0]: closing it failed" in caplog.text
    assert "no way" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_is_really_cancelled() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await call(anyio.sleep(9), "load")
    assert scope.cancelled_caught
    task = asyncio.create_task(call(asyncio.sleep(9), "load"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(BrokenContractError):
        await call(give_up(), "load")
