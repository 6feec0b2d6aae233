"""A server lets its storage forget the rooms that were left empty, and nobody notices."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.client import connect
from sharedstate_anyio.hub import pruning
from sharedstate_backends import StorageError
from sharedstate_core import Limits
from tests.support.faults import faulty_service
from tests.support.services.servers import running, sqlite, until

if TYPE_CHECKING:
    from pathlib import Path

LEFT, WATCHED, FULL = "/app/items/left", "/app/items/watched", "/app/items/full"
AT_ONCE = Limits(linger_bytes=0)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PRUNE_SECONDS", 0.02)
    monkeypatch.setattr(pruning, "STEP_SECONDS", 0.0)


def heads(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM items_collections")}


async def test_what_is_empty_and_not_used_goes(tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    async with (
        running(sqlite(file=file), limits=AT_ONCE) as server,
        connect(server.url) as client,
        connect(server.url) as away,
    ):
        async with away.acquired(LEFT) as shown:
            await shown.update(insert=[{"id": "a"}])
            async with client.acquired(WATCHED) as watched, client.acquired(LEFT) as left:
                await watched.update(insert=[{"id": "a"}])
                await watched.update(remove=["a"])
                await client.update(FULL, insert=[{"id": "a"}])
                await left.update(remove=["a"])
                assert heads(file) == {"left", "watched", "full"}
        await until(lambda: heads(file) == {"full"})
        async with client.acquired(LEFT) as left:
            assert left.cursor is not None
            version = left.cursor.version
            assert version >= 2
            await left.update(insert=[{"id": "b"}])
            assert left.cursor.version == version + 1
            async with away.acquired(LEFT) as shown:
                assert list(shown) == ["b"]


async def test_what_somebody_watches_stays(tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    async with (
        running(sqlite(file=file), limits=AT_ONCE) as server,
        connect(server.url) as client,
        client.acquired(WATCHED) as watched,
    ):
        await watched.update(insert=[{"id": "a"}])
        await watched.update(remove=["a"])
        for number in range(3):
            await client.update(f"/app/items/{number}", remove=["nothing"])
            await until(lambda: heads(file) == {"watched"})
        assert watched.cursor is not None
        assert watched.cursor.version == 2


async def test_a_failure_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []
    problems: list[Exception] = [RuntimeError("no way"), StorageError("it is away")]

    async def prune(service: str, used: object) -> bool:
        asked.append(service)
        if problems:
            raise problems.pop()
        return len(asked) < 5

    async with running(faulty_service.SERVICE):
        store: Any = faulty_service.stores["it"]
        store.prune = prune
        await until(lambda: len(asked) > 5)
    assert set(asked) == {faulty_service.SERVICE["name"]}
    told = [each for each in caplog.records if "cannot forget" in each.getMessage()]
    assert [each.__dict__["fields"]["event"] for each in told] == ["prune_failed"] * 2
    caplog.clear()
