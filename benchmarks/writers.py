"""A server process, and many writers on it that say as little as possible: their own cost must not show.

By the clock on the wall, and beside it the processor time of whoever takes part.
"""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from benchmarks.processes import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WRITERS: Final = 16
PIPELINED: Final = 8
"""Updates of one writer that are on their way."""

WARM_SECONDS: Final = 0.3


def handshake(path: str = "/", *headers: str) -> bytes:
    """Return what a client sends first, with more headers."""
    key = base64.b64encode(b"sixteen bytes ok").decode()
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *headers,
        "\r\n",
    )
    return "\r\n".join(lines).encode()


HANDSHAKE: Final = handshake()


class Served(NamedTuple):
    """A server's port and process."""

    port: int
    pid: int


class Kind(NamedTuple):
    """What a writer sends, about its own item: `{n}` is its number.

    Attributes:
        head: the argument of an update up to a number that is another each time.
        tail: the rest of it.
        first: the argument of an update before all others; none if empty.
    """

    head: str
    tail: str
    first: str = ""


TEXT: Final = f'"text":"{"y" * 100}"'
NEW: Final = Kind('{{"insert":[{{"id":"w{n}i', f'",{TEXT}}}]}}')
"""A new item each time."""

REPLACED: Final = Kind('{{"insert":[{{"id":"w{n}","n":', f",{TEXT}}}]}}")
"""The same item, as a whole."""

ITEM: Final = f'{{{{"insert":[{{{{"id":"w{{n}}","n":0,{TEXT}}}}}]}}}}'
PATCHED: Final = Kind('{{"patch":[{{"id":"w{n}","set":{{"n":', "}}]}", ITEM)
"""A member of the same item."""

COUNTED: Final = Kind('{{"patch":[{{"id":"w","upsert":true,"inc":{{"n":1}},"set":{{"last":', "}}]}")
"""A count in one item, by all writers."""


class Cost(NamedTuple):
    """Seconds for one update: on the wall, and of the processor in each process that was asked about."""

    wall: float
    processor: tuple[float, ...] = ()


def through_server(
    config: dict[str, object],
    loop: str,
    collections: int,
    seconds: float,
    *others: int,
    kind: Kind = NEW,
) -> Cost:
    """Return what an acknowledged update of one item costs: 16 writers, 8 updates of each on their way.

    Args:
        config: of the service.
        loop: the server's event loop.
        collections: how many they write to.
        seconds: how long they do so.
        others: processes whose processor time counts beside the server's, which comes first.
        kind: of update.
    """
    with tempfile.TemporaryDirectory() as folder, served(config, Path(folder), loop) as server:
        pids = (server.pid, *others)
        return asyncio.run(write(server.port, collections, seconds, pids, kind))


@contextmanager
def served(config: dict[str, object], folder: Path, loop: str) -> Iterator[Served]:
    """Run a server with one service called `items`."""
    with server(folder, loop, "items_service", config) as process:
        yield Served(process.port, process.pid)


async def write(
    port: int, collections: int, seconds: float, pids: Sequence[int] = (), kind: Kind = NEW
) -> Cost:
    """Return the cost of an acknowledged update, over that time, and in these processes; on asyncio."""
    loop = asyncio.get_running_loop()
    writers = []
    for number in range(WRITERS):
        path = f"/app/items/c{number % collections}"
        _, protocol = await loop.create_connection(
            lambda n=number, p=path: _Writer(n, p, kind),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        writers.append(protocol)

    def figures() -> list[float]:
        acknowledged = sum(writer.acknowledged for writer in writers)
        return [acknowledged, time.perf_counter(), *map(processor_seconds, pids)]

    await asyncio.sleep(WARM_SECONDS)
    before = figures()
    await asyncio.sleep(seconds)
    updates, *spent = (now - then for now, then in zip(figures(), before, strict=True))
    for writer in writers:
        writer.close()
    if not updates or any(writer.failed for writer in writers):
        raise RuntimeError("an update failed")
    wall, *processor = (each / updates for each in spent)
    return Cost(wall, tuple(processor))


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has spent so far, in all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Writer(asyncio.Protocol):
    """Sends an update for every one that is acknowledged."""

    def __init__(self, number: int, path: str, kind: Kind) -> None:
        self.acknowledged = 0
        self.failed = False
        self._sent = 0
        request = f'{{"type":"REQUEST","cmd":"PUT","path":"{path}","tunnel":0,"arg":'
        self._head = (request + kind.head.format(n=number)).encode()
        self._tail = f"{kind.tail}}}".encode()
        self._first = f"{request}{kind.first.format(n=number)}}}".encode() if kind.first else b""
        self._buffer = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.failed = b" 101 " not in head
            self._open, self._buffer = True, rest
            if self._first:
                self._transport.write(_frame(self._first))
            self._send(PIPELINED)
            return
        buffer, start, count = self._buffer, 0, 0
        while len(buffer) >= start + 4:
            size, head_size = buffer[start + 1], 2
            if size == 126:
                size, head_size = int.from_bytes(buffer[start + 2 : start + 4], "big"), 4
            end_of_frame = start + head_size + size
            if len(buffer) < end_of_frame:
                break
            self.failed = self.failed or b'"ok":true' not in buffer[start:end_of_frame]
            start, count = end_of_frame, count + 1
        self._buffer = buffer[start:]
        self.acknowledged += count
        self._send(count)

    def _send(self, count: int) -> None:
        frames = b""
        for _ in range(count):
            self._sent += 1
            frames += _frame(b"%b%d%b" % (self._head, self._sent, self._tail))
        self._transport.write(frames)

    def close(self) -> None:
        """Let the connection go."""
        self._transport.abort()


def _frame(text: bytes) -> bytes:
    """Return a frame with a text of 126 bytes or more, or with spaces behind it, masked by 0."""
    text = text.ljust(126)
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text
