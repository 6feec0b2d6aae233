"""Accepting connections while that fails: the server pauses and goes on."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING, cast

import anyio

from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.net import listening
from sharedstate_anyio.net.listening import accept_forever, open_listeners
from tests.support.peer import Client, Peer, open_client
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    import socket

    import pytest


async def test_no_file_is_free(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.02)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with running() as server, open_client(server.port) as client:
        peer = Peer(server.port)
        try:
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))  # before it is accepted
            try:
                await until(lambda: bool(caplog.records))
                await client.get("/")
                await anyio.sleep(0.1)  # several attempts: they are not told of
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await peer.upgrade()
            assert await Client(peer).get("/") == ["items"]
        finally:
            peer.close()
    (record,) = caplog.records
    assert "cannot accept connections: Too many open files (raise " in record.getMessage()
    caplog.clear()


class Unlucky:
    """A listening socket whose first attempts to accept fail in ways that the kernel has."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._errors = [
            errno.EPROTO,
            errno.ENETDOWN,
            errno.EPERM,
            errno.ENOBUFS,
            errno.EHOSTUNREACH,
        ]

    def fileno(self) -> int:
        return self._sock.fileno()

    def accept(self) -> tuple[socket.socket, object]:
        if self._errors:
            raise OSError(self._errors[0], os.strerror(self._errors.pop(0)))
        return self._sock.accept()


async def test_unusual_errors(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.01)
    (listener,) = open_listeners(Listen("127.0.0.1", 0))
    real = listener.sock
    listener.sock = cast("socket.socket", Unlucky(real))
    taken: list[socket.socket] = []

    def accepted(sock: socket.socket, host: str, tls: object) -> None:
        assert (host, tls) == ("127.0.0.1", None)
        taken.append(sock)

    peer = Peer(int(listener.address[1]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(accept_forever, listener, accepted)
        await until(lambda: bool(taken))
        tasks.cancel_scope.cancel()
    for sock in (*taken, real):
        sock.close()
    peer.close()
    (record,) = caplog.records
    assert "cannot accept connections: Protocol error" in record.getMessage()
    caplog.clear()
