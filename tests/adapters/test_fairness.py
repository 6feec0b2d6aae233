"""One peer that says much at once does not keep the others waiting."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from sharedstate_anyio.connection import HANDLED_AT_ONCE
from sharedstate_anyio.hub import Hub
from tests.support import frames
from tests.support.peer import open_peer, request
from tests.support.servers import running, until

if TYPE_CHECKING:
    import pytest

    from sharedstate_anyio.connection import Connection


async def test_others_get_turns_amid_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = 0
    received: Counter[int] = Counter()
    whole = Hub.received

    def count(hub: Hub, connection: Connection, text: str) -> None:
        received[turn] += 1
        whole(hub, connection, text)

    monkeypatch.setattr(Hub, "received", count)

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await anyio.lowlevel.checkpoint()

    flood = frames.encode_text(request("GET", "/", tunnel=1)) * 500
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_turns)
            await peer.send(flood)
            await until(lambda: received.total() == 500)
            tasks.cancel_scope.cancel()
    assert (
        max(received.values()) <= 2 * HANDLED_AT_ONCE
    )  # a turn may end and the next begin with it
