"""A new configuration for a server that runs: what it changes, what it says, and what a wrong one does: nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.limits import RANGES
from sharedstate_anyio.config.reload import compare
from tests.support.asking import ask
from tests.support.peer import ClosedError, open_client, open_peer, request, upgrade_request
from tests.support.services.command import started, without_root
from tests.support.services.servers import document, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio import Config

C = "/app/items/c"


def changed(**members: Any) -> Config:
    return parse_config({**document(), **members})


def test_what_is_said() -> None:
    old = changed()
    assert str(compare(old, old)) == "nothing has changed"
    new = changed(
        limits={"items": 7, "connections": 8, "ping_seconds": 9},
        origins="*",
        services=[sqlite("others")],
        service={"port": 1},
    )
    outcome = compare(old, new)
    said = "changed: limits.items, limits.connections, origins; after a restart: "
    assert str(outcome) == said + "limits.ping_seconds, service, services"
    held = outcome.config
    assert (held.limits.items, held.transport.connections) == (7, 8)
    assert held.transport.ping_seconds == old.transport.ping_seconds
    assert (held.services, held.listen) == (old.services, old.listen)
    assert (
        str(compare(held, new))
        == "nothing has changed; after a restart: limits.ping_seconds, service, services"
    )


@pytest.mark.parametrize("key", [*RANGES, "origins", "hosts", "compression", "metrics"])
def test_every_key_is_spoken_of(key: str) -> None:
    values = {"origins": "*", "hosts": "*", "compression": True, "metrics": "off"}
    if key in values:
        outcome = compare(changed(), changed(**{key: values[key]}))
        assert outcome.changed == (key,)
    else:
        outcome = compare(changed(), changed(limits={key: RANGES[key].minimum}))
        assert outcome.changed + outcome.waiting == (f"limits.{key}",)


async def upgraded(port: int, origin: str) -> int:
    async with open_peer(port) as peer:
        await peer.send(upgrade_request(Origin=origin))
        return int((await peer.receive())[9:12])


async def test_what_holds_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(changed()) as server, open_client(server.port) as client:
        await client.put(C, {"insert": [{"id": "a"}, {"id": "b"}]})
        await client.get(C)
        outcome = server.reload(
            changed(
                limits={"items": 1, "message_bytes": 1024, "head_bytes": 1024},
                origins=["https://example.org"],
                metrics="off",
            )
        )
        assert outcome is not None
        assert len(outcome.changed) == 5
        reply = await client.ask("PUT", C, {"insert": [{"id": "c"}, {"id": "d"}]})
        assert reply["error"]["code"] == "too_many"
        assert (await ask(server.port, "/metrics"))[0] == 404
        assert await upgraded(server.port, "http://localhost") == 403
        assert await upgraded(server.port, "https://example.org") == 101
        async with open_peer(server.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: %b\r\n\r\n" % (b"x" * 1200))
            assert (await peer.receive())[9:12] == b"431"
        await client.send_text(request("GET", "/" + "x" * 1100))
        with pytest.raises(ClosedError) as closed:
            await client.message()
        assert closed.value.code == 1009
    caplog.clear()  # of the page that was refused


async def test_the_command(tmp_path: Path, anyio_backend_name: str) -> None:
    base = document()
    log = tmp_path / "log"
    options = (write_config(tmp_path, base), "--loop", anyio_backend_name, "--port", "0")
    with started(*options, folder=tmp_path, log=log) as command:
        async with open_client(command.port) as client:
            for content, said in (
                ({**base, "limits": {"items": 1}}, "reloaded: changed: limits.items"),
                ('{"services": 1', "not reloaded, the old one stays in force: config.json"),
                (
                    {**base, "limits": {"items": 0, "itemz": 1}},
                    "the old one stays in force: limits.itemz: unknown key",
                ),
                (
                    {**base, "auth": {"jwt": {"secret_file": "absent"}}},
                    "the old one stays in force: auth.jwt.secret_file: cannot be read",
                ),
                ({**base, "limits": {"items": 1}}, "reloaded: nothing has changed"),
            ):
                write_config(tmp_path, content)
                command.send(signal.SIGHUP)
                with anyio.fail_after(20):
                    while said not in log.read_text():
                        await anyio.sleep(0.01)
                insert = [{"id": "c"}, {"id": "d"}]
                assert not (await client.ask("PUT", C, {"insert": insert}))["ok"]
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    assert len(without_root(log.read_text()).splitlines()) == 6


async def test_compression_holds_from_then_on() -> None:
    async with serve(changed()) as server:
        server.reload(changed(compression=True))
        async with open_peer(server.port) as peer:
            await peer.send(upgrade_request(Sec_WebSocket_Extensions="permessage-deflate"))
            assert b"permessage-deflate" in await peer.receive()
            await peer.send(masked(request("GET", "/subs", tunnel="y" * 2000)))
            assert (await peer.receive())[0] == 0xC1


def masked(text: str) -> bytes:
    payload = text.encode()
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload
