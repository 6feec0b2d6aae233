"""Many WebSocket clients that do as little as possible, in the process that calls them."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Final, Self

from benchmarks.writers import HANDSHAKE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PATH: Final = "/app/items/list"
_MASK: Final = b"mask"

SECONDS: Final = 60.0
"""How long a client waits for what has to come."""


def frame(message: object) -> bytes:
    """Return a message as a client sends it."""
    return raw_frame(json.dumps(message, separators=(",", ":")).encode())


def raw_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a payload of less than 64 KiB as a client sends it; 1: text, 2: bytes."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | min(size, 126)))
    length = b"" if size < 126 else size.to_bytes(2, "big")
    return head + length + _MASK + bytes(byte ^ _MASK[n % 4] for n, byte in enumerate(payload))


def subscribe(*paths: str) -> bytes:
    """Return the frame that subscribes to these collections."""
    insert = [[path, {}] for path in paths]
    return frame({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": {"insert": insert}})


def update(id: str, size: int = 50, path: str = PATH) -> bytes:
    """Return the frame of an update that inserts one item with a text of `size` bytes."""
    arg = {"insert": [{"id": id, "text": "y" * size}]}
    return frame({"type": "REQUEST", "cmd": "PUT", "path": path, "tunnel": 1, "arg": arg})


class Client:
    """One WebSocket over a blocking socket.

    Args:
        port: the server's.
        buffer: the size of what the kernel keeps for it, in bytes; None: as it likes.
    """

    def __init__(self, port: int, buffer: int | None = None) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(SECONDS)
        if buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_until(self, mark: bytes, count: int = 1) -> int:
        """Read until so many marks have come; return the number of bytes."""
        size, rest = 0, b""
        while count > 0:
            data = self.sock.recv(1 << 16)
            if not data:
                raise RuntimeError("the server has closed a connection")
            size += len(data)
            data = rest + data
            count -= data.count(mark)
            rest = data[1 - len(mark) :]
        return size

    def read_frame(self) -> None:
        """Read one frame, whatever is in it."""
        size = self._exactly(2)[1]
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        self.read(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise RuntimeError("the server has closed a connection")
            data += more
        return data

    def read(self, size: int) -> None:
        """Read so many bytes."""
        while size > 0:
            data = self.sock.recv(min(size, 1 << 20))
            if not data:
                raise RuntimeError("the server has closed a connection")
            size -= len(data)


class Crowd:
    """Clients that have nothing but a connection yet.

    Args:
        port: the server's.
        count: how many.
        opening: what each says first, as frames; b"": they are no WebSockets, just sockets.
        times: how many collections that subscribes to.
        outstanding: how many of them connect at once.
        ready: what tells a client that it has subscribed.
    """

    def __init__(
        self,
        port: int,
        count: int,
        opening: bytes,
        times: int = 1,
        outstanding: int = 200,
        ready: bytes = b'"NOTIFY"',
    ) -> None:
        self.clients: list[Client] = []
        while len(self.clients) < count:
            batch = [Client(port) for _ in range(min(outstanding, count - len(self.clients)))]
            self.clients += batch
            if opening:
                self.greet(batch)
                self.say(opening, ready, times, batch)

    def greet(
        self,
        clients: Sequence[Client] | None = None,
        handshake: bytes = HANDSHAKE,
        greeting: bytes = b"\r\n\r\n",
    ) -> None:
        """Let these clients (default: all), which have just connected, shake hands."""
        clients = self.clients if clients is None else clients
        for client in clients:
            client.sock.sendall(handshake)
        for client in clients:
            client.read_until(greeting)

    def say(
        self, frames: bytes, mark: bytes, times: int = 1, clients: Sequence[Client] | None = None
    ) -> None:
        """Let these clients (default: all) send something and read until so many marks have come."""
        clients = self.clients if clients is None else clients
        for client in clients:
            client.sock.sendall(frames)
        for client in clients:
            client.read_until(mark, times)

    def read_until(self, mark: bytes, count: int = 1) -> None:
        """Let every client read."""
        for client in self.clients:
            client.read_until(mark, count)

    def read(self, size: int) -> None:
        """Let every client read so many bytes."""
        for client in self.clients:
            client.read(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self.clients:
            client.sock.close()
