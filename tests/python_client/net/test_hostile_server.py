"""A server that costs its clients what it can: memory, patience, calls."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from wsproto.events import Ping, TextMessage

from sharedstate_anyio.client import ConnectionLostError, RequestError, connect
from sharedstate_anyio.client.client_hub import ClientHub
from sharedstate_anyio.client.net import connector
from sharedstate_anyio.client.net.address import parse_address
from sharedstate_anyio.client.net.dial import open_link
from sharedstate_anyio.client.net.link import CHUNK_BYTES, LinkOptions
from sharedstate_core.client.protocol import MAX_BREACHES
from sharedstate_core.errors import CLOSE_POLICY
from tests.client.by_hand import notification, subscribed
from tests.python_client.support import next_request, reaches, websockets
from tests.support.services.servers import until

if TYPE_CHECKING:
    from wsproto import WSConnection

    from sharedstate_anyio.client.net.link import Link

C = "/app/items/list"


async def test_a_request_that_is_never_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Though the server shows that it is alive, by pings and by words, or by nothing at all but an open socket."""
    calls = 0

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        nonlocal calls
        calls += 1
        alive = calls
        while True:
            if alive == 1:
                await stream.send(websocket.send(Ping()))
            elif alive == 2:
                await stream.send(websocket.send(TextMessage("{}")))
            await anyio.sleep(0.01)

    async with websockets(talk) as port:
        url = f"ws://127.0.0.1:{port}"
        async with connect(url, answer_timeout=0.1, ping_interval=60) as client:
            with anyio.fail_after(20):
                for _ in range(3):
                    await reaches(client, "connected")
                    with pytest.raises(ConnectionLostError, match="no answer in time"):
                        await client.update(C, remove=["a"])
    assert calls >= 3
    assert "no answer in time" in caplog.text
    caplog.clear()


async def test_parts_that_never_end() -> None:
    part = notification([{"id": "a", "text": "x" * 1000}], base=0, reset=True, more=True)
    parts = 0

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        nonlocal parts
        while True:
            request = await next_request(stream, websocket)
            if "insert" in request["arg"]:
                await stream.send(websocket.send(TextMessage(subscribed(request))))
                for _ in range(100):
                    await stream.send(websocket.send(TextMessage(part)))
                    parts += 1

    async with (
        websockets(talk) as port,
        connect(f"ws://127.0.0.1:{port}", max_snapshot=50_000) as client,
    ):
        with anyio.fail_after(20):
            with pytest.raises(RequestError, match="max_snapshot") as refused:
                await client.acquire(C)
            assert refused.value.code == "too_large"
            await until(lambda: parts == 100)
            assert client.status == "connected"


async def test_chains_that_break_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each link begins well and goes wrong, time and again: asked anew a few times, then with growing pauses."""
    failures: list[int] = []
    asked = 0

    def no_pause(count: int) -> float:
        failures.append(count)
        return 0.0

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        nonlocal asked
        while True:
            request = await next_request(stream, websocket)
            if not request["arg"].get("insert"):
                continue
            asked += 1
            for text in (
                subscribed(request),
                notification(base=0, version=1, reset=True),
                notification(base=7, version=8),
            ):
                await stream.send(websocket.send(TextMessage(text)))

    monkeypatch.setattr(connector, "backoff", no_pause)
    monkeypatch.setattr(connector, "LONGEST_PAUSE", 60.0)
    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        with anyio.fail_after(20):
            await client.acquire(C)
            await until(lambda: len(failures) == 4)
    assert failures == [0, 1, 2, 3]
    assert 4 * (MAX_BREACHES + 1) <= asked <= 5 * (MAX_BREACHES + 1)
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) <= 2 * len(failures) + 2
    caplog.clear()


async def test_the_time_in_which_a_message_arrives_does_not_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = ScriptedLink()
    hub = ClientHub(max_queue=1, max_snapshot=1)
    hub.opened(cast("Link", link))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub.watch, 0.001)
        tasks.start_soon(refused, hub)
        await until(lambda: link.asked > 50)
        assert link.problem == ""
        link.receiving = False
        await until(lambda: link.problem == "no answer in time")
        hub.close()
        tasks.cancel_scope.cancel()
    caplog.clear()


async def refused(hub: ClientHub) -> None:
    with pytest.raises(ConnectionLostError):
        await hub.request("GET", C)


class ScriptedLink:
    """A link on which a message arrives for as long as the test likes."""

    def __init__(self) -> None:
        self.receiving = True
        self.asked = 0
        self.problem = ""

    def send(self, message: bytes) -> None:
        assert message

    def is_receiving(self) -> bool:
        self.asked += 1
        return self.receiving

    def give_up(self, code: int, problem: str) -> None:
        assert code == CLOSE_POLICY
        self.problem = problem


async def test_a_message_arrives_while_it_brings_enough() -> None:
    sends, receive = anyio.create_memory_object_stream[tuple[str, bool]](10)

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        async for text, finished in receive:
            await stream.send(websocket.send(TextMessage(text, message_finished=finished)))

    texts: list[str] = []
    async with sends, receive, websockets(talk) as port, anyio.create_task_group() as tasks:
        link = await open_link(parse_address(f"127.0.0.1:{port}"), LinkOptions())
        tasks.start_soon(link.run, texts.append)
        assert not link.is_receiving()
        for number in range(1, 4):
            await sends.send(("x" * CHUNK_BYTES, False))
            # Who asks in between has asked since: a chunk may come in pieces.
            await until(lambda n=number: link._text_size == n * CHUNK_BYTES)  # type: ignore[misc]
            assert link.is_receiving()
            assert not link.is_receiving(), "nothing more has come"
        await sends.send(("", True))
        await until(lambda: len(texts) == 1)
        assert not link.is_receiving()
        tasks.cancel_scope.cancel()
    assert texts == ["x" * 3 * CHUNK_BYTES]
