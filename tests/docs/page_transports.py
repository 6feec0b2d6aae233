"""The two transports of the page for those who embed the core, as they stand there, and peers who speak to them."""

from __future__ import annotations

import importlib
import json
import re
import sys
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from sharedstate_backends import StorageHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import ModuleType

    from anyio.abc import ObjectReceiveStream, ObjectSendStream

    from sharedstate_backends import Backend
    from sharedstate_core import Limits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")

Event = dict[str, Any]


class ClosedError(Exception):
    """The connection has ended; `code` is what the server said, if the transport has codes."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


class Peer(ABC):
    """Somebody who speaks to a transport."""

    async def say(self, cmd: str, path: str, arg: object = None) -> None:
        message = {"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg}
        await self.send(json.dumps(message))

    async def ask(self, cmd: str, path: str, arg: object = None) -> Event:
        await self.say(cmd, path, arg)
        while (heard := await self.hear())["type"] != "REPLY":
            pass
        return heard

    async def hear(self) -> Event:
        return cast("Event", json.loads(await self.receive()))

    @abstractmethod
    async def send(self, text: str) -> None: ...

    @abstractmethod
    async def receive(self) -> str: ...


class LinePeer(Peer):
    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._source = BufferedByteReceiveStream(stream)

    async def send(self, text: str) -> None:
        await self._stream.send(text.encode() + b"\n")

    async def receive(self) -> str:
        try:
            line = await self._source.receive_until(b"\n", 1_000_000)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            raise ClosedError from None
        return line.decode()


class AsgiPeer(Peer):
    def __init__(
        self, to_app: ObjectSendStream[Event], from_app: ObjectReceiveStream[Event]
    ) -> None:
        self.to_app = to_app
        self._from_app = from_app

    async def send(self, text: str) -> None:
        await self.to_app.send({"type": "websocket.receive", "text": text})

    async def receive(self) -> str:
        event = await self._from_app.receive()
        if event["type"] == "websocket.close":
            raise ClosedError(event["code"])
        return str(event["text"])


class Served(ABC):
    """A transport that serves.

    Attributes:
        host: the transport's.
    """

    host: StorageHost[Any]

    @abstractmethod
    def peer(self) -> AbstractAsyncContextManager[Peer]:
        """Connect."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop in order, and return when it has."""


class ServedLines(Served):
    def __init__(self, stopping: Any, stopped: anyio.Event, port: int) -> None:
        self._stopping = stopping
        self._stopped = stopped
        self._port = port

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        async with await anyio.connect_tcp("127.0.0.1", self._port) as stream:
            yield LinePeer(stream)

    async def stop(self) -> None:
        self._stopping.set()
        await self._stopped.wait()


class ServedAsgi(Served):
    """In place of a server of ASGI applications: it waits with `send` until the peer has taken what was sent."""

    def __init__(self, application: Any, tasks: anyio.abc.TaskGroup) -> None:
        self._application: Callable[..., Coroutine[Any, Any, None]] = application
        self._tasks = tasks
        self._life, self._life_receive = anyio.create_memory_object_stream[Event](9)
        self._open: list[Any] = [self._life, self._life_receive]
        self._stopped = anyio.Event()

    async def begin(self) -> None:
        started = anyio.Event()

        async def send(event: Event) -> None:
            ends = {
                "lifespan.startup.complete": started,
                "lifespan.shutdown.complete": self._stopped,
            }
            ends[event["type"]].set()

        await self._life.send({"type": "lifespan.startup"})
        receive = self._life_receive.receive
        self._tasks.start_soon(self._application, {"type": "lifespan"}, receive, send)
        await started.wait()

    def close(self) -> None:
        for stream in self._open:
            stream.close()

    @asynccontextmanager
    async def peer(self, *headers: tuple[bytes, bytes]) -> AsyncIterator[AsgiPeer]:
        to_app, app_receives = anyio.create_memory_object_stream[Event](9)
        app_sends, from_app = anyio.create_memory_object_stream[Event](0)

        async def send(event: Event) -> None:
            try:
                await app_sends.send(event)
            except anyio.BrokenResourceError as error:
                raise OSError("it has left") from error

        scope = {"type": "websocket", "path": "/", "headers": list(headers)}
        await to_app.send({"type": "websocket.connect"})
        self._open += [app_receives, app_sends]
        self._tasks.start_soon(self._application, scope, app_receives.receive, send)
        with to_app, from_app:
            event = await from_app.receive()
            if event["type"] != "websocket.accept":
                raise ClosedError(event["code"])
            yield AsgiPeer(to_app, from_app)
            await to_app.send({"type": "websocket.disconnect", "code": 1005})

    async def stop(self) -> None:
        await self._life.send({"type": "lifespan.shutdown"})
        await self._stopped.wait()


@pytest.fixture(scope="module")
def transports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, ModuleType]]:
    """Return the page's transports, by name."""
    folder = tmp_path_factory.mktemp("page")
    names = ("lines_server", "asgi_app")
    for name in names:
        (folder / f"{name}.py").write_text(block(name))
    sys.path.insert(0, str(folder))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)


def block(name: str) -> str:
    """Return a transport's text."""
    pattern = rf"^```python\n(# {name}\.py\n.*?)^```$"
    found = re.search(pattern, PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@asynccontextmanager
async def serving(
    module: ModuleType,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """Let a transport serve."""
    hosts: list[StorageHost[Any]] = []

    class Seen(StorageHost[Any]):
        def __init__(self, backends: Mapping[str, Backend]) -> None:
            super().__init__(backends, limits)
            hosts.append(self)

    monkeypatch.setattr(module, "StorageHost", Seen)
    backends = {"items": backend}
    async with anyio.create_task_group() as tasks:
        served: Served
        if module.__name__ == "asgi_app":
            application = module.Application(backends, ["https://example.org"], Seen)
            served = ServedAsgi(application, tasks)
            await served.begin()
        else:
            served = await _serve_lines(module, backends, tasks)
            await anyio.wait_all_tasks_blocked()
        (served.host,) = hosts
        with anyio.fail_after(30):
            yield served
        tasks.cancel_scope.cancel()
    if isinstance(served, ServedAsgi):
        served.close()


async def _serve_lines(
    module: ModuleType, backends: Mapping[str, Backend], tasks: anyio.abc.TaskGroup
) -> Served:
    trio = module.trio
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stopping, stopped = trio.Event(), anyio.Event()

    async def run() -> None:
        await module.run(backends, listeners, stopping)
        stopped.set()

    tasks.start_soon(partial(run))
    return ServedLines(stopping, stopped, listeners[0].socket.getsockname()[1])
