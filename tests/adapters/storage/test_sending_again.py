"""A client of a real server sends again what was not answered: it counts once, also after the server has ended."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

from sharedstate_anyio.hub import pruning
from sharedstate_core import Limits
from tests.support.peer import open_client
from tests.support.services.servers import running, sqlite, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from tests.support.peer import Client

POLL = "/app/items/poll"


@asynccontextmanager
async def signed_in(port: int) -> AsyncIterator[Client]:
    async with open_client(port) as client:
        assert "op" in (await client.put("/session", {"key": "k" * 22}))["features"]
        yield client


def vote(number: int, *, again: bool = False) -> dict[str, Any]:
    patch = {"id": "tea", "inc": {"votes": 1}, "upsert": True}
    return {"patch": [patch], "op": number} | ({"again": True} if again else {})


async def test_counts_once(tmp_path: Path) -> None:
    service = sqlite(file=tmp_path / "items.db")
    async with running(service) as server:
        async with signed_in(server.port) as client:
            assert not (await client.ask("PUT", POLL, vote(1))).get("duplicate")
            await client.send("PUT", POLL, vote(2))  # and goes without an answer
        async with signed_in(server.port) as client:
            assert (await client.ask("PUT", POLL, vote(1, again=True)))["duplicate"]
            assert (await client.ask("PUT", POLL, vote(2, again=True)))["ok"]
            assert await client.get(POLL) == [{"id": "tea", "votes": 2}]
    async with running(service) as server, signed_in(server.port) as client:
        for number in (1, 2):
            assert (await client.ask("PUT", POLL, vote(number, again=True)))["duplicate"]
        assert not (await client.ask("PUT", POLL, vote(3))).get("duplicate")
        assert await client.get(POLL) == [{"id": "tea", "votes": 3}]


async def test_old_receipts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PRUNE_SECONDS", 0.02)
    file = tmp_path / "items.db"

    def receipts() -> int:
        with closing(sqlite3.connect(file)) as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM items_receipts")
            return int(count)

    async with (
        running(sqlite(file=file), limits=Limits(ops_seconds=0.001)) as server,
        signed_in(server.port) as client,
    ):
        await client.put(POLL, vote(1))
        await until(lambda: receipts() == 0)
