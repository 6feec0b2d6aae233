"""Under which names the server answers: the rule, its configuration, and the answer on the wire."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.hosts import Hosts
from sharedstate_anyio.config.origins import Origins
from sharedstate_anyio.logs.once import LIMIT
from sharedstate_backends import ConfigurationError
from tests.support.asking import ask
from tests.support.peer import Client, open_peer, upgrade_request
from tests.support.secure import Authority, open_secure_peer
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sharedstate_anyio import RunningServer

EVIL = "evil.example"


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged but refusals, and that a server is open to others."""
    caplog.set_level(logging.INFO)
    yield
    records = [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert {event_of(record) for record in records} <= {"host_refused", "open_to_anybody"}


def event_of(record: logging.LogRecord) -> object:
    return getattr(record, "fields", {}).get("event")


def answers(hosts: Hosts, *names: str, secure: bool = False) -> bool:
    fields = [(b"host", name.encode("latin-1")) for name in names]
    return hosts.refusal([(b"accept", b"*/*"), *fields], secure=secure) is None


def parse(hosts: object) -> Hosts:
    return parse_config({**document(), "hosts": hosts}).hosts


# The rule


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "LocalHost:9000", "localhost.", "app.localhost:80", "127.0.0.1:9000"),
        *("127.9.9.9", "[::1]:9000", "[::1]", "192.168.1.7:9000", "203.0.113.9"),
        *("[2001:db8::1]:9000", "[fe80::1%25eth0]", "", ":9000"),
    ],
)
def test_nobody_can_point_these_elsewhere(name: str) -> None:
    """A browser looks no address up, and a loopback name at nobody's. Without a name there is no browser."""
    assert answers(Hosts(), name)
    assert answers(Hosts())


@pytest.mark.parametrize(
    "name",
    [
        *(EVIL, f"{EVIL}:9000", "localhost.evil.example", "127.0.0.1.evil.example", "nas", "a b"),
        *("evillocalhost", "127.1", "0x7f000001", "1.2.3", "[::1", "::1]", "[evil.example]", "[]"),
        *("127.0.0.1@evil.example", "evil.example@127.0.0.1", "localhost/", "localhost\t", "*"),
        *("a" * 16_000, "1" * 256 + ".localhost"),
        *("127.0.0.1:9000:1", "127.0.0.1:x", "l\xf6calhost", "\x00", ".", "..", "localhost.."),
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    assert not answers(Hosts(), name)


def test_every_name_of_a_request_counts() -> None:
    assert not answers(Hosts(), "localhost", EVIL)
    assert not answers(Hosts(), EVIL, "localhost")


def test_over_tls_the_certificate_decides() -> None:
    """A browser has held it against the name."""
    assert answers(Hosts(), EVIL, secure=True)


def test_the_server_s_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Nas.home.example")
    origins = Origins(
        frozenset(["https://app.example.org:8443", "http://[::1]", "null", "same-host"])
    )
    local = parse(["State.example.org"]).with_own(
        origins, ["127.0.0.1", "here.example"], local=True
    )
    for name in ("state.example.org:9000", "APP.example.org", "here.example."):
        assert answers(local, name)
    for name in (
        "x.app.example.org",
        "example.org",
        "null",
        "same-host",
        "nas",
        "nas.home.example",
    ):
        assert not answers(local, name)
    open_to_others = Hosts().with_own(origins, ["0.0.0.0"], local=False)
    for name in ("nas.home.example", "NAS:9000", "nas.local", "app.example.org"):
        assert answers(open_to_others, name)
    assert not answers(open_to_others, "home.example")
    assert not answers(open_to_others, EVIL)


def test_every_name_by_choice() -> None:
    assert answers(parse(["*"]), EVIL)
    assert answers(parse("*"), EVIL)
    every_page = Origins(frozenset(["*"]))
    assert answers(Hosts().with_own(every_page, [], local=True), EVIL), "it may connect anyway"


@pytest.mark.parametrize(
    ("hosts", "place"),
    [
        (None, "hosts: "),
        ({}, "hosts: "),
        ("state.example.org", 'hosts: expected "*" or a list of names, found a text'),
        (["state.example.org", 7], "hosts[1]: "),
        (["https://state.example.org"], "hosts[0]: "),
        (["state.example.org:9000"], "hosts[0]: "),
        (["state.example.org/"], "hosts[0]: "),
        (["*.example.org"], "hosts[0]: "),
        (["b\xfccher.example"], "hosts[0]: "),
        ([""], "hosts[0]: "),
        (["."], "hosts[0]: "),
        (["*."], "hosts[0]: "),
        (["[::1]"], "hosts[0]: "),
    ],
)
def test_faults(hosts: object, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(hosts)
    assert str(caught.value).startswith(place)
    assert str(caught.value).isprintable()


# On the wire


@asynccontextmanager
async def serving(**keys: Any) -> AsyncIterator[RunningServer]:
    async with serve(parse_config({**document(), "metrics": "anyone", **keys})) as server:
        yield server


async def opens(port: int, host: str, origin: str | None = None) -> bytes:
    """Return the status line of a handshake."""
    async with open_peer(port) as peer:
        await peer.send(upgrade_request(Host=host, Origin=origin))
        return (await peer.receive()).partition(b"\r\n")[0]


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
async def test_a_name_that_is_pointed_at_the_server(
    listen: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages, metrics, own files, WebSocket: nothing is served, and the answer names the setting."""
    (tmp_path / "mine.html").write_text("mine")
    keys: dict[str, Any] = {"service": {"host": listen, "port": 0}, "files": {"/f/": str(tmp_path)}}
    async with serving(**keys) as server:
        for target in ("/", "/pages/", "/libs/", "/metrics", "/f/mine.html", "/nothing", "*"):
            for method in ("GET", "HEAD", "POST"):
                status, headers, body = await ask(server.port, target, method, Host=EVIL)
                assert (status, headers["x-content-type-options"]) == (421, "nosniff")
                if method != "HEAD":
                    told = json.loads(body)["error"]["message"]
                    assert f'"{EVIL}"' in told
                    assert '"hosts"' in told
        for origin in (f"http://{EVIL}", f"http://{EVIL}:{server.port}", "http://localhost", None):
            for host in (EVIL, f"{EVIL}:{server.port}"):
                assert (await opens(server.port, host, origin)).startswith(b"HTTP/1.1 421 ")
        for name in ("localhost", "127.0.0.1", f"[::1]:{server.port}"):
            assert (await ask(server.port, "/", Host=name))[0] == 200
            assert (await opens(server.port, name)).startswith(b"HTTP/1.1 101 ")
        told = [r for r in caplog.records if event_of(r) == "host_refused"]
    assert [record.levelname for record in told] == ["WARNING"], "each name once"
    assert f'"{EVIL}"' in told[0].getMessage()
    assert '"hosts"' in told[0].getMessage()


async def test_a_name_behind_another_on_a_kept_connection() -> None:
    async with serving() as server, open_peer(server.port) as peer:
        for host, status in (("localhost", b"200"), (EVIL, b"421"), ("localhost", b"200")):
            await peer.send(f"HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (await peer.receive()).split()[1] == status
        await peer.send(upgrade_request(Host=EVIL))
        assert (await peer.receive()).split()[1] == b"421"


async def test_health_checks_have_any_name() -> None:
    """A load balancer asks under whatever name it likes, and the answer is no secret."""
    async with serving() as server:
        for target in ("/healthz", "/readyz"):
            assert (await ask(server.port, target, Host=EVIL))[0] == 200
        async with open_peer(server.port) as peer:
            await peer.send(upgrade_request("/readyz", Host=EVIL))
            assert (await peer.receive()).split()[1] == b"421"


async def test_a_browser_sees_a_page() -> None:
    async with serving() as server:
        status, headers, body = await ask(server.port, "/", Host="<nas>", Accept="text/html")
        assert (status, headers["content-type"]) == (421, "text/html; charset=utf-8")
        assert "&lt;nas&gt;" in body
        assert "<nas>" not in body


async def test_a_reload_changes_the_names() -> None:
    async with serving() as server:
        config = parse_config({**document(), "hosts": ["nas.lan"]})
        assert not (await opens(server.port, "nas.lan:9000")).startswith(b"HTTP/1.1 101")
        outcome = server.reload(config)
        assert outcome is not None
        assert "hosts" in outcome.changed
        assert (await opens(server.port, "nas.lan:9000")).startswith(b"HTTP/1.1 101")
        assert (await opens(server.port, "nas.lan:9000", "http://nas.lan")).startswith(
            b"HTTP/1.1 101"
        )
        assert (await ask(server.port, "/", Host="nas.lan"))[0] == 200
        server.reload(parse_config({**document(), "origins": ["https://nas.lan"]}))
        assert (await ask(server.port, "/", Host="nas.lan"))[0] == 200
        server.reload(parse_config(document()))
        assert (await ask(server.port, "/", Host="nas.lan"))[0] == 421


async def test_the_host_that_it_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [there])
    async with serving(service={"host": "State.lan", "port": 0}) as server:
        assert (await ask(server.port, "/", Host="state.lan"))[0] == 200


async def test_a_unix_socket_has_no_name(tmp_path: Path) -> None:
    """Only a proxy can be there: whoever points a name at it reaches the server."""
    path = str(tmp_path / "s")
    async with serving(service={"unix": path}, origins=["https://app.example.org"]):
        for host, status in (("app.example.org", b"101"), ("localhost", b"101"), (EVIL, b"421")):
            async with open_peer(path) as peer:
                await peer.send(upgrade_request(Host=host))
                assert (await peer.receive()).split()[1] == status


async def test_over_tls(authority: Authority) -> None:
    service = {"host": "127.0.0.1", "port": 0, "ssl": authority.write()}
    async with (
        serving(service=service) as server,
        open_secure_peer(server.port, authority.trusted()) as peer,
    ):
        await peer.send(
            upgrade_request(Host="state.example.org", Origin="https://state.example.org")
        )
        await peer.upgraded()
        assert await Client(peer).get("/") == ["items"]


def test_the_log_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hosts = Hosts()
    for number in range(LIMIT + 50):
        assert not answers(hosts, f"evil{number}.example\x1b[2J")
    assert len(caplog.records) == LIMIT
    assert all(record.getMessage().isprintable() for record in caplog.records)
