"""What the log says when the content of a service is replaced under the running server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sharedstate_anyio.client import connect
from sharedstate_anyio.storage.epochs import REMEMBERED, Epochs
from sharedstate_backends.items_service import get_service
from sharedstate_backends.portable import portable
from tests.support.services.servers import running, sqlite, until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

C = "/app/items/c"


def replaced(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if "replaced as a whole" in each.getMessage()]


async def test_a_restore_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "items.db"
    async with (
        running(sqlite(file=file) | {"poll_seconds": 0.02}) as server,
        connect(server.url) as client,
        client.acquired(C) as ds,
    ):
        await ds.update(insert=[{"id": "a"}])
        other = portable(get_service({"db_type": "sqlite", "db_name": str(file)}))
        assert other is not None
        await ds.update(insert=[{"id": "b"}])
        await other.restore([])
        await until(lambda: not len(ds))
        await ds.update(insert=[{"id": "c"}])
    (line,) = replaced(caplog)
    caplog.clear()
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith("service items: its content was replaced as a whole, ")
    assert line.__dict__["fields"] == {"event": "replaced", "service": "items"}


def test_answers_that_overtake_one_another(caplog: pytest.LogCaptureFixture) -> None:
    epochs = Epochs("items")
    for epoch in ("old", "old", "new", "old", "new"):
        epochs.see(epoch)
    assert len(replaced(caplog)) == 1
    for number in range(2 * REMEMBERED):
        epochs.see(str(number))
    assert len(epochs._seen) == REMEMBERED
    caplog.clear()
