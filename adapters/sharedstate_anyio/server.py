"""The whole server as one `async with`: storage, listeners, connections, and an orderly end."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from .config import build_backends
from .handshake import Entrance
from .http import ServiceInfo, Site
from .hub import Hub
from .keepalive import KeepAlive
from .reception import Reception
from .sockets import accept_forever, addresses, listen

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import Limits

    from .config import Config

log = logging.getLogger("sharedstate")

FINISH_SECONDS: Final = 10.0
"""How long an orderly end waits for storage to finish what was accepted."""

GOODBYE_SECONDS: Final = 4.0
"""How long it then waits for peers to take their last messages and answer the close frame."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections.

    Attributes:
        addresses: (host, port) of each listening socket, as bound.
    """

    addresses: Sequence[tuple[str, int]]

    @property
    def port(self) -> int:
        """The port, the same on every address."""
        return self.addresses[0][1]

    @property
    def url(self) -> str:
        """The page to open in a browser; with `ws` for `http` it is what clients connect to."""
        host = self.addresses[0][0]
        if host in {"0.0.0.0", "::"}:  # noqa: S104  (compared, not bound)
            host = "localhost"
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


@asynccontextmanager
async def serve(config: Config) -> AsyncIterator[RunningServer]:
    """Run a server inside the caller's own program, on asyncio or trio.

    Leaving the block ends it in order: no new connections, accepted updates are finished, every client
    gets its answers and close code 1001, storage is closed.

    Raises:
        ConfigurationError: a service cannot be set up as configured.
        StorageError: a service's storage cannot be used.
        OSError: the address cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        listeners = listen(config.listen.host, config.listen.port)
        for listener in listeners:
            stack.callback(listener.close)
        backends = build_backends(config)
        for backend in backends.values():
            await _open(stack, backend)
        infos = [ServiceInfo(s.name, s.store, in_memory=s.in_memory) for s in config.services]
        entrance = Entrance(
            Site(infos), config.origins, config.transport, KeepAlive(config.transport)
        )
        async with _accepting(listeners, backends, entrance, config.limits):
            yield RunningServer(addresses(listeners))


async def _open(stack: AsyncExitStack, backend: Backend) -> None:
    async def close() -> None:
        with anyio.CancelScope(shield=True):  # storage is closed, whatever ends the program
            await backend.close()

    stack.push_async_callback(close)
    await backend.open()


@asynccontextmanager
async def _accepting(
    listeners: Sequence[socket.socket],
    backends: Mapping[str, Backend],
    entrance: Entrance,
    limits: Limits,
) -> AsyncIterator[None]:
    async with anyio.create_task_group() as own, anyio.create_task_group() as peers:
        hub = Hub(backends, own, limits)
        reception = Reception(hub, entrance, peers)
        accepting = anyio.CancelScope()

        async def accept() -> None:
            with accepting:
                async with anyio.create_task_group() as tasks:
                    for listener in listeners:
                        tasks.start_soon(accept_forever, listener, reception.accepted)
            for listener in listeners:
                listener.close()  # refused at once is better than kept waiting

        own.start_soon(hub.flush_forever)
        own.start_soon(hub.keep_time)
        own.start_soon(entrance.keep_alive.run)
        own.start_soon(accept)
        try:
            yield
        finally:
            accepting.cancel()
            with anyio.CancelScope(shield=True):
                await _end(hub)
            peers.cancel_scope.cancel()
            own.cancel_scope.cancel()


async def _end(hub: Hub) -> None:
    with anyio.move_on_after(FINISH_SECONDS) as finishing:
        await hub.finish()
    if finishing.cancelled_caught:
        log.error("storage did not finish within %g s; its last answers are lost", FINISH_SECONDS)
    hub.close_all()
    with anyio.move_on_after(GOODBYE_SECONDS):
        await hub.wait_empty()
