"""The way of one update: `python -m tests.way` counts modules, and changes of module.

What is counted are the calls of Python functions, in the order in which they begin; one that begins in another module
than the one before is a change. Twice:

- *core*: the core alone takes an update, with one subscriber: *in* from the text until the Commit is returned, *out*
  from storage's answer until the messages are;
- *server*: a server on SQLite in memory takes it over a WebSocket. Counted are core, adapter and stores, in the loop's
  thread: *in* until the store is called, *out* from its last word on.

With an argument the calls are printed.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import anyio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

import sharedstate_anyio
import sharedstate_backends
import sharedstate_core
from tests.core.way import SUBSCRIBE, UPDATE, core_way, counted, noted

STORE: Final = "sharedstate_backends/sqlite"
PACKAGES: Final = (sharedstate_core, sharedstate_anyio, sharedstate_backends)
CONFIG: Final = {
    "service": {"host": "127.0.0.1", "port": 0},
    "services": [
        {
            "name": "items",
            "module": "sharedstate_backends.items_service",
            "config": {"db_type": "sqlite"},
        }
    ],
}


async def talk(stream: anyio.abc.ByteStream) -> list[str]:
    """Subscribe, and update twice; return the calls of the second time."""
    socket = WSConnection(ConnectionType.CLIENT)
    await stream.send(socket.send(Request(host="localhost", target="/")))

    async def hear(kind: type[Any], count: int) -> None:
        while count:
            socket.receive_data(await stream.receive())
            count -= sum(isinstance(event, kind) for event in socket.events())

    await hear(AcceptConnection, 1)
    await stream.send(socket.send(TextMessage(data=SUBSCRIBE)))
    await hear(Message, 2)
    for _ in range(2):
        with noted(*PACKAGES) as calls:
            await stream.send(socket.send(TextMessage(data=UPDATE)))
            await hear(Message, 2)
    return calls


async def server_way() -> dict[str, list[str]]:
    """Return the calls on both ways through a server."""
    config = sharedstate_anyio.parse_config(CONFIG)
    async with (
        sharedstate_anyio.serve(config) as server,
        await anyio.connect_tcp(*server.addresses[0]) as stream,
    ):
        calls = await talk(stream)
    stored = [index for index, call in enumerate(calls) if call.startswith(STORE)]
    return {"server, in": calls[: stored[0]], "server, out": calls[stored[-1] + 1 :]}


if __name__ == "__main__":
    for name, calls in (core_way() | anyio.run(server_way)).items():
        modules, changes = counted(calls)
        print(f"{name}: {len(calls)} calls, {modules} modules, {changes} changes of module")
        if sys.argv[1:]:
            print("  " + "\n  ".join(calls))
