"""A server inside a program that knows asyncio only: what arrives is handled outside of any task there."""

from __future__ import annotations

import asyncio

from tests.support import frames
from tests.support.peer import open_client, open_peer
from tests.support.services.servers import running


def test_a_program_of_asyncio_alone() -> None:
    async def main() -> None:
        async with running() as server:
            async with open_client(server.port) as client:
                assert await client.put("/app/items/list", {"insert": [{"id": "a"}]}) == 1
            async with open_peer(server.port) as peer:
                await peer.upgrade()
                await peer.send(frames.encode(frames.BINARY, b"no"))
                assert (await peer.closed()).close_code == 1003

    asyncio.run(main())
