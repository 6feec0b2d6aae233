"""The same server behind TLS: with certificates made here, over real sockets, against Python's own client side."""

from __future__ import annotations

import re
import signal
import ssl
from pathlib import Path
from typing import Any

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from tests.support import frames
from tests.support.peer import ClosedError, open_client
from tests.support.secure import Authority, open_secure_client, open_secure_peer, secured
from tests.support.services.command import started
from tests.support.services.servers import document, write_config

C = "/app/items/c"


async def test_a_conversation(authority: Authority) -> None:
    async with serve(secured(authority.write())) as server:
        assert server.url == f"https://127.0.0.1:{server.port}/"
        trusted = authority.trusted()
        async with (
            open_secure_client(server.port, trusted) as one,
            open_secure_client(server.port, trusted) as two,
        ):
            await two.subscribe(C)
            await two.notification()
            assert await one.put(C, {"insert": [{"id": "a"}]}) == 1
            assert (await two.notification())["data"]["insert"] == [{"id": "a"}]


async def test_pages_and_a_clean_end(authority: Authority) -> None:
    """The peer's TLS sees a goodbye after the answer: nothing can be cut off unnoticed."""
    async with (
        serve(secured(authority.write())) as server,
        open_secure_peer(server.port, authority.trusted()) as peer,
    ):
        await peer.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await peer.receive_all()).endswith(b"\r\n\r\nok\n")


async def test_the_end_of_the_server(authority: Authority) -> None:
    opened, end = anyio.Event(), anyio.Event()
    ports: list[int] = []

    async def serve_until_then() -> None:
        async with serve(secured(authority.write())) as server:
            ports.append(server.port)
            opened.set()
            await end.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve_until_then)
        await opened.wait()
        async with open_secure_client(ports[0], authority.trusted()) as client:
            await client.get("/")
            end.set()
            with pytest.raises(ClosedError) as caught:
                await client.message()
            assert caught.value.code == 1001
            await client.peer.send(frames.encode_close(1001))
            assert await client.peer.receive() == b""


async def test_much_in_both_directions(authority: Authority) -> None:
    """Far more than sockets hold, so that both sides have to wait."""
    items = [{"id": str(n), "text": "x" * 100_000} for n in range(30)]
    async with (
        serve(secured(authority.write())) as server,
        open_secure_client(server.port, authority.trusted()) as client,
    ):
        for _ in range(2):
            await client.put(C, {"insert": items})
        tunnels = [await client.send("GET", C) for _ in range(5)]
        for tunnel in tunnels:
            assert (await client.reply(tunnel))["data"] == items


async def test_clients_with_certificates(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    stranger = Authority(tmp_path / "others").write("client", "someone@example.org")
    known = authority.write("client", "someone@example.org")
    async with serve(secured({**authority.write(), "ca": authority.file})) as server:
        for files in (None, stranger):
            context = authority.trusted()
            if files:
                context.load_cert_chain(str(files["cert"]), str(files["key"]))
            with pytest.raises((ssl.SSLError, anyio.BrokenResourceError, AssertionError)):
                async with open_secure_client(server.port, context):
                    pass
        context = authority.trusted()
        context.load_cert_chain(str(known["cert"]), str(known["key"]))
        async with open_secure_client(server.port, context) as client:
            assert await client.get("/") == ["items"]


# New certificates


async def test_reload(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    files = authority.write()
    trusted = authority.trusted()

    async def shown() -> bytes:
        async with open_secure_peer(server.port, trusted) as peer:
            return peer.certificate()

    async with serve(secured(files)) as server, open_secure_client(server.port, trusted) as client:
        first = await shown()
        authority.write()
        assert await shown() == first, "not before it is told"
        server.reload()
        second = await shown()
        assert second != first
        with open(str(files["key"]), "w") as key:  # noqa: PTH123
            key.write("nonsense")
        caplog.clear()
        server.reload()
        (record,) = caplog.records
        assert "service.ssl.key" in record.getMessage()
        assert record.getMessage().isprintable()
        caplog.clear()
        assert await shown() == second
        assert await client.get("/") == ["items"], "open connections stay"


async def test_hangup_reloads(
    authority: Authority, tmp_path: Path, anyio_backend_name: str
) -> None:
    base = document()
    service: dict[str, Any] = {**base["service"], "ssl": authority.write()}  # type: ignore[dict-item]
    write_config(tmp_path, {**base, "service": service})
    trusted = authority.trusted()
    options = ("config.json", "--loop", anyio_backend_name)
    log = tmp_path / "log"
    with started(*options, folder=tmp_path, log=log) as command:
        async with open_secure_client(command.port, trusted) as client:
            async with open_secure_peer(command.port, trusted) as peer:
                first = peer.certificate()
            assert f"Open https://127.0.0.1:{command.port}/" in command.output
            authority.write()
            command.send(signal.SIGHUP)
            seen = first
            while seen == first:
                async with open_secure_peer(command.port, trusted) as peer:
                    seen = peer.certificate()
            assert await client.get("/") == ["items"]
        for content, key, said in (
            (
                "{",
                None,
                " ERROR configuration not reloaded, the old one stays in force: config.json",
            ),
            (
                {**base, "service": service},
                "no key",
                " ERROR certificates not reloaded",
            ),
        ):
            write_config(tmp_path, content)
            if key:
                Path(str(service["ssl"]["key"])).write_text(key)
            command.send(signal.SIGHUP)
            with anyio.fail_after(20):
                while said not in log.read_text():
                    await anyio.sleep(0.01)
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    told = re.findall(r"(?:certificates|configuration) (?:not )?reloaded", log.read_text())
    assert told == [
        "configuration reloaded",
        "certificates reloaded",
        "certificates reloaded",
        "configuration not reloaded",
        "configuration reloaded",
        "certificates not reloaded",
    ], "what went wrong is told last"


async def test_plain_clients_are_not_concerned() -> None:
    async with serve(parse_config(document())) as server, open_client(server.port) as client:
        assert await client.get("/") == ["items"]
