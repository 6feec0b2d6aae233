"""Compression is negotiated: what is configured, what is offered, what is accepted."""

from __future__ import annotations

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.compression import DEFAULT_THRESHOLD, LONGEST_BYTES
from sharedstate_anyio.websocket.deflate import Deflate
from sharedstate_backends import ConfigurationError
from tests.support import frames
from tests.support.compression import agreed, compressing
from tests.support.peer import open_peer, request, upgrade_request
from tests.support.services.servers import document


@pytest.mark.parametrize(
    ("offer", "bits", "answer"),
    [
        ("permessage-deflate", 15, ""),
        ("permessage-deflate; client_max_window_bits", 15, ""),
        ("permessage-deflate;client_max_window_bits=8", 15, ""),
        ('permessage-deflate; server_max_window_bits="10"', 10, "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=15", 15, "; server_max_window_bits=15"),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15, ""),
    ],
)
def test_offers_that_are_accepted(offer: str, bits: int, answer: str) -> None:
    extension = Deflate(lambda: 1000)
    found = extension.accept(offer)
    assert found == f"server_no_context_takeover; client_no_context_takeover{answer}"
    assert extension.enabled()
    assert extension.window_bits == bits
    assert extension.accept("permessage-deflate; server_max_window_bits=9") is None, "the first won"


@pytest.mark.parametrize(
    "parameters",
    [
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=x",
        "server_max_window_bits=",
        "server_max_window_bits",
        "server_max_window_bits=10; server_max_window_bits=11",
        "client_max_window_bits=99999999999999999",
        "client_max_window_bits=\u0661\u0660",
        "client_no_context_takeover=1",
        "server_no_context_takeover=",
        "unknown",
        "",
        "; ;",
    ],
)
def test_offers_that_are_declined(parameters: str) -> None:
    extension = Deflate(lambda: 1000)
    assert extension.accept(f"permessage-deflate; {parameters}") is None
    assert not extension.enabled()


async def test_what_is_declined_is_left_out_of_the_handshake() -> None:
    offers = ["permessage-deflate; server_max_window_bits=8", "permessage-bzip2", ",,;="]
    async with compressing() as server:
        for offer in offers:
            async with open_peer(server.port) as peer:
                await peer.send(upgrade_request(Sec_WebSocket_Extensions=offer))
                head = await peer.receive()
                assert head.startswith(b"HTTP/1.1 101 ")
                assert b"Extensions" not in head
        both = f"{offers[0]}, permessage-deflate; server_max_window_bits=9"
        async with agreed(server, both, 9) as taker:
            await taker.peer.send(frames.encode_text(request("GET", "/")))
            assert (await taker.reply())[1]["ok"]


async def test_nobody_is_offered_what_is_not_configured() -> None:
    async with compressing(value=False) as server, open_peer(server.port) as peer:
        await peer.send(upgrade_request(Sec_WebSocket_Extensions="permessage-deflate"))
        assert b"Extensions" not in await peer.receive()


@pytest.mark.parametrize("header", ["Sec_WebSocket_Extensions", "Sec_WebSocket_Protocol"])
async def test_headers_that_are_no_ascii(header: str) -> None:
    async with compressing() as server, open_peer(server.port) as peer:
        data = upgrade_request(**{header: "permessage-deflate; PLACE"})
        await peer.send(data.replace(b"PLACE", b"\xff\xfe"))
        assert (await peer.receive()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 101 "))


def test_its_key() -> None:
    def parse(value: object) -> int | None:
        return parse_config({**document(), "compression": value}).compression

    assert parse_config(document()).compression is None
    assert parse(False) is None
    assert parse(True) == DEFAULT_THRESHOLD
    assert parse(0) == 0
    assert parse(4096) == 4096
    bad: list[object] = [None, -1, 1.5, "yes", {}, LONGEST_BYTES + 1]
    for wrong in bad:
        with pytest.raises(ConfigurationError, match=r"^compression: expected true, false, or"):
            parse(wrong)
