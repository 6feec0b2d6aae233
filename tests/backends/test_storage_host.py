"""The core's operations on a backend, and a host that carries them out for a transport without any I/O."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio.storage.instrumented import InstrumentedBackend
from sharedstate_backends import Island, StorageError, StorageHost, perform
from sharedstate_backends.contract import NotOfferedError
from sharedstate_backends.pages import page_of
from sharedstate_backends.timed_host import TURNS_BETWEEN
from sharedstate_core import (
    Answer,
    CollectionPath,
    Commit,
    Cursor,
    Doubt,
    Limits,
    ListApps,
    ListCollections,
    Load,
    Update,
    Write,
)
from sharedstate_core.driver import QueuedPeer
from tests.backends.conformance.dictionary_backend import DictionaryBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATH = CollectionPath("app", "items", "list")
WRITE = Write(Update(insert={"x": b'{"id":"x"}'}))


class Telling(DictionaryBackend):
    """Has all that a backend may have."""

    def __init__(self) -> None:
        super().__init__()
        self.doubts: list[tuple[CollectionPath, Cursor]] = []

    async def apps(self) -> Sequence[str]:
        return ["app"]

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        self.doubts.append((collection, cursor))


async def test_each_operation_is_carried_out() -> None:
    backend = Telling()
    committed: Any = await perform(backend, Commit(1, PATH, [WRITE]))
    assert committed.outcomes[0].version == 1
    loaded: Any = await perform(backend, Load(2, PATH, None))
    assert [row.id for row in loaded.rows] == ["x"]
    assert await perform(backend, ListCollections(3, "items", "app", "", 10)) == ["list"]
    assert await perform(backend, ListApps(4, "items", "", 10)) == ["app"]
    assert await perform(backend, Doubt(PATH, Cursor("e", 9))) is None
    assert backend.doubts == [(PATH, Cursor("e", 9))]


class InPages(DictionaryBackend):
    """Lists names in pages, and is not asked for all of them."""

    async def collections(self, app: str) -> Sequence[str]:
        raise AssertionError(app)

    async def apps(self) -> Sequence[str]:
        raise AssertionError

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        return [app, after, str(limit)]

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        return [after, str(limit)]


@pytest.mark.parametrize(
    "wrap", [lambda each: each, Island, lambda each: InstrumentedBackend(each, "x")]
)
async def test_names_come_in_pages(wrap: Callable[[Any], Any]) -> None:
    """From the store, if it has them; or out of all names."""
    paged, plain = wrap(InPages()), Telling()
    await paged.open()
    assert await perform(paged, ListCollections(1, "items", "app", "x", 7)) == ["app", "x", "7"]
    assert await perform(paged, ListApps(2, "items", "x", 7)) == ["x", "7"]
    for name in "dbca":
        await plain.commit(PATH._replace(collection=name), [WRITE])
    whole = wrap(plain)
    await whole.open()
    assert await perform(whole, ListCollections(3, "items", "app", "", 9)) == [*"abcd"]
    assert await perform(whole, ListCollections(4, "items", "app", "aa", 2)) == ["b", "c"]
    assert await perform(whole, ListApps(5, "items", "", 9)) == ["app"]
    assert await perform(whole, ListApps(6, "items", "app", 9)) == []
    for backend in (paged, whole):
        await backend.close()


@pytest.mark.parametrize("names", ["abc", 7, None, {"a"}, [1, 2], ["a", None]])
def test_what_are_no_names_the_core_refuses(names: Any) -> None:
    assert page_of(names, "", 9) is names


async def test_what_a_backend_need_not_have() -> None:
    backend = DictionaryBackend()
    assert await perform(backend, Doubt(PATH, Cursor("e", 9))) is None
    with pytest.raises(NotOfferedError, match="cannot tell which apps it has"):
        await perform(backend, ListApps(1, "items", "", 10))


def test_operations_tell_their_service() -> None:
    operations = (
        Commit(1, PATH, [WRITE]),
        Load(2, PATH, None),
        ListCollections(3, "items", "app", "", 10),
        ListApps(4, "items", "", 10),
        Doubt(PATH, Cursor("e", 9)),
    )
    assert {operation.service for operation in operations} == {"items"}


class Broken(DictionaryBackend):
    async def commit(self, *_: Any) -> Any:
        raise StorageError("the disk is full")


async def hear(peer: QueuedPeer[anyio.Event]) -> Any:
    while (message := peer.next()) is None:
        await peer.event.wait()
    peer.taken(time.monotonic())
    return json.loads(message)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_peer_in_memory_is_served(fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    backend = Broken() if fails else DictionaryBackend()
    ends: list[bool] = []
    async with StorageHost[Any]({"items": backend}) as host:
        driver, now = host.driver, time.monotonic()
        peer: QueuedPeer[anyio.Event] = QueuedPeer(driver, anyio.Event, ends.append)
        driver.opened(peer)
        request = {"type": "REQUEST", "cmd": "PUT", "path": "/app/items/list"}
        driver.receive(peer, [json.dumps(request | {"arg": {"insert": [{"id": "x"}]}})], now)
        reply = await hear(peer)
        assert reply["ok"] is not fails
        assert "outcome" not in reply.get("error", {})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.stop, 10)
            while not peer.is_finished:
                await peer.event.wait()
            assert peer.goodbye == (1001, "the server is shutting down")
            assert ends == [False]
            driver.closed(peer, time.monotonic())
    assert driver.is_idle
    logged = [(record.getMessage(), record.__dict__["fields"]) for record in caplog.records]
    failed = ("Commit: the disk is full", {"event": "commit_failed", "service": "items"})
    assert logged == ([failed] if fails else [])


async def test_storage_that_hangs_is_not_waited_for() -> None:
    class Hanging(DictionaryBackend):
        async def commit(self, *_: Any) -> Any:
            await anyio.sleep_forever()

    async with StorageHost[Any]({"items": Hanging()}) as host:
        host.driver.put("/app/items/list", WRITE.update, time.monotonic())
        await host.stop(0.01)
        assert not host.driver.is_idle


async def test_another_thread_is_refused_before_anything_changes() -> None:
    backend = DictionaryBackend()
    async with StorageHost[Any]({"items": backend}) as host:

        def put() -> None:
            host.driver.put("/app/items/list", WRITE.update, time.monotonic())

        with pytest.raises(RuntimeError, match=r"another thread.*anyio\.from_thread\.run_sync"):
            await anyio.to_thread.run_sync(put)
        assert host.driver.is_idle
        await anyio.to_thread.run_sync(anyio.from_thread.run_sync, put)
        await host.stop(10)
        assert host.driver.is_idle
    assert [row.id for row in (await backend.load(PATH, None)).rows] == ["x"]


async def test_an_answer_that_the_program_stumbles_over_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stumbling(StorageHost[Any]):
        def answered(self, answer: Answer) -> None:
            heard.append(answer.author)
            raise KeyError(answer.author)

    heard: list[object] = []
    async with Stumbling({"items": DictionaryBackend()}) as host:
        for author in ("first", "second"):
            host.driver.put("/app/items/list", WRITE.update, time.monotonic(), author=author)
        await host.stop(10)
    assert heard == ["first", "second"]
    assert {record.__dict__["fields"]["event"] for record in caplog.records} == {"message_failed"}
    assert "KeyError: 'second'" in caplog.text


class Woken(StorageHost[Any]):
    """Notes at which turn of another task the core is woken."""

    def __init__(self, backend: DictionaryBackend) -> None:
        super().__init__({"items": backend}, Limits(turn_items=1))
        self.turn = 0
        self.woken: list[int] = []
        self.answer: Answer | None = None

    def _wake(self, now: float) -> None:
        self.woken.append(self.turn)
        super()._wake(now)

    def answered(self, answer: Answer) -> None:
        self.answer = answer


async def test_others_have_their_turns_while_a_large_collection_is_loaded() -> None:
    backend, count = DictionaryBackend(), 5
    items = {f"{n}": b'{"id":"%d"}' % n for n in range(count)}
    await backend.commit(PATH, [Write(Update(insert=items))])
    async with Woken(backend) as host:
        host.driver.get("/app/items/list", time.monotonic(), author="ann")
        with anyio.fail_after(20):
            while host.answer is None:
                host.turn += 1
                await anyio.lowlevel.checkpoint()
    assert host.answer.data == b"[%b]" % b",".join(items.values())
    assert len(host.woken) >= 3 * count - 1
    between = [after - before for before, after in itertools.pairwise(host.woken)]
    assert min(between) >= TURNS_BETWEEN - 1
