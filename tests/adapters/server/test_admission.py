"""How many may come: in all, and from one address."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.connections.admission import (
    PER_ADDRESS,
    REMEMBERED,
    Admission,
    Refusal,
    RefusalLines,
    group,
)
from tests.support.peer import Peer, open_client, open_peer, upgrade_request
from tests.support.services.servers import running

if TYPE_CHECKING:
    from sharedstate_anyio import RunningServer


@pytest.mark.parametrize(
    ("host", "together"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_what_counts_together(host: str, together: str) -> None:
    assert group(host) == together


def admission_of(limits: TransportLimits) -> Admission:
    return Admission(LiveConfig(Config(transport=limits)))


def test_the_default_leaves_this_machine_alone() -> None:
    admission = admission_of(TransportLimits(connections=5 * PER_ADDRESS))
    for address in ("127.0.0.1", "::1", ""):
        for _ in range(PER_ADDRESS + 1):
            assert admission.enter(address) is None
    for _ in range(PER_ADDRESS):
        assert admission.enter("192.0.2.7") is None
    refusal = admission.enter("192.0.2.7")
    assert refusal is not None
    assert refusal.status == 429
    assert str(PER_ADDRESS) in refusal.reason
    admission.leave("192.0.2.7")
    assert admission.enter("192.0.2.7") is None


def test_a_configured_number_holds_for_everybody_with_an_address() -> None:
    admission = admission_of(TransportLimits(connections=4, connections_per_address=1))
    assert admission.enter("127.0.0.1") is None
    refused = admission.enter("127.0.0.1")
    assert refused is not None
    assert refused.status == 429
    assert admission.enter("") is None
    assert admission.enter("") is None
    assert admission.enter("::1") is None
    full = admission.enter("192.0.2.7")
    assert full is not None
    assert full.status == 503
    for address in ("", "", "::1", "127.0.0.1"):
        admission.leave(address)
    assert not admission._by_address
    assert admission._count == 0


async def refused(server: RunningServer, status: int) -> None:
    for request in (upgrade_request(), b""):
        async with open_peer(server.port) as peer:
            await peer.send(request)
            answer = await peer.receive_all()
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
            head, _, body = answer.partition(b"\r\n\r\n")
            assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
            assert b"Retry-After: 10" in head.split(b"\r\n")
            assert b"X-Content-Type-Options: nosniff" in head.split(b"\r\n")


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (TransportLimits(connections=3), 503),
        (TransportLimits(connections_per_address=3), 429),
    ],
)
async def test_one_too_many(
    limits: TransportLimits, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(transport=limits) as server, open_client(server.port) as client:
        async with open_client(server.port), open_peer(server.port) as silent:
            await silent.send(b"GET")
            await refused(server, status)
            assert await client.get("/") == ["items"], "those inside are not concerned"
        for _ in range(5):  # places are given back, also by those who were refused
            async with AsyncExitStack() as stack:
                for _ in range(2):
                    await enter(stack, server)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "127.0.0.1" in record.getMessage()
    caplog.clear()


async def enter(stack: AsyncExitStack, server: RunningServer) -> None:
    """Connect, trying again while the places of those who left are not yet free."""
    deadline = time.monotonic() + 20
    while True:
        peer = await stack.enter_async_context(open_peer(server.port))
        with suppress(OSError):
            await peer.send(upgrade_request())
            if (await peer.receive()).startswith(b"HTTP/1.1 101"):
                return
        peer.close()
        assert time.monotonic() < deadline


async def test_a_flood_beyond_politeness_is_cut_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.POLITE_REFUSALS", 2)
    limits = TransportLimits(connections=1)
    async with running(transport=limits) as server, open_client(server.port) as client:
        peers = [Peer(server.port) for _ in range(20)]
        answers = []
        for peer in peers:
            try:
                answers.append(await peer.receive())
            except OSError:
                answers.append(b"")
        assert sum(answer.startswith(b"HTTP/1.1 503") for answer in answers) == 2
        assert answers.count(b"") == 18
        for peer in peers:
            peer.close()
        assert await client.get("/") == ["items"]
    caplog.clear()


async def test_places_are_free_again_after_every_kind_of_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends = [Peer.close, Peer.reset, Peer.shut]
    async with running(transport=TransportLimits(connections=1)) as server:
        for end in ends:
            for first in (
                b"",
                b"GET / HT",
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"\0\r\n\r\n",
            ):
                async with AsyncExitStack() as stack:
                    peer = await stack.enter_async_context(open_peer(server.port))
                    await peer.send(first)
                    end(peer)
                async with AsyncExitStack() as stack:
                    await enter(stack, server)
    caplog.clear()


# The log


def test_every_address_has_a_line_of_its_own() -> None:
    """One in ten seconds; of a server that is full, one in a minute for all."""
    lines = RefusalLines()

    def told(now: float, status: int, *hosts: str) -> list[bool]:
        return [lines.is_due(Refusal(status, "no"), group(host), now) for host in hosts]

    assert told(0, 429, "203.0.113.7", "203.0.113.7", "203.0.113.8") == [True, False, True]
    assert told(0, 429, "2001:db8::1", "2001:db8::2") == [True, False], "the same network"
    assert told(0, 503, "203.0.113.7", "203.0.113.9", "") == [True, False, False]
    assert told(9.9, 429, "203.0.113.7", "203.0.113.8") == [False, False]
    assert told(10, 429, "203.0.113.7") == [True]
    assert told(59, 503, "203.0.113.9") == [False]
    assert told(60, 503, "203.0.113.9") == [True]


def test_as_many_lines_as_are_remembered() -> None:
    lines, refusal = RefusalLines(), Refusal(429, "no")
    hosts = [f"198.51.{n // 256}.{n % 256}" for n in range(2 * REMEMBERED)]
    assert sum(lines.is_due(refusal, host, 0) for host in hosts) == REMEMBERED
    assert len(lines._quiet) == REMEMBERED
    assert sum(lines.is_due(refusal, host, 10) for host in hosts) == REMEMBERED
    assert len(lines._quiet) == REMEMBERED
