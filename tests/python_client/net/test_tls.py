"""wss://: certificates that are trusted, and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.client import ConnectError, connect
from tests.python_client.support import reaches
from tests.support.faults.relay import relay
from tests.support.secure import Authority
from tests.support.services.servers import running

if TYPE_CHECKING:
    from pathlib import Path

C = "/app/items/c"


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_tls(authority: Authority, scheme: str) -> None:
    context = authority.context("127.0.0.1")
    async with (
        running() as server,
        relay(server.port, context=context) as wire,
        connect(f"{scheme}://127.0.0.1:{wire.port}", ssl_context=authority.trusted()) as client,
    ):
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a", "text": "x" * 1_000_000}])
        wire.cut()
        await reaches(client, "reconnecting")
        await ds.update(remove=["a"], insert=[{"id": "b"}])
        assert list(ds) == ["b"]


async def test_certificates_that_are_not_trusted(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as server:
        (tmp_path / "others").mkdir()
        unknown = Authority(tmp_path / "others").context("127.0.0.1")
        async with relay(server.port, context=unknown) as wire:
            for context in (authority.trusted(), None):
                with pytest.raises(ConnectError, match="the certificate is not trusted"):
                    async with connect(f"wss://127.0.0.1:{wire.port}", ssl_context=context):
                        pytest.fail("it began")
        elsewhere = authority.context("elsewhere.example")
        async with relay(server.port, context=elsewhere) as wire:
            with pytest.raises(ConnectError, match="the certificate is not trusted"):
                async with connect(f"wss://127.0.0.1:{wire.port}", ssl_context=authority.trusted()):
                    pytest.fail("it began")
    caplog.clear()  # the relay's complaints


async def test_no_tls_there(authority: Authority) -> None:
    async with running() as server:
        with pytest.raises(ConnectError, match=r"no TLS here|closed"):
            async with connect(f"wss://127.0.0.1:{server.port}", ssl_context=authority.trusted()):
                pytest.fail("it began")
