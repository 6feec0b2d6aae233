"""The socket that speaks TLS, by itself: against Python's own client side, over a pair of sockets."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_anyio.config.listeners import Certificates
from sharedstate_anyio.net.gate import Gate
from sharedstate_anyio.net.sockets import receive, send_all
from sharedstate_anyio.net.tls import CHUNK_BYTES, UNTAKEN_BYTES, Tls, TlsSocket

if TYPE_CHECKING:
    from tests.support.secure import Authority


def _pair(authority: Authority) -> tuple[TlsSocket, socket.socket, ssl.SSLContext, socket.socket]:
    files = authority.write()
    context = Tls(Certificates(str(files["cert"]), str(files["key"]))).context
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return TlsSocket(ours, context), theirs, authority.trusted(), ours


class Reader:
    """The other side, by hand."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def exchange(self) -> None:
        if self.outgoing.pending:
            await send_all(self.sock, self.outgoing.read())
        data = await receive(self.sock)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.exchange()
            else:
                await send_all(self.sock, self.outgoing.read())
                return

    async def read_all(self) -> bytes:
        """Read up to the goodbye; raise if there is none."""
        found = bytearray()
        while True:
            try:
                data = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                await self.exchange()
            else:
                if not data:  # the goodbye; an end without it raises
                    return bytes(found)
                found += data


async def test_nothing_is_lost_or_doubled_when_the_socket_is_full(authority: Authority) -> None:
    """Pieces of every size through a socket that takes little at a time."""
    stream, theirs, trusted, ours = _pair(authority)
    chance = random.Random(1)
    pieces = [chance.randbytes(chance.choice([1, 100, CHUNK_BYTES, 300_000])) for _ in range(40)]
    got = b""
    refused = 0
    with ours, theirs:
        reader = Reader(theirs, trusted)

        async def read() -> None:
            nonlocal got
            await reader.handshake()
            got = await reader.read_all()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await stream.handshake(Gate())
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    try:
                        taken = stream.send(rest)
                    except BlockingIOError:
                        refused += 1
                        assert len(stream._untaken) <= CHUNK_BYTES * 1.1
                        await anyio.wait_writable(stream)
                    else:
                        assert taken > 0
                        rest = rest[taken:]
            stream.shutdown(socket.SHUT_WR)
    assert got == b"".join(pieces)
    assert refused > len(pieces)


async def test_what_arrives_in_single_bytes(authority: Authority) -> None:
    stream, theirs, trusted, ours = _pair(authority)
    with ours, theirs:
        reader = Reader(theirs, trusted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.handshake)
            await stream.handshake(Gate())
        reader.tls.write(b"hello")
        for byte in reader.outgoing.read():
            theirs.send(bytes([byte]))
            with contextlib.suppress(BlockingIOError):
                assert stream.recv(100) == b"hello"
        theirs.shutdown(socket.SHUT_WR)
        assert stream.recv(100) == b"", "an end without goodbye is an end"


@pytest.mark.parametrize("damage", [b"\x17\x03\x03\x00\x20" + b"x" * 32, b"GET / HTTP/1.1\r\n"])
async def test_damaged_records_end_the_connection(authority: Authority, damage: bytes) -> None:
    stream, theirs, trusted, ours = _pair(authority)
    with ours, theirs:
        reader = Reader(theirs, trusted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.handshake)
            await stream.handshake(Gate())
        theirs.send(damage)
        with pytest.raises(OSError):  # noqa: PT011
            stream.recv(1000)
        assert await receive(stream) == b""


def test_what_tls_says_by_itself_is_bounded() -> None:
    assert UNTAKEN_BYTES <= 256 * 1024
