"""Whoever is at the other end of a server's socket: bytes, frames, and on top a client of level 1."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import anyio

from tests.support import frames
from tests.support.frames import Frame, FrameReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Message = dict[str, Any]
Where = int | str | tuple[str, int]

SECONDS: Final = 20.0
"""How long anything may take before a test gives up: far more than it ever does."""

KEY: Final = base64.b64encode(b"sixteen bytes ok").decode()


class ClosedError(Exception):
    """The server has closed the WebSocket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Peer:
    """One connection to a server on this machine, with nothing in between.

    Args:
        where: a port of 127.0.0.1, an address with its port, or the path of a UNIX socket.
        buffer: about how many bytes the kernel may hold in each direction.
    """

    def __init__(self, where: Where, *, buffer: int | None = None) -> None:
        address = ("127.0.0.1", where) if isinstance(where, int) else where
        self._sock = socket.socket(_family(address))
        if buffer is not None:  # has to be set before connecting
            limit_buffers(self._sock, buffer)
        try:
            self._sock.connect(address)  # the kernel accepts: this does not wait
        except OSError:
            self._sock.close()
            raise
        self._sock.setblocking(False)
        self._frames = FrameReader()
        self._fragments: list[bytes] = []

    async def send(self, data: bytes) -> None:
        """Send everything."""
        rest = memoryview(data)
        with anyio.fail_after(SECONDS):
            while rest:
                try:
                    rest = rest[self._sock.send(rest) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._sock)

    async def receive(self) -> bytes:
        """Return what has arrived; nothing at the end."""
        with anyio.fail_after(SECONDS):
            while True:
                await anyio.wait_readable(self._sock)
                with suppress(BlockingIOError):
                    return self._sock.recv(1 << 16)

    async def receive_all(self) -> bytes:
        """Return everything up to the end."""
        data = b""
        while more := await self.receive():
            data += more
        return data

    async def frame(self) -> Frame:
        """Return the next frame; the fragments of a message as one, after control frames between them.

        Raises:
            EOFError: the connection has ended.
        """
        while True:
            while (frame := self._frames.next()) is None:
                data = await self.receive()
                if not data:
                    raise EOFError
                self._frames.feed(data)
            assert not frame.masked, "a server does not mask"
            if frame.opcode in (frames.CONTINUATION, frames.TEXT):
                assert (frame.opcode == frames.TEXT) == (not self._fragments), "out of order"
                self._fragments.append(frame.payload)
                if frame.fin:
                    whole, self._fragments = b"".join(self._fragments), []
                    return Frame(frames.TEXT, whole)
            else:
                return frame

    async def upgrade(self, target: str = "/", *, behind: bytes = b"") -> None:
        """Make it a WebSocket; `behind` goes out in one piece with the request."""
        await self.send(upgrade_request(target) + behind)
        await self.upgraded()

    async def upgraded(self) -> None:
        """Wait until the server has accepted the handshake.

        Raises:
            EOFError: the connection has ended.
        """
        head = b""
        while b"\r\n\r\n" not in head:
            data = await self.receive()
            if not data:
                raise EOFError(f"no answer but {head!r}")
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._frames.feed(rest)

    async def closed(self) -> Frame:
        """Skip to the close frame, answer it, and go on to the end behind it; return the frame."""
        while (frame := await self.frame()).opcode != frames.CLOSE:
            pass
        with suppress(OSError):  # who has broken a rule is not listened to any more
            await self.send(frames.encode(frames.CLOSE, frame.payload[:2]))
        assert await self.receive() == b"", "something came after the close frame"
        return frame

    def shut(self) -> None:
        """Say that nothing more comes from here."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish: the server's next write or read fails."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        if self._sock.fileno() >= 0:
            anyio.notify_closing(self._sock)
            self._sock.close()


def _family(address: str | tuple[str, int]) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def limit_buffers(sock: socket.socket, size: int) -> None:
    """Let the kernel hold no more than about this many bytes in each direction."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def upgrade_request(target: str = "/", **changes: str | None) -> bytes:
    """Return a WebSocket handshake; `changes` replace headers, or leave them out if None."""
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return f"GET {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


class Client:
    """A client of level 1: asks, and keeps in order what it is told meanwhile."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.told: deque[Message] = deque()
        self._asked = 0

    async def send_text(self, text: str) -> None:
        """Send any text."""
        await self.peer.send(frames.encode_text(text))

    async def send(self, cmd: str, path: str, arg: object = None, **members: object) -> object:
        """Send a request; return its tunnel, a new number unless one is given."""
        self._asked += 1
        await self.send_text(request(cmd, path, arg, **{"tunnel": self._asked, **members}))
        return members.get("tunnel", self._asked)

    async def message(self) -> Message:
        """Return the next message from the wire.

        Raises:
            ClosedError: the server has closed.
        """
        frame = await self.peer.frame()
        if frame.opcode == frames.CLOSE:
            raise ClosedError(frame.close_code, frame.payload[2:].decode())
        assert frame.opcode == frames.TEXT
        message = json.loads(frame.payload)
        assert isinstance(message, dict)
        return message

    async def reply(self, tunnel: object) -> Message:
        """Return the reply with this tunnel; what comes before it is kept in `told`."""
        while True:
            message = await self.message()
            if message["type"] == "REPLY" and message["tunnel"] == tunnel:
                return message
            self.told.append(message)

    async def ask(self, cmd: str, path: str, arg: object = None, **members: object) -> Message:
        """Send a request, return its reply."""
        return await self.reply(await self.send(cmd, path, arg, **members))

    async def get(self, path: str) -> Any:
        """Return the data of a `GET` that succeeds."""
        reply = await self.ask("GET", path)
        assert reply["ok"], reply
        return reply["data"]

    async def put(self, path: str, arg: object) -> Any:
        """Return the data of a `PUT` that succeeds."""
        reply = await self.ask("PUT", path, arg)
        assert reply["ok"], reply
        return reply["data"]

    async def subscribe(self, *paths: str) -> None:
        """Subscribe to these paths and no others, as level 1 clients do."""
        wanted = [[path, {}] for path in paths]
        assert await self.put("/subs", {"insert": wanted, "reset": True}) == wanted

    async def notification(self) -> Message:
        """Return the next notification, told already or still to come."""
        message = self.told.popleft() if self.told else await self.message()
        assert message["type"] == "MESSAGE", message
        assert message["cmd"] == "NOTIFY"
        assert set(message["data"]) == {"remove", "insert", "reset"}
        return message


def request(cmd: str, path: str, arg: object = None, **members: object) -> str:
    """Return the text of a request."""
    return json.dumps({"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg, **members})


@asynccontextmanager
async def open_peer(where: Where, *, buffer: int | None = None) -> AsyncIterator[Peer]:
    """Connect and do nothing more."""
    peer = Peer(where, buffer=buffer)
    try:
        yield peer
    finally:
        peer.close()


@asynccontextmanager
async def open_client(where: Where, *, buffer: int | None = None) -> AsyncIterator[Client]:
    """Connect a client."""
    async with open_peer(where, buffer=buffer) as peer:
        await peer.upgrade()
        yield Client(peer)


@asynccontextmanager
async def open_clients(port: int, count: int) -> AsyncIterator[Sequence[Client]]:
    """Connect several clients."""
    peers = [Peer(port) for _ in range(count)]
    try:
        for peer in peers:
            await peer.upgrade()
        yield [Client(peer) for peer in peers]
    finally:
        for peer in peers:
            peer.close()


async def works(where: Where) -> None:
    """Check that a server with nothing but the service `items` listens here."""
    async with open_client(where) as client:
        assert await client.get("/") == ["items"]
