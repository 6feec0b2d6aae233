"""How a client's block ends: by its own doing, by the program's, by Ctrl-C."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest
from wsproto.events import CloseConnection

from sharedstate_anyio.client import (
    Client,
    ClosedError,
    ConnectionLostError,
    connect,
)
from sharedstate_anyio.client.client_hub import ClientHub
from sharedstate_anyio.client.net import connector
from sharedstate_anyio.client.net.connector import LONGEST_PAUSE, backoff
from tests.python_client.support import start, websockets
from tests.support.faults.relay import relay
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wsproto import WSConnection


C = "/app/items/c"


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async with running() as server:

        async def fail(*paths: str) -> None:
            async with connect(server.url) as client:
                for path in paths:
                    await client.get(path)
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await fail("/")
        with pytest.raises(KeyError, match="mine"):
            await fail()
        with anyio.CancelScope() as scope:
            async with connect(server.url) as client:
                scope.cancel()
                await client.get("/")
        assert scope.cancelled_caught
        assert client.status == "closed"


async def test_a_bug_in_the_client_is_raised_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:

    def broken(hub: ClientHub, text: str) -> None:
        raise ZeroDivisionError(hub, text)

    async def use(url: str) -> None:
        async with connect(url) as client:
            await client.get("/")
            pytest.fail("it went on")

    monkeypatch.setattr(ClientHub, "received", broken)
    async with running() as server:
        with pytest.raises(ExceptionGroup) as raised:
            await use(server.url)
        assert raised.group_contains(ZeroDivisionError)


async def test_leaving_says_goodbye() -> None:
    goodbyes: list[int] = []

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        while not goodbyes:
            websocket.receive_data(await stream.receive())
            for event in websocket.events():
                if isinstance(event, CloseConnection):
                    goodbyes.append(event.code)
                    await stream.send(websocket.send(event.response()))

    async with websockets(talk) as port:
        async with connect(f"ws://127.0.0.1:{port}"):
            pass
        await until(lambda: goodbyes == [1000])


async def test_leaving_tells_the_server_and_those_who_wait() -> None:
    codes: list[str] = []

    async def ask(client: Client) -> None:
        try:
            await client.update(C, insert=[{"id": "a"}])
        except (ClosedError, ConnectionLostError) as error:
            codes.append(error.code)

    async with running() as server, relay(server.port) as wire:
        async with (
            anyio.create_task_group() as tasks,
            connect(f"ws://127.0.0.1:{wire.port}") as client,
        ):
            wire.stalled = True
            for _ in range(120):
                tasks.start_soon(ask, client)
            await until(lambda: client._hub._protocol.unsettled == 120)
        assert sorted(codes) == ["closed"] * 20 + ["connection_lost"] * 100


PROGRAM = """
import sys, anyio
from sharedstate_anyio.client import connect

async def main():
    async with connect(sys.argv[1]) as client:
        ds = await client.acquire("/app/items/c")
        print("listening", flush=True)
        async for diffs in ds.changes():
            print(diffs, flush=True)

try:
    anyio.run(main, backend=sys.argv[2])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c(anyio_backend_name: str, tmp_path: Path, port: int) -> None:
    """The program ends with KeyboardInterrupt, and leaves nothing open."""
    with start(tmp_path, port):
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM]
        with subprocess.Popen(
            [*command, f"127.0.0.1:{port}", anyio_backend_name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "listening\n"
            program.send_signal(signal.SIGINT)
            try:
                output, errors = program.communicate(timeout=20)
            finally:
                program.kill()
    assert (output, errors, program.returncode) == ("interrupted\n", "", 0)


def test_pauses_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    draws: Iterator[float] = iter([1.0] * 8 + [0.0, 0.5, 1.0])
    monkeypatch.setattr(connector.random, "random", lambda: next(draws))  # type: ignore[attr-defined]
    bounds = [backoff(failures) for failures in range(8)]
    assert bounds == [0.25, 0.5, 1, 2, 4, 8, 16, 20]
    assert [backoff(0), backoff(10**6), backoff(10**6)] == [0, 10, LONGEST_PAUSE], "full jitter"


def test_errno_is_told() -> None:
    from sharedstate_anyio.client.net.errors import reason_of

    summed = OSError("All connection attempts failed")
    summed.__cause__ = ExceptionGroup("x", [ConnectionRefusedError(errno.ECONNREFUSED, "No way")])
    assert reason_of(summed) == "connection refused"
