"""A wire between a client and a database which can be cut, held up, or break at one of the client's packets."""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Cut(enum.Enum):
    """What becomes of the packet at which the wire breaks."""

    BEFORE = "nothing of it arrives"
    HALF = "half of it arrives"
    AFTER = "it arrives, and its answer does not"


class Proxy:
    """Passes on what comes to a port of its own.

    Attributes:
        port: where to connect to.
        target: the port behind it, for connections from now on.
        packets: packets of clients seen so far, in MySQL's framing.
        cut_at: number of the packet, counted from 1, at which the wire breaks.
        cut: how.
        held: nothing passes any more, without a word.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._links: list[tuple[SocketStream, SocketStream]] = []
        self._silenced: tuple[SocketStream, SocketStream] | None = None
        self.port = 0
        self.packets = 0
        self.cut_at: int | None = None
        self.cut = Cut.BEFORE
        self.held = False

    async def cut_all(self) -> None:
        """Break every connection there is."""
        links, self._links = self._links, []
        for link in links:
            await _close(link)

    async def serve(self, client: SocketStream) -> None:
        """Pass on one connection until it ends."""
        try:
            server = await anyio.connect_tcp("127.0.0.1", self.target)
        except OSError:
            await client.aclose()
            return
        link = (client, server)
        self._links.append(link)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._answers, link)
                await self._questions(link)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _close(link)

    async def _questions(self, link: tuple[SocketStream, SocketStream]) -> None:
        client, server = link
        data = b""
        try:
            while True:
                data += await client.receive()
                while len(data) >= 4 and len(data) >= (
                    size := 4 + int.from_bytes(data[:3], "little")
                ):
                    packet, data = data[:size], data[size:]
                    self.packets += 1
                    if self.packets == self.cut_at:
                        await self._break(link, packet)
                        return
                    if not self.held:
                        await server.send(packet)
        except _BROKEN:
            return

    async def _break(self, link: tuple[SocketStream, SocketStream], packet: bytes) -> None:
        _, server = link
        if self.cut is Cut.HALF:
            await server.send(packet[: len(packet) // 2])
        elif self.cut is Cut.AFTER:
            self._silenced = link  # this one alone: a new connection gets its answers
            await server.send(packet)
            await anyio.sleep(0.05)  # the server's time to do it; whether it has is not of interest

    async def _answers(self, link: tuple[SocketStream, SocketStream]) -> None:
        client, server = link
        try:
            while True:
                data = await server.receive()
                if not self.held and link is not self._silenced:
                    await client.send(data)
        except _BROKEN:
            await _close(link)


async def _close(link: tuple[SocketStream, SocketStream]) -> None:
    for stream in link:
        await anyio.aclose_forcefully(stream)


@asynccontextmanager
async def open_proxy(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy to a port of this machine."""
    proxy = Proxy(target)
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy.port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()
