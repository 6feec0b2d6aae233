"""A wire that can be cut or stalled: what comes in on one address goes on to a server's port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.tls import TLSListener

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import ByteStream

BROKEN = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Relay:
    """Carries bytes until told otherwise.

    Attributes:
        port: where it listens; 0 for a Unix socket.
        accepted: how many connections it has had.
        stalled: whether it holds back everything, both ways, without a word.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.accepted = 0
        self.stalled = False
        self._gate = anyio.Event()
        self._gate.set()
        self._target = target
        self._pairs: list[anyio.CancelScope] = []

    def cut(self) -> None:
        """Break every connection that there is."""
        for pair in self._pairs:
            pair.cancel()

    def hold(self) -> None:
        """Keep what comes from now on, both ways, until `let_pass`: a long way."""
        self._gate = anyio.Event()

    def let_pass(self) -> None:
        """Carry what was held, and what comes."""
        self._gate.set()

    async def carry(self, near: ByteStream) -> None:
        self.accepted += 1
        try:
            async with (
                near,
                await anyio.connect_tcp("127.0.0.1", self._target) as far,
                anyio.create_task_group() as tasks,
            ):
                self._pairs.append(tasks.cancel_scope)
                tasks.start_soon(self._copy, near, far, tasks.cancel_scope)
                tasks.start_soon(self._copy, far, near, tasks.cancel_scope)
        except BROKEN:
            pass

    async def _copy(self, source: ByteStream, sink: ByteStream, pair: anyio.CancelScope) -> None:
        try:
            while True:
                data = await source.receive()
                if self.stalled:
                    await anyio.sleep_forever()
                await self._gate.wait()
                await sink.send(data)
        except BROKEN:
            pair.cancel()


@asynccontextmanager
async def relay(
    target: int, *, context: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[Relay]:
    """Listen on a free port of 127.0.0.1 (with TLS, if there is a context) or on a Unix socket."""
    made = Relay(target)
    listener: Any
    if path is None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        made.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    else:
        listener = await anyio.create_unix_listener(path)
    if context is not None:
        listener = TLSListener(listener, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, made.carry)
        yield made
        tasks.cancel_scope.cancel()
