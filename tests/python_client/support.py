"""What the tests of the Python client share."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, TextMessage

from tests.support.services.command import Command, started
from tests.support.services.servers import document, sqlite, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from sharedstate_anyio.client import Client


@contextmanager
def start(folder: Path, port: int, service: dict[str, object] | None = None) -> Iterator[Command]:
    """Start the real server as a process of its own, with an SQLite file unless told otherwise."""
    made = document(service or sqlite(file=folder / "items.db"), port=port)
    (folder / "config.json").write_text(json.dumps(made))
    with started("config.json", folder=folder) as command:
        assert command.port == port
        yield command


async def reaches(client: Client, status: str) -> None:
    """Wait until the client says so."""
    await until(lambda: client.status == status)


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[int]:
    """Answer every connection on a port with some bytes; nothing at all: keep it waiting."""

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
                if data:
                    await stream.send(data)
                else:
                    await anyio.sleep_forever()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def next_request(stream: anyio.abc.SocketStream, websocket: WSConnection) -> Any:
    """Return what a client asks next."""
    while True:
        for event in websocket.events():
            if isinstance(event, TextMessage):
                return json.loads(event.data)
        websocket.receive_data(await stream.receive())


@asynccontextmanager
async def websockets(
    talk: Callable[[anyio.abc.SocketStream, WSConnection], Awaitable[None]],
) -> AsyncIterator[int]:
    """Accept every WebSocket on a port, then talk as told; a client may leave at any moment."""

    async def handle(stream: anyio.abc.SocketStream) -> None:
        websocket = WSConnection(ConnectionType.SERVER)
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await serve(stream, websocket)

    async def serve(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        websocket.receive_data(await stream.receive())
        assert list(websocket.events())
        await stream.send(websocket.send(AcceptConnection()))
        await talk(stream, websocket)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()
