"""wss://: certificates that are trusted, and others."""

from __future__ import annotations

import ssl

import pytest
import trustme

from sharedstate_anyio.client import ConnectError, connect
from tests.python_client.support import reaches
from tests.support.relay import relay
from tests.support.servers import running

C = "/app/items/c"


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_tls(authority: trustme.CA, trusting: ssl.SSLContext, scheme: str) -> None:
    context = server_context(authority, "127.0.0.1")
    async with (
        running() as server,
        relay(server.port, context=context) as wire,
        connect(f"{scheme}://127.0.0.1:{wire.port}", ssl_context=trusting) as client,
    ):
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a", "text": "x" * 1_000_000}])
        wire.cut()
        await reaches(client, "reconnecting")
        await ds.update(remove=["a"], insert=[{"id": "b"}])
        assert list(ds) == ["b"]


async def test_certificates_that_are_not_trusted(
    authority: trustme.CA, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as server:
        unknown = server_context(trustme.CA(), "127.0.0.1")
        async with relay(server.port, context=unknown) as wire:
            for context in (trusting, None):
                with pytest.raises(ConnectError, match="the certificate is not trusted"):
                    async with connect(f"wss://127.0.0.1:{wire.port}", ssl_context=context):
                        pytest.fail("it began")
        elsewhere = server_context(authority, "elsewhere.example")
        async with relay(server.port, context=elsewhere) as wire:
            with pytest.raises(ConnectError, match="the certificate is not trusted"):
                async with connect(f"wss://127.0.0.1:{wire.port}", ssl_context=trusting):
                    pytest.fail("it began")
    caplog.clear()  # the relay's complaints


async def test_no_tls_there(trusting: ssl.SSLContext) -> None:
    async with running() as server:
        with pytest.raises(ConnectError, match=r"no TLS here|closed"):
            async with connect(f"wss://127.0.0.1:{server.port}", ssl_context=trusting):
                pytest.fail("it began")
