"""What is in items stays out of logs, also where the program around server and client logs everything at DEBUG."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio.client import RequestError, connect
from tests.support.peer import open_client
from tests.support.services.servers import running, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb
    from tests.support.services.servers import Service

SECRET = "Zq7x"
"""Short, since asyncio shortens what it shows."""
C = "/app/items/c"


@pytest.fixture(params=["memory", "file", "mariadb"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    """Return a service, one for each store of the server's own."""
    if request.param == "mariadb":
        database: MariaDb = request.getfixturevalue("shared_mariadb")
        config = database.config(db_table=f"privacy_{secrets.token_hex(4)}")
        return {"name": "items", "module": "items_service", "config": config}
    return sqlite(file=tmp_path / "items.db") if request.param == "file" else sqlite()


@contextmanager
def debugging() -> Iterator[None]:
    """Let asyncio log each callback that it runs, as it does those that are slow in its debug mode."""
    loop = anyio.lowlevel.current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        yield
        return
    loop.set_debug(True)
    slow, loop.slow_callback_duration = loop.slow_callback_duration, 0
    yield
    loop.slow_callback_duration = slow
    loop.set_debug(False)


async def use(service: Service) -> None:
    """Write, read, follow, fail, start again."""
    for _ in range(2):
        async with running(service) as server, connect(server.url) as client:
            async with client.acquired(C) as ds:
                changes = ds.changes()
                await ds.update(insert=[{"id": SECRET, "text": SECRET}, {"id": "a", "n": SECRET}])
                await anext(changes)
                assert ds["a"]["n"] == SECRET
                with pytest.raises(RequestError):
                    await ds.update(insert=[{"id": "", "text": SECRET}])
                old = ds.cursor
                await ds.transaction(lambda t: t.update(insert=[t["a"] | {"m": SECRET}]))
                with pytest.raises(RequestError):
                    await ds.update(insert=[{"id": SECRET}], if_=old)
                await ds.update(remove=[SECRET])
            assert SECRET in str(await client.get(C))
            async with open_client(server.port) as peer:
                for text in (f'{{"{SECRET}', f'{{"type":"{SECRET}"}}', f'"{SECRET}"'):
                    await peer.send_text(text)
                    await peer.message()
                peer.peer.shut()


async def test_nothing_of_an_item_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiosqlite").debug("heard")
    with debugging():
        await use(service)
    formatter = logging.Formatter("%(name)s %(message)s %(args)s")
    lines = [formatter.format(record) for record in caplog.records]
    told = [line for line in lines if SECRET in line]
    caplog.clear()
    assert told == []
    assert len(lines) > 1, "it listened"
