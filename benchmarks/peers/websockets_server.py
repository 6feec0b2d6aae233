"""The library `websockets`: what a client sends goes to all of them; nothing is kept."""

from __future__ import annotations

import asyncio
import logging

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main() -> None:
    """Serve until it is killed."""
    connections: set[ServerConnection] = set()

    async def relay(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.send("hello")
            async for message in connection:
                broadcast(connections, message)
        finally:
            connections.discard(connection)

    async with serve(
        relay, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096, open_timeout=60
    ) as server:
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


logging.disable()  # that clients of the crowd leave without a word is no news
asyncio.run(main())
