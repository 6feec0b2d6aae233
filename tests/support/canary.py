"""A client that behaves, beside those that do not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sharedstate_core import Limits
from tests.support.peer import Client, open_client
from tests.support.services.servers import running
from tests.support.work import LONG_TURN
from tests.support.work.turns import counting_turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer

LIMIT: Final = 12_000
"""The longest message that the server takes unless a test says otherwise, in bytes."""


class Canary:
    """A client that behaves, and expects to be served as if it were alone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sung = 0

    async def sing(self) -> None:
        """Change a collection, and hear of that change and no other."""
        self._sung += 1
        item = {"id": "canary", "n": self._sung}
        assert await self._client.put("/canary/items/c", {"insert": [item]}) == 1
        told = await self._client.notification()
        assert told["data"]["insert"] == [item]
        assert told["version"] == self._sung


@asynccontextmanager
async def with_canary(
    limits: Limits = Limits(message_bytes=LIMIT),  # noqa: B008  (it is not changed)
) -> AsyncIterator[tuple[RunningServer, Canary]]:
    """Run a server with a canary, which is alive at the end and never had to wait for a long turn of the loop."""
    async with running(limits=limits) as server, open_client(server.port) as client:
        await client.subscribe("/canary/items/c")
        await client.notification()
        canary = Canary(client)
        with counting_turns() as turns:
            await canary.sing()
            yield server, canary
            await canary.sing()
        assert max(turns) < LONG_TURN, max(turns)
