"""Many WebSocket clients that do as little as possible, in the process that calls them."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Final, Self

from benchmarks.writers import HANDSHAKE

if TYPE_CHECKING:
    from types import TracebackType

PATH: Final = "/app/items/list"
_MASK: Final = b"mask"

SECONDS: Final = 60.0
"""How long a client waits for what has to come."""


def frame(message: object) -> bytes:
    """Return a message as a client sends it."""
    text = json.dumps(message, separators=(",", ":")).encode()
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + _MASK + bytes(byte ^ _MASK[n % 4] for n, byte in enumerate(text))


def subscribe(*paths: str) -> bytes:
    """Return the frame that subscribes to these collections."""
    insert = [[path, {}] for path in paths]
    return frame({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": {"insert": insert}})


def update(id: str, size: int = 50, path: str = PATH) -> bytes:
    """Return the frame of an update that inserts one item with a text of `size` bytes."""
    arg = {"insert": [{"id": id, "text": "y" * size}]}
    return frame({"type": "REQUEST", "cmd": "PUT", "path": path, "tunnel": 1, "arg": arg})


class Client:
    """One WebSocket over a blocking socket."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
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
    """

    def __init__(
        self, port: int, count: int, opening: bytes, times: int = 1, outstanding: int = 200
    ) -> None:
        self.clients: list[Client] = []
        while len(self.clients) < count:
            batch = [Client(port) for _ in range(min(outstanding, count - len(self.clients)))]
            self.clients += batch
            if not opening:
                continue
            for client in batch:
                client.sock.sendall(HANDSHAKE)
            for client in batch:
                client.read_until(b"\r\n\r\n")
                client.sock.sendall(opening)
            for client in batch:
                client.read_until(b'"NOTIFY"', times)

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
