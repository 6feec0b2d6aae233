"""Who does not speak TLS to a port that does, or speaks it badly."""

from __future__ import annotations

import ssl

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from tests.support.peer import open_peer, upgrade_request
from tests.support.secure import Authority, open_secure_client, open_secure_peer, secured
from tests.support.services.servers import document


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        upgrade_request(),
        b"POST ",
        b"\x00" * 100,
        b"PRI * ",
    ],
)
async def test_plain_text_gets_a_short_end(authority: Authority, said: bytes) -> None:
    async with serve(secured(authority.write())) as server, open_peer(server.port) as peer:
        await peer.send(said)
        peer.shut()
        answer = await peer.receive_all()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"\r\n\r\nthis port speaks TLS; use https:// or wss://\n")
        async with open_secure_client(server.port, authority.trusted()) as client:
            assert await client.get("/") == ["items"]


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.mark.parametrize("said", [b"", HELLO[:1], HELLO, HELLO + b"\xff" * 600])
async def test_half_a_handshake_is_dropped(authority: Authority, said: bytes) -> None:
    async with (
        serve(secured(authority.write(), head_seconds=0.2)) as server,
        open_peer(server.port) as peer,
    ):
        await peer.send(said)
        answer = await peer.receive_all()
        assert answer == b"" or answer[0] == 0x15, "nothing, or an alert"


async def test_a_silent_peer_behind_a_handshake_is_dropped(authority: Authority) -> None:
    async with (
        serve(secured(authority.write(), head_seconds=0.2)) as server,
        open_secure_peer(server.port, authority.trusted()) as peer,
    ):
        assert await peer.receive_all() == b""


async def test_tls_on_a_plain_port_gets_a_short_end(authority: Authority) -> None:
    async with serve(parse_config(document())) as server, open_peer(server.port) as peer:
        await peer.send(HELLO)
        assert (await peer.receive_all()).startswith(b"HTTP/1.1 400 ")


async def test_old_versions_are_refused(authority: Authority) -> None:
    old = authority.trusted()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serve(secured(authority.write())) as server:
        async with open_secure_client(server.port, old) as client:
            assert await client.get("/") == ["items"]
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, anyio.BrokenResourceError)):
            async with open_secure_client(server.port, old):
                pass


async def test_one_too_many_is_told_through_tls(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(secured(authority.write(), connections=1)) as server:
        trusted = authority.trusted()
        async with open_secure_client(server.port, trusted) as client:
            async with open_secure_peer(server.port, trusted) as peer:
                await peer.send(upgrade_request())
                assert (await peer.receive_all()).startswith(b"HTTP/1.1 503 ")
            async with open_peer(server.port) as plain:
                await plain.send(b"GET / HTTP/1.1\r\n")
                assert (await plain.receive_all()).startswith(b"HTTP/1.1 400 ")
            assert await client.get("/") == ["items"]
    caplog.clear()
