"""One peer that says much at once does not keep the others waiting."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio import connection as connection_module
from sharedstate_anyio.connection import HANDLED_AT_ONCE, TURN_SECONDS
from sharedstate_anyio.hub import Hub
from tests.support import frames
from tests.support.peer import open_peer, request
from tests.support.servers import running, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("slow", [False, True])
async def test_others_get_turns_amid_a_flood(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    """A turn has few messages, and fewer still if each of them takes long."""
    turn, now = 0, 0.0
    received: Counter[int] = Counter()
    whole = Hub.received

    def count(texts: Iterator[str]) -> Iterator[str]:
        nonlocal now
        for text in texts:
            received[turn] += 1
            now += 0.6 * TURN_SECONDS if slow else 0.0
            yield text

    monkeypatch.setattr(Hub, "received", lambda hub, one, texts: whole(hub, one, count(texts)))
    monkeypatch.setattr(connection_module, "monotonic", lambda: now)

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
    most = 2 if slow else HANDLED_AT_ONCE
    assert max(received.values()) <= 4 * most, "a turn may end and the next begin with it"
