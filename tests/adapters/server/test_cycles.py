"""Whoever has left is freed at once, however it leaves: the command's garbage collector looks at young objects only.

Each scene is played once so that everything is imported and cached, and then again under watch.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import pytest

from sharedstate_anyio import parse_config, serve
from tests.support import frames
from tests.support.cycles import no_cycles
from tests.support.peer import SECONDS, open_client, open_peer, upgrade_request
from tests.support.secure import secured
from tests.support.services import babbling_service
from tests.support.services.servers import document, sqlite, until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sharedstate_anyio import Config
    from tests.support.peer import Client
    from tests.support.secure import Authority
    from tests.support.services.mariadb import MariaDb

C: Final = "/app/items/c"
GOODBYE: Final = frames.encode_close(1000)
LIMITS: Final[dict[str, object]] = {"linger_seconds": 0, "idle_seconds": 5, "owed_bytes": 1 << 20}
BABBLING: Final[list[dict[str, object]]] = [
    {"name": name, "module": babbling_service.MODULE, "config": {"complaint": "no", "fault": fault}}
    for name, fault in {"refusing": False, "faulty": True}.items()
]


async def _with_client(port: int, act: Callable[[Client], Awaitable[object]]) -> None:
    async with open_client(port) as client:
        await act(client)
        await client.peer.send(GOODBYE)
        await client.peer.receive_all()


async def closes(port: int) -> None:
    async with open_client(port) as client:
        await client.peer.send(GOODBYE)
        await client.peer.receive_all()


async def vanishes(port: int) -> None:
    async with open_client(port) as client:
        client.peer.reset()


async def hangs_up(port: int) -> None:
    async with open_client(port) as client:
        client.peer.shut()
        await client.peer.receive_all()


async def breaks_a_rule(port: int) -> None:
    async with open_client(port) as client:
        await client.peer.send(frames.encode(frames.TEXT, b"\xff"))
        await client.peer.receive_all()


async def leaves_within_a_message(port: int) -> None:
    async with open_client(port) as client:
        await client.peer.send(frames.encode(frames.TEXT, b"{", fin=False))
        client.peer.shut()
        await client.peer.receive_all()


async def subscribes(port: int) -> None:
    async with open_client(port) as writer, open_client(port) as reader:
        await reader.subscribe(C, "/app/items/d")
        await writer.put(C, {"insert": [{"id": "a"}]})
        await writer.put(C, {"remove": ["a"]})
        await reader.subscribe("/app/items/d")
        for each in (writer, reader):
            each.peer.reset()


async def lists(port: int) -> None:
    async def act(client: Client) -> None:
        for path in ("/", "/app", "/apps", "/app/items", C):
            await client.get(path)
        assert not (await client.ask("GET", "/app/items", {"limit": 0}))["ok"]

    await _with_client(port, act)


async def leaves_with_lists_to_come(port: int) -> None:
    async with open_client(port) as client:
        for number in range(50):
            await client.send("GET", f"/app{number}/items")
            await client.send("GET", f"/app{number}")
        client.peer.reset()


async def is_refused(port: int) -> None:
    async def act(client: Client) -> None:
        assert not (await client.ask("GET", "/app/nowhere/c"))["ok"]
        assert not (await client.ask("PUT", C, {"insert": [{"x": 1}]}))["ok"]
        assert not (await client.ask("PUT", "/subs", {"insert": [C]}))["ok"]
        await client.send_text("{")

    await _with_client(port, act)


async def does_not_read(port: int) -> None:
    async with open_client(port, buffer=4096) as client:
        insert = [{"id": str(n), "text": "x" * 10_000} for n in range(20)]
        await client.put(C, {"insert": insert})
        for _ in range(40):
            await client.send("GET", C)
        client.peer.reset()


async def reads_late(port: int) -> None:
    async def act(client: Client) -> None:
        insert = [{"id": str(n), "text": "x" * 10_000} for n in range(20)]
        await client.put(C, {"insert": insert})
        last: object = None
        for _ in range(40):
            last = await client.send("GET", C)
        await client.reply(last)

    await _with_client(port, act)


async def asks_over_http(port: int) -> None:
    async with open_peer(port) as peer:
        for path in ("/", "/nowhere", "/readyz", "/metrics", "/pages/"):
            await peer.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await peer.receive()
        peer.shut()
        await peer.receive_all()


async def speaks_no_http(port: int) -> None:
    for nonsense in (b"\0\1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"G" * 20_000):
        async with open_peer(port) as peer:
            await peer.send(nonsense)
            await peer.receive_all()


async def is_no_websocket(port: int) -> None:
    for change in ({"Sec_WebSocket_Version": "7"}, {"Origin": "http://elsewhere.example"}):
        async with open_peer(port) as peer:
            await peer.send(upgrade_request(**change))
            await peer.receive_all()


async def leaves_within_a_head(port: int) -> None:
    async with open_peer(port) as peer:
        await peer.send(b"GET / HT")
        peer.shut()
        await peer.receive_all()
    async with open_peer(port) as peer:
        await peer.send(b"GET / HT")
        peer.reset()


SCENES: Final = (
    closes,
    vanishes,
    hangs_up,
    breaks_a_rule,
    leaves_within_a_message,
    subscribes,
    lists,
    leaves_with_lists_to_come,
    is_refused,
    does_not_read,
    reads_late,
    asks_over_http,
    speaks_no_http,
    is_no_websocket,
    leaves_within_a_head,
)


async def _leaves_nothing(config: Config, play: Callable[[int], Awaitable[None]]) -> None:
    async with serve(config) as server:
        await play(server.port)
        await until(_nobody_is_here)
        with no_cycles():
            await play(server.port)
            await until(_nobody_is_here)
            await anyio.wait_all_tasks_blocked()


def _nobody_is_here() -> bool:
    names = [str(task.name) for task in anyio.get_running_tasks()]
    return not any(own in name for name in names for own in ("Acceptor._", "Executor._", ".drain"))


@pytest.mark.parametrize("play", SCENES, ids=lambda play: play.__name__)
async def test_who_has_left_leaves_no_cycles(play: Callable[[int], Awaitable[None]]) -> None:
    config = parse_config({**document(), "compression": True, "limits": LIMITS})
    await _leaves_nothing(config, play)


async def is_too_slow(port: int) -> None:
    async with open_peer(port) as peer:
        await peer.send(b"GET / HT")
        await peer.receive_all()


async def stays_silent(port: int) -> None:
    async with open_client(port) as client:
        while (await client.peer.frame()).opcode != frames.CLOSE:
            pass


@pytest.mark.parametrize(
    ("play", "limits"),
    [
        (is_too_slow, {"head_seconds": 0.01}),
        (stays_silent, {"ping_seconds": 0.01, "pong_seconds": 0.01}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_who_is_sent_away_leaves_no_cycles(
    play: Callable[[int], Awaitable[None]], limits: dict[str, object]
) -> None:
    await _leaves_nothing(parse_config({**document(), "limits": limits}), play)


async def is_one_too_many(port: int) -> None:
    async with open_peer(port) as peer, open_peer(port) as one_more:
        assert b" 503 " in await one_more.receive_all()
        peer.shut()
        await peer.receive_all()


async def test_who_is_refused_leaves_no_cycles(caplog: pytest.LogCaptureFixture) -> None:
    await _leaves_nothing(
        parse_config({**document(), "limits": {"connections": 1}}), is_one_too_many
    )
    caplog.clear()


async def test_storage_that_fails_leaves_no_cycles(caplog: pytest.LogCaptureFixture) -> None:
    async def play(port: int) -> None:
        async def act(client: Client) -> None:
            for service in ("refusing", "faulty"):
                assert not (await client.ask("PUT", f"/app/{service}/c", {"insert": []}))["ok"]
                assert not (await client.ask("GET", "/apps"))["ok"]

        await _with_client(port, act)

    await _leaves_nothing(parse_config(document(*BABBLING)), play)
    caplog.clear()


def _over_tls(port: int, context: ssl.SSLContext) -> None:
    """Ask by the standard library's means: anyio's stream leaves cycles of its own."""
    for goodbye in (GOODBYE, b""):
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as peer,
        ):
            peer.sendall(upgrade_request() + goodbye)
            assert peer.recv(1 << 16).startswith(b"HTTP/1.1 101 ")
            while goodbye and peer.recv(1 << 16):
                pass


async def test_who_spoke_tls_leaves_no_cycles(authority: Authority) -> None:
    trusted = authority.trusted()

    async def play(port: int) -> None:
        await anyio.to_thread.run_sync(_over_tls, port, trusted)
        for no_tls in (b"GET / HTTP/1.1\r\n\r\n", b"\x16" + bytes(100)):
            async with open_peer(port) as peer:
                await peer.send(no_tls)
                await peer.receive_all()

    await _leaves_nothing(secured(authority.write()), play)


async def stores(port: int) -> None:
    """Write, read, list, and meet a conflict."""

    async def act(client: Client) -> None:
        await client.subscribe(C)
        await client.put(C, {"insert": [{"id": "a"}]})
        since = {"epoch": (await client.notification())["epoch"], "version": 0, "ids": ["a"]}
        conflict = await client.ask("PUT", C, {"insert": [{"id": "a"}], "if": since})
        assert conflict["error"]["code"] == "conflict"
        await client.put(C, {"remove": ["a"]})
        for path in ("/app/items/other", "/app/items", "/apps"):
            await client.get(path)

    await _with_client(port, act)


async def test_sqlite_leaves_no_cycles(tmp_path: Path) -> None:
    in_file = document(sqlite(file=tmp_path / "items.db"))
    await _leaves_nothing(parse_config({**in_file, "limits": LIMITS}), stores)


async def test_mariadb_leaves_no_cycles(shared_mariadb: MariaDb) -> None:
    config = shared_mariadb.config(db_table="cycles")
    in_mariadb = document({"name": "items", "module": "items_service", "config": config})
    await _leaves_nothing(parse_config({**in_mariadb, "limits": LIMITS}), stores)


async def test_files_leave_no_cycles(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(1 << 20))

    async def play(port: int) -> None:
        for path in ("/large.bin", "/nowhere.html", "/nowhere/"):
            async with open_peer(port) as peer:
                head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                await peer.send(head.encode())
                await peer.receive_all()
        async with open_peer(port) as peer:
            await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await peer.receive()
            peer.reset()

    await _leaves_nothing(parse_config({**document(), "files": {"/": str(tmp_path)}}), play)
