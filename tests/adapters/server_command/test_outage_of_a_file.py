"""What an operator does while the file of a running server has been moved away: `check`, then `restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from tests.support.peer import open_client
from tests.support.services.command import one_line
from tests.support.services.saved import run
from tests.support.services.servers import document, running, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

C = "/app/items/c"


async def test_check_makes_no_file_and_restore_brings_the_server_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = sqlite("items", tmp_path / "my.db")
    write_config(tmp_path, document(service))
    async with running(service) as server, open_client(server.port) as client:
        await client.put(C, {"insert": [{"id": "a"}]})
        assert (await run(tmp_path, "backup", "config.json", "saved.gz"))[0] == 0
        await client.put(C, {"insert": [{"id": "b"}]})
        (tmp_path / "my.db").rename(tmp_path / "away.db")
        assert not (await client.ask("PUT", C, {"insert": [{"id": "c"}]}))["ok"]
        status, _, errors = await run(tmp_path, "check", "config.json")
        assert status == 1
        assert "my.db-wal is there without " in one_line(errors)
        assert not (tmp_path / "my.db").exists()
        status, _, errors = await run(tmp_path, "restore", "config.json", "saved.gz")
        assert (status, errors) == (0, "")

        async def is_back() -> bool:
            reply = await client.ask("GET", C)
            return bool(reply["ok"]) and reply["data"] == [{"id": "a"}]

        with anyio.fail_after(20):
            while not await is_back():
                await anyio.sleep(0.05)
        await client.put(C, {"insert": [{"id": "d"}]})
    caplog.clear()  # it has complained, as it should
