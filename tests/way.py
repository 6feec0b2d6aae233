"""The way of one update: `python -m tests.way` counts modules, and changes of module.

What is counted are the calls of Python functions, in the order they begin; one that begins in another module than the one
before is a change. Twice:

- *core*: the core alone takes an update, with one subscriber: *in* from the text until the Commit is returned, *out* from
  storage's answer until the messages are;
- *server*: a server on SQLite in memory takes it over a WebSocket; counted are core, adapter and stores, in the loop's
  thread: *in* until the store is called, *out* from its last word on.

With an argument the calls are printed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

import sharedstate_anyio
import sharedstate_backends
import sharedstate_core
from sharedstate_core import Commit, CommitResult, Committed, Load, Loaded, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STORE: Final = "sharedstate_backends/sqlite"
FOLDERS: Final = {
    str(Path(package.__file__ or "").parent) + "/": package.__name__
    for package in (sharedstate_core, sharedstate_anyio, sharedstate_backends)
}
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
PATH: Final = "/a/items/c"
SUBSCRIBE: Final = (
    f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{PATH}",{{}}]]}}}}'
)
UPDATE: Final = (
    f'{{"type":"REQUEST","cmd":"PUT","path":"{PATH}","arg":{{"insert":[{{"id":"x"}}]}}}}'
)


def note(calls: list[str], frame: FrameType, event: str) -> None:
    """Hear of a call; see `sys.setprofile`."""
    file = frame.f_code.co_filename
    if event == "call":
        for folder, name in FOLDERS.items():
            if file.startswith(folder):
                calls.append(f"{name}/{file.removeprefix(folder)}: {frame.f_code.co_name}")


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collect the calls in the block, each as `module: function`."""
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: note(calls, frame, event))
    try:
        yield calls
    finally:
        sys.setprofile(None)


# --- the core alone -------------------------------------------------------------------------------


def core_way() -> dict[str, list[str]]:
    """Return the calls on both ways through the core, the second time an update comes."""
    server = Server[str](["items"])
    server.connection_opened("reader")
    (*_, load) = server.receive_text("reader", SUBSCRIBE, 0.0)
    assert isinstance(load, Load)
    server.load_succeeded(load.ticket, Loaded("epoch", 0, 0, []), 0.0)
    for version in (1, 2):
        with noted() as way_in:
            (commit,) = server.receive_texts("reader", (UPDATE,), 0.0)
        assert isinstance(commit, Commit)
        result = CommitResult("epoch", [Committed(version)])
        with noted() as way_out:
            messages = server.commit_succeeded(commit.ticket, result, 0.0)
        assert len(messages) == 2, messages
    return {"core, in": way_in, "core, out": way_out}


# --- a server -------------------------------------------------------------------------------------


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
        with noted() as calls:
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


def counted(calls: list[str]) -> tuple[int, int]:
    """Return the number of modules, and of changes from one to another."""
    modules = [call.partition(":")[0] for call in calls]
    return len(set(modules)), sum(one != other for one, other in pairwise(modules))


if __name__ == "__main__":
    for name, calls in (core_way() | anyio.run(server_way)).items():
        modules, changes = counted(calls)
        print(f"{name}: {len(calls)} calls, {modules} modules, {changes} changes of module")
        if sys.argv[1:]:
            print("  " + "\n  ".join(calls))
