"""Certificates made on the spot, and peers that speak TLS by anyio's own means."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme
from anyio.streams.tls import TLSAttribute, TLSStream

from sharedstate_anyio import parse_config
from tests.support.frames import FrameReader
from tests.support.peer import SECONDS, Client, Peer
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sharedstate_anyio import Config


class Authority:
    """A certificate authority with a folder for its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def write(self, name: str = "server", *hosts: str) -> dict[str, object]:
        """Write a new certificate and key under this name; return the configuration's `ssl`."""
        issued = self._ca.issue_cert(*(hosts or ("localhost", "127.0.0.1", "::1")))
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return {"cert": str(cert), "key": str(key)}

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server's context, with a certificate for this host."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(host).configure_cert(context)
        return context

    def trusted(self) -> ssl.SSLContext:
        """Return a client's context that trusts it."""
        return ssl.create_default_context(cafile=self.file)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return a certificate authority of the test's own."""
    return Authority(tmp_path)


def secured(ssl: dict[str, object], **limits: object) -> Config:
    """Return a configuration that speaks TLS."""
    base = document()
    service = {**base["service"], "ssl": ssl}  # type: ignore[dict-item]
    return parse_config({**base, "service": service, "limits": limits})


class SecurePeer(Peer):
    """A peer over anyio's TLS stream, which complains of an end without goodbye."""

    def __init__(self, stream: TLSStream) -> None:
        self._stream = stream
        self._frames = FrameReader()
        self._fragments: list[bytes] = []

    async def send(self, data: bytes) -> None:
        with anyio.fail_after(SECONDS):
            await self._stream.send(data)

    async def receive(self) -> bytes:
        with anyio.fail_after(SECONDS):
            try:
                return await self._stream.receive()
            except anyio.EndOfStream:
                return b""

    def certificate(self) -> bytes:
        """Return the server's certificate."""
        found = self._stream.extra(TLSAttribute.ssl_object).getpeercert(binary_form=True)
        assert isinstance(found, bytes)
        return found


@asynccontextmanager
async def open_secure_peer(port: int, context: ssl.SSLContext) -> AsyncIterator[SecurePeer]:
    """Connect with TLS and do nothing more."""
    with anyio.fail_after(SECONDS):
        plain = await anyio.connect_tcp("127.0.0.1", port)
        try:
            stream = await TLSStream.wrap(plain, hostname="localhost", ssl_context=context)
        except BaseException:
            await anyio.aclose_forcefully(plain)
            raise
    try:
        yield SecurePeer(stream)
    finally:
        await anyio.aclose_forcefully(stream)


@asynccontextmanager
async def open_secure_client(port: int, context: ssl.SSLContext) -> AsyncIterator[Client]:
    """Connect a client with TLS."""
    async with open_secure_peer(port, context) as peer:
        await peer.upgrade()
        yield Client(peer)
