"""Wires that are cut, go silent, or lead to somebody else."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, TextMessage

from sharedstate_anyio.client import (
    ConnectError,
    ConnectionLostError,
    RequestError,
    connect,
)
from sharedstate_anyio.client.net import connector
from tests.client.by_hand import reply
from tests.python_client.support import answering, next_request, reaches, websockets
from tests.support.faults.relay import BROKEN, relay
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio.client import Client


C = "/app/items/c"


async def test_a_cut_wire_is_mended() -> None:
    async with running() as server, relay(server.port) as wire:
        async with connect(f"127.0.0.1:{wire.port}") as client:
            ds = await client.acquire(C)
            for number in range(5):
                await ds.update(insert=[{"id": str(number)}])
                wire.cut()
                await reaches(client, "reconnecting")
                await reaches(client, "connected")
            await ds.update(insert=[{"id": "last"}])
            assert list(ds) == ["0", "1", "2", "3", "4", "last"]
        assert wire.accepted >= 6


async def test_a_silent_wire_is_given_up() -> None:
    """Nothing says that it is dead: the watchdog finds out, and the request under way is lost."""
    async with running() as server, relay(server.port) as wire:
        url = f"ws://127.0.0.1:{wire.port}"
        async with connect(url, ping_interval=0.05, ping_timeout=1.0) as client:
            ds = await client.acquire(C)
            await anyio.sleep(0.4)  # pings are answered
            assert (client.status, wire.accepted) == ("connected", 1)
            wire.stalled = True
            with pytest.raises(ConnectionLostError, match="not answered"), anyio.fail_after(20):
                await ds.update(insert=[{"id": "a"}])
            wire.stalled = False
            wire.cut()
            await ds.update(insert=[{"id": "b"}])
            assert list(ds) == ["b"]


async def test_a_server_that_refuses_a_message() -> None:
    """What is too long for a server whose limits are not known yet costs the connection; the client comes back."""
    async with running() as server, connect(server.url, wait=False) as client:
        with pytest.raises(RequestError, match="a message may have at most 4194304") as refused:
            await client.update(C, insert=[{"id": "a", "text": "x" * 5_000_000}])
        assert refused.value.code == "too_large"
        assert await client.update(C, insert=[{"id": "b", "text": "x" * 3_000_000}]) == 1


async def test_a_message_that_the_server_would_refuse() -> None:
    """It is refused at home, and costs nothing of what else is under way."""
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        statuses = client.status_changes()
        with pytest.raises(RequestError, match="this server takes 4194304") as refused:
            await ds.update(insert=[{"id": "a", "text": "x" * 5_000_000}])
        assert refused.value.code == "too_large"
        assert await ds.update(insert=[{"id": "b", "text": "x" * 3_000_000}]) == 1
        assert list(ds) == ["b"]
    assert [status async for status in statuses] == ["closed"]


async def test_a_message_too_long_for_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server, connect(server.url, max_message=2000) as client:
        await client.update(C, insert=[{"id": "a", "text": "x" * 1500}])
        assert len(await client.get(C)) == 1
        await client.update(C, insert=[{"id": "b", "text": "x" * 1500}])
        with pytest.raises(ConnectionLostError, match="longer than max_message, 2000 bytes"):
            await client.get(C)
        assert await client.get("/") == ["items"]
        for text, fits in (("é" * 750, True), ("é" * 1500, False), ("€" * 700, False)):
            await client.update(C, reset=True, insert=[{"id": "a", "text": text}])
            if fits:
                assert len(await client.get(C)) == 1
            else:
                with pytest.raises(ConnectionLostError, match="longer than max_message"):
                    await client.get(C)
    assert "longer than max_message" in caplog.text
    caplog.clear()


async def test_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "a socket"
    async with running() as server, relay(server.port, path=path):
        url = "ws+unix://" + str(path).replace(" ", "%20")
        async with connect(url) as client:
            assert await client.get("/") == ["items"]


async def test_nobody_there(port: int) -> None:
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port}: connection refused") as failed:
        async with connect(f"ws://127.0.0.1:{port}"):
            pytest.fail("it began")
    assert failed.value.code == "connect_failed"
    with pytest.raises(ConnectError, match=r"no\.such\.host\.invalid:9000: no such host"):
        async with connect("no.such.host.invalid"):
            pytest.fail("it began")
    with pytest.raises(ConnectError, match="no such file"):
        async with connect("ws+unix:///nowhere/at/all"):
            pytest.fail("it began")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"SSH-2.0-x\r\n\r\n", "not a WebSocket server"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "answers 200"),
        (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "answers 403"),
        (b"HTTP/1.1 421 No\r\ncontent-length: 0\r\n\r\n", 'the key "hosts" of its configuration'),
        (b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n", "if it speaks TLS, write wss://"),
        (
            b"HTTP/1.1 301 No\r\nLocation: https://host/x/\r\ncontent-length: 0\r\n\r\n",
            "answers 301 to a WebSocket handshake; it points to 'https://host/x/'",
        ),
        (b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", "not a WebSocket"),
        (b"HTTP/1.1 101 ", "closed"),
        (b"", "no answer in time"),
    ],
)
async def test_no_server_of_ours(answer: bytes, problem: str) -> None:
    timeout = 10 if answer else 0.1
    async with answering(answer) as port:
        with pytest.raises(ConnectError, match=problem):
            async with connect(f"ws://127.0.0.1:{port}", connect_timeout=timeout):
                pytest.fail("it began")


@pytest.mark.parametrize(
    "name", ["Connection", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"]
)
async def test_a_handshake_that_is_not_ascii_is_tried_again(name: str) -> None:
    served = 0

    async def handle(stream: anyio.abc.SocketStream) -> None:
        nonlocal served
        async with stream:
            with suppress(*BROKEN):
                websocket = WSConnection(ConnectionType.SERVER)
                websocket.receive_data(await stream.receive())
                assert list(websocket.events())
                head = websocket.send(AcceptConnection())
                if served < 2:
                    head = head.replace(b"\r\n", f"\r\n{name}: \xe9\r\n".encode("latin-1"), 1)
                served += 1
                await stream.send(head)
                while True:
                    await stream.receive()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    url = f"ws://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        with pytest.raises(ConnectError, match="not a WebSocket server"):
            async with connect(url):
                pytest.fail("it began")
        async with connect(url, wait=False) as client:
            await reaches(client, "connected")
        tasks.cancel_scope.cancel()
    assert served == 3


@pytest.mark.parametrize("code", [4400, 4401, 4499])
async def test_a_server_sends_a_client_away_for_good(code: int) -> None:
    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        await stream.send(websocket.send(CloseConnection(code, "your account is closed")))
        await stream.receive()

    async with websockets(talk) as port:
        asked: list[Client] = []

        async def ask() -> None:
            async with connect(f"ws://127.0.0.1:{port}") as client:
                asked.append(client)
                await client.acquire(C)
                pytest.fail("it went on")

        with pytest.raises(ConnectError, match=f"away: .*{code} your account is closed") as failed:
            await ask()
        assert failed.value.close_code == code
        assert failed.value.fatal
        assert asked[0].status == "closed"


async def test_the_next_attempt_is_announced_and_made_at_once(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharedstate_anyio.client.net.connector.backoff", lambda _: 3600.0)
    async with connect(f"ws://127.0.0.1:{port}", wait=False) as client:
        await until(lambda: client.next_attempt is not None)
        assert client.next_attempt is not None
        assert 3500 < client.next_attempt - time.time() < 3601
        async with running(port=port):
            client.connect_now()
            await reaches(client, "connected")
            assert client.next_attempt is None
            client.connect_now()
        await until(lambda: client.next_attempt is not None)


async def test_credentials_that_do_not_count_any_more_end_the_block() -> None:
    """Found while reconnecting: it is raised where the client lives, and whatever goes on there is cancelled."""
    async with answering(b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n") as port:
        asked = []

        async def ask() -> None:
            async with connect(f"ws://127.0.0.1:{port}", wait=False) as client:
                asked.append(client)
                await client.acquire(C)
                pytest.fail("it went on")

        with pytest.raises(ConnectError) as failed:
            await ask()
        assert failed.value.status == 401
        assert asked[0].status == "closed"


async def test_a_server_that_talks_nonsense(caplog: pytest.LogCaptureFixture) -> None:
    """It is hung up on, and tried again."""
    frames = [
        b"\x81\x05nojsn" + b"\x82\x01x",  # not JSON; then binary
        b"\xff\xff\xff",  # no frame
        b"\x81\x02\xff\xfe",  # no UTF-8
        b"\x81\x85\x00\x00\x00\x00hello",  # masked
        b"\x88\x02\x03\xe8",  # goodbye
    ]
    served = 0

    async def talk(stream: anyio.abc.SocketStream, _: WSConnection) -> None:
        nonlocal served
        served += 1
        with suppress(*BROKEN):
            await stream.send(frames[served % len(frames)])
            while True:
                await stream.receive()

    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}"):
        await until(lambda: served > 10)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings
    assert all("bad message" in message or "hung up on" in message for message in warnings)
    caplog.clear()


async def test_an_update_acknowledged_with_what_is_no_number() -> None:
    odd = ["null", '"abc"', "1e999", "[]", "true", "1" * 5000]

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        for number, data in enumerate((*odd, "7"), start=1):
            websocket.receive_data(await stream.receive())
            assert list(websocket.events())
            answer = f'{{"type":"REPLY","cmd":"PUT","tunnel":{number},"ok":true,"data":{data}}}'
            await stream.send(websocket.send(TextMessage(answer)))

    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        with anyio.fail_after(20):
            for data in odd:
                with pytest.raises(RequestError, match="returned no number of ids") as failed:
                    await client.update(C, remove=["a"])
                assert failed.value.code == "bad_message", data
            assert await client.update(C, remove=["a"]) == 7


async def test_text_that_is_no_json_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody knows whom it was for: what was asked is settled, and what is held is synchronised anew."""
    answers = ["NaN", '{"type":"REPLY","tunnel":2,"ok":true,"data":[]}']

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        while True:
            websocket.receive_data(await stream.receive())
            for event in websocket.events():
                if isinstance(event, TextMessage) and "/session" not in event.data:
                    await stream.send(websocket.send(TextMessage(answers.pop(0))))

    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        with anyio.fail_after(20):
            with pytest.raises(
                ConnectionLostError, match="hung up on: the server sent a bad message"
            ):
                await client.get(C)
            assert await client.get(C) == []
    assert "bad message" in caplog.text
    caplog.clear()


async def test_a_server_that_hangs_up_is_called_less_and_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it says before, an answer too: pauses start over only after a connection that stood for a while."""
    failures: list[int] = []
    stand = anyio.Event()

    def lost_again(before: int) -> bool:
        return len(failures) > before

    def no_pause(count: int) -> float:
        failures.append(count)
        return 0.0

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        request = await next_request(stream, websocket)
        if request["path"] == "/session":  # a server that knows none, and does not say so
            request = await next_request(stream, websocket)
        await stream.send(websocket.send(TextMessage(reply(request["tunnel"], []))))
        if len(failures) == 4:
            await stand.wait()

    monkeypatch.setattr(connector, "backoff", no_pause)
    monkeypatch.setattr(connector, "LONGEST_PAUSE", 60.0)
    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        with anyio.fail_after(20):
            while len(failures) < 7:
                if len(failures) == 4:
                    monkeypatch.setattr(connector, "LONGEST_PAUSE", 0.0)
                    stand.set()
                lost = len(failures)
                assert await client.get(C) == []
                await until(partial(lost_again, lost))
                monkeypatch.setattr(connector, "LONGEST_PAUSE", 60.0)
    assert failures == [0, 1, 2, 3, 0, 1, 2]


async def test_a_message_too_long_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The snapshot is not downloaded at full speed for ever, though the server answers otherwise; it is logged once."""
    failures: list[int] = []

    def no_pause(count: int) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(connector, "backoff", no_pause)
    monkeypatch.setattr(connector, "LONGEST_PAUSE", 60.0)
    async with running() as server:
        async with connect(server.url) as client:
            await client.update(C, insert=[{"id": "a", "text": "x" * 5000}])
        async with (
            connect(server.url, max_message=2000) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(client.acquire, C)
            await until(lambda: len(failures) >= 4)
            tasks.cancel_scope.cancel()
    assert failures[:4] == [0, 1, 2, 3]
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "longer than max_message, 2000 bytes" in warnings[0]
    caplog.clear()
