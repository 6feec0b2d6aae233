"""The URLs that people write."""

from __future__ import annotations

import pytest

from sharedstate_anyio.client import connect
from sharedstate_anyio.client.net.address import Address, parse_address
from tests.support.services.servers import running


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://host:9001", Address("host", 9001)),
        ("WS://Host", Address("Host", 80)),
        ("http://host:1/", Address("host", 1)),
        ("wss://host", Address("host", 443, tls=True)),
        (
            "https://host:9443/behind/a/proxy?x=1#y",
            Address("host", 9443, True, "/behind/a/proxy?x=1"),
        ),
        ("host", Address("host", 9000)),
        ("host:7", Address("host", 7)),
        ("my_host.", Address("my_host.", 9000)),
        (
            "BÜCHER.example/präfix/%C3%A9",
            Address("xn--bcher-kva.example", 9000, target="/pr%C3%A4fix/%C3%A9"),
        ),
        ("127.0.0.1:65535/x", Address("127.0.0.1", 65535, target="/x")),
        ("[::1]:9000", Address("::1", 9000)),
        ("ws://[fe80::1%eth0]", Address("fe80::1%eth0", 80)),
        ("ws+unix:///run/a%20b.sock", Address("", 0, socket="/run/a b.sock")),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "expected host:port"),
        ("ws://", "expected host:port"),
        ("/app/items/c", "expected host:port"),
        ("ftp://host", "expected ws:// or wss://"),
        ("ws://host:70000", "1 to 65535"),
        ("ws://host:0", "1 to 65535"),
        ("ws://host:x", "expected host:port"),
        ("ws://::1:9000", "expected host:port"),
        ("ws://user:secret@host", "Authorization"),
        ("ws://ho st", "space"),
        ("ws://host/\udcff", "half a character"),
        ("💩:9000", "cannot be the name of a host"),
        ("my..host", "cannot be the name of a host"),
        ("x" * 64, "cannot be the name of a host"),
        ("ws://host/\r\nx: y", "control character"),
        ("ws+unix://run/x", "ws\\+unix:///path"),
        ("ws+unix:///", "ws\\+unix:///path"),
    ],
)
async def test_no_addresses(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        async with connect(url):
            pytest.fail("it began")
    assert "secret" not in str(refused.value)


def test_how_it_is_written() -> None:
    for url in ("ws://host:9000/", "wss://host/x", "ws://[::1]:9/", "ws+unix:///run/x"):
        assert str(parse_address(url)) == url


async def test_headers_are_sent() -> None:
    async with (
        running() as server,
        connect(server.url, headers={"Authorization": "Basic eDp5"}) as client,
    ):
        assert await client.get("/") == ["items"]
