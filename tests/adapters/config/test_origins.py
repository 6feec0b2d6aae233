"""Whose pages may open a WebSocket: the rule, its configuration, and the answer on the wire."""

from __future__ import annotations

import json
import logging

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.origins import Origins
from sharedstate_anyio.logs.once import LIMIT
from sharedstate_backends import ConfigurationError
from tests.support.peer import Client, open_peer, upgrade_request
from tests.support.services.servers import document, running


def parse(origins: object) -> Origins:
    return parse_config({**document(), "origins": origins}).origins


def allows(origins: Origins, origin: str | None, host: str = "state.example.org:9000") -> bool:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    return origins.refusal(headers) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "state.example.org"),
        ("http://state.example.org", "state.example.org"),
        ("https://state.example.org:8443", "State.Example.org:9000"),
        ("http://STATE.example.org:9000", "state.example.org"),
        ("http://[2001:db8::1]:80", "[2001:db8::1]:9000"),
        ("http://localhost", "127.0.0.1:9000"),
        ("http://localhost:8000", "state.example.org"),
        ("https://app.localhost:3000", "127.0.0.1:9000"),
        ("http://127.0.0.1:5173", "localhost:9000"),
        ("http://127.8.7.6", "localhost:9000"),
        ("http://[::1]:8000", "localhost:9000"),
    ],
)
def test_served_by_default(origin: str | None, host: str) -> None:
    assert allows(Origins(), origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://example.org",
        "http://sub.state.example.org",
        "http://state.example.org.evil.example",
        "http://state.example.org@evil.example",
        "http://evil.example/state.example.org",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evillocalhost",
        "http://128.0.0.1",
        "http://[::2]",
        "http://localhost/",
        "http://localhost http://localhost",
        "http://localhost:",
        "//localhost",
        "localhost",
        "null",
        "NULL",
        "*",
        "",
        "file://",
        "http://",
        "http://:9000",
        "http://l\xf6calhost",
        "http://\x00",
    ],
)
def test_refused_by_default(origin: str) -> None:
    assert not allows(Origins(), origin)


def test_a_host_that_is_none_matches_nothing() -> None:
    assert not allows(Origins(), "http://evil.example", "")
    assert not allows(Origins(), "http://", "")
    assert Origins().refusal([(b"origin", b"http://evil.example")]) is not None


def test_two_origins_are_refused() -> None:
    twice = [(b"host", b"localhost"), (b"origin", b"http://localhost")] * 2
    assert Origins().refusal(twice) is not None


@pytest.mark.parametrize("listed", ["*", ["*"], ["https://a.example", "*"]])
def test_every_page_by_choice(listed: object) -> None:
    for origin in ("https://evil.example", "null", "nonsense", None):
        assert allows(parse(listed), origin)


def test_a_list_stands_instead_of_the_default() -> None:
    listed = parse(["HTTPS://App.example.org:443", "http://a.example:8080", "null"])
    assert allows(listed, None)
    assert allows(listed, "https://app.example.org")
    assert allows(listed, "http://a.example:8080")
    assert allows(listed, "null")
    assert not allows(listed, "http://app.example.org")
    assert not allows(listed, "http://a.example")
    assert not allows(listed, "http://localhost")
    assert not allows(listed, "http://state.example.org")
    assert allows(parse(["same-host"]), "http://state.example.org")
    assert not allows(parse(["same-host"]), "http://localhost")
    assert allows(parse(["localhost"]), "http://localhost")
    assert not allows(parse([]), "http://localhost")
    assert allows(parse([]), None)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_name_that_others_point_at_the_server_is_not_its_own(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever owns a name can let it point to the browser's machine (DNS rebinding)."""
    config = parse_config({**document(), "service": {"host": host, "port": 0}})
    async with serve(config) as server:
        for name, status in (("evil.test", b"421"), ("127.0.0.1", b"101")):
            async with open_peer(server.port) as peer:
                where = f"{name}:{server.port}"
                await peer.send(upgrade_request(Host=where, Origin=f"http://{name}:8000"))
                assert (await peer.receive()).split()[1] == status
    caplog.clear()  # that anybody may come in


def test_what_hosts_are_named() -> None:
    listed = parse(["https://app.example.org:8443", "http://[::1]", "null", "same-host"])
    assert listed.hosts == {"app.example.org", "[::1]"}
    assert parse("*").hosts == {"*"}
    assert Origins().hosts == set()


@pytest.mark.parametrize(
    ("origins", "place"),
    [
        (None, "origins: "),
        ({}, "origins: "),
        ("https://a.example", 'origins: expected "*" or a list of origins, found a text'),
        (["https://a.example", 7], "origins[1]: "),
        (["https://a.example/"], "origins[0]: "),
        (["https://*.example"], "origins[0]: "),
        (["a.example"], "origins[0]: "),
        (["https://b\xfccher.example"], "origins[0]: "),
        (["https://u:p@a.example"], "origins[0]: "),
        ([""], "origins[0]: "),
        ([["*"]], "origins[0]: "),
    ],
)
def test_faults(origins: object, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(origins)
    assert str(caught.value).startswith(place)
    assert str(caught.value).isprintable()


async def test_a_refusal_on_the_wire(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server:
        for _ in range(2):
            async with open_peer(server.port) as peer:
                await peer.send(upgrade_request(Origin="https://evil.example"))
                answer = await peer.receive_all()
                assert answer.startswith(b"HTTP/1.1 403 ")
                told = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
                assert '"https://evil.example"' in told
                assert '"origins"' in told
        for origin in (None, f"http://127.0.0.1:{server.port}", "http://localhost:8000"):
            async with open_peer(server.port) as peer:
                await peer.send(upgrade_request(Origin=origin))
                await peer.upgraded()
                assert await Client(peer).get("/") == ["items"]
    told = [record.getMessage() for record in caplog.records if "evil" in record.getMessage()]
    assert len(told) == 1, "each origin is logged once"


async def test_origins_of_the_configuration_are_in_force() -> None:
    config = parse_config({**document(), "origins": ["null"]})
    async with serve(config) as server:
        for origin, status in (("null", b"101"), ("http://localhost", b"403")):
            async with open_peer(server.port) as peer:
                await peer.send(upgrade_request(Origin=origin))
                assert (await peer.receive()).startswith(b"HTTP/1.1 " + status)


def test_the_log_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    origins = Origins()
    for number in range(LIMIT + 50):
        assert not allows(origins, f"https://evil{number}.example\x1b[2J")
    assert len(caplog.records) == LIMIT
    assert all(record.getMessage().isprintable() for record in caplog.records)
