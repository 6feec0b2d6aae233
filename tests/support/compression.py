"""A peer that agreed to compression, and a server that agrees to it."""

from __future__ import annotations

import json
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sharedstate_anyio import parse_config, serve
from tests.support import frames
from tests.support.peer import Peer, open_peer, upgrade_request
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer


TAIL = b"\x00\x00\xff\xff"


def deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(data: bytes, bits: int = 15) -> bytes:
    return zlib.decompressobj(-bits).decompress(data + TAIL)


def compressed(text: bytes, *, fin: bool = True) -> bytes:
    return frames.encode(frames.TEXT, deflate(text), rsv=4, fin=fin)


class Taker:
    """A peer that agreed to compression: reads frames with or without it."""

    def __init__(self, peer: Peer, bits: int = 15) -> None:
        self.peer = peer
        self.bits = bits
        self._buffer = bytearray()

    async def frame(self) -> tuple[bool, bytes]:
        """Return whether it came compressed, and the text."""
        while True:
            buffer = self._buffer
            if len(buffer) >= 10:
                size, start = buffer[1] & 0x7F, 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(buffer[2:start])
                if len(buffer) >= start + size:
                    payload, first = bytes(buffer[start : start + size]), buffer[0]
                    del buffer[: start + size]
                    assert first in {0x81, 0xC1}, hex(first)
                    if first == 0xC1:
                        return True, inflate(payload, self.bits)
                    return False, payload
            data = await self.peer.receive()
            assert data, bytes(buffer)
            self._buffer += data

    async def reply(self) -> tuple[bool, Any]:
        was_compressed, text = await self.frame()
        return was_compressed, json.loads(text)


@asynccontextmanager
async def compressing(value: object = True, **limits: object) -> AsyncIterator[RunningServer]:
    config = parse_config({**document(), "compression": value, "limits": limits})
    async with serve(config) as server:
        yield server


@asynccontextmanager
async def agreed(
    server: RunningServer, offer: str = "permessage-deflate", bits: int = 15
) -> AsyncIterator[Taker]:
    async with open_peer(server.port) as peer:
        await peer.send(upgrade_request(Sec_WebSocket_Extensions=offer))
        head = await peer.receive()
        assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context" in head
        yield Taker(peer, bits)
