"""docs/operating.md: its units, proxies and scripts with the real programs, its metrics with the real numbers."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from sharedstate_anyio.client import connect
from tests.docs.test_examples import Block, blocks
from tests.support import frames
from tests.support.peer import Client, open_peer, upgrade_request
from tests.support.ports import free_port
from tests.support.secure import Authority, open_secure_peer
from tests.support.services.command import Command, started
from tests.support.services.servers import document, sqlite

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping


SECONDS: Final = 30.0
PAGE: Final = "docs/operating.md"
TEXT: Final = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
SOCKET: Final = "/run/sharedstate.sock"
PING_SECONDS: Final = 1.5
PATIENCE: Final = 4
"""Seconds of silence after which the proxy gives up here: more than between two pings, less than between four."""
C: Final = "/myapp/items/todo"


def of_page(language: str) -> list[Block]:
    return [block for block in blocks() if block.page == PAGE and block.language == language]


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Put this place's names where the page has its own, each of which is there once."""
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing; make .stamps/debian installs it"
    return found


# Units


def test_units(tmp_path: Path) -> None:
    opened, server = (block.text for block in of_page("ini"))
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(server)
    command, config = parsed["Service"]["ExecStart"].split()
    assert (Path(command).name, config) == ("sharedstate-anyio", "/etc/sharedstate/config.json")
    assert f"ListenStream={SOCKET}\n" in opened
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    installed = str(Path(sys.executable).with_name("sharedstate-anyio"))
    (tmp_path / "sharedstate.socket").write_text(opened)
    (tmp_path / "sharedstate.service").write_text(replaced(server, {command: installed}))
    units = [str(tmp_path / "sharedstate.socket"), str(tmp_path / "sharedstate.service")]
    run = subprocess.run(
        [analyze, "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in run.stderr.splitlines() if "sharedstate" in line]
    assert (run.returncode, complaints) == (0, [])
    run = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", "--threshold=20", units[1]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout


# Proxies


@contextmanager
def short_folder() -> Iterator[Path]:
    """Give a folder whose path is short enough for a UNIX socket in it."""
    with tempfile.TemporaryDirectory(prefix="ss") as folder:
        yield Path(folder)


@contextmanager
def proxy(port: int, *command: str, **environment: str) -> Iterator[None]:
    """Run a proxy until the block ends; it is ready when it listens."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    ended = process.poll() is not None or time.monotonic() > deadline
                    if ended:
                        process.kill()
                    assert not ended, process.communicate()[0]
                    time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@contextmanager
def serving(folder: Path, loop: str) -> Iterator[Command]:
    """Run the server that the page configures."""
    (block,) = of_page("json")
    config = json.loads(replaced(block.text, {SOCKET: f"{folder}/socket"}))
    config["services"][0]["config"]["db_name"] = "items.db"
    config["limits"] = {"ping_seconds": PING_SECONDS, "pong_seconds": PING_SECONDS}
    (folder / "config.json").write_text(json.dumps(config))
    with started("config.json", "--loop", loop, folder=folder) as server:
        server.says("Ctrl-C")
        yield server


def sockets(server: Command) -> set[str]:
    """Return the identities of a server's open sockets."""
    found = set()
    for file in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(file.readlink()))
    return {name for name in found if name.startswith("socket:")}


def check_kept(server: Command, own: set[str], base: str, context: ssl.SSLContext | None) -> None:
    """See that the proxy asks again on a connection that it has; `own`: the sockets that were open without any."""
    assert status(f"{base}/healthz", context) == 200
    before = sockets(server) - own
    assert [status(f"{base}/healthz", context) for _ in range(10)] == [200] * 10
    assert sockets(server) & before


def status(url: str, context: ssl.SSLContext | None) -> int:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS, context=context) as response:
            code: int = response.status
            return code
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


async def use(port: int, context: ssl.SSLContext | None) -> None:
    """Be a program, a page, a page of strangers, and a client that has nothing to say."""
    url = f"{'wss' if context else 'ws'}://127.0.0.1:{port}/"
    with anyio.fail_after(SECONDS):
        async with connect(url, ssl_context=context) as client:
            ds = await client.acquire(C)
            await ds.update(insert=[{"id": "a", "text": "x" * 100_000}])
            assert "a" in ds
    for origin, expected in ("https://app.example.org", b"101"), ("https://evil.example", b"403"):
        async with reached(port, context) as peer:
            await peer.send(upgrade_request(Origin=origin))
            assert (await peer.receive()).split(b" ", 2)[1] == expected
    for host, let_in in ("app.example.org", True), ("evil.example", False):
        async with reached(port, context) as peer:
            await peer.send(upgrade_request(Host=host, Origin=f"https://{host}"))
            assert ((await peer.receive()).split(b" ", 2)[1] == b"101") == let_in
    async with reached(port, context) as peer:
        await peer.upgrade()
        for _ in range(3):
            frame = await peer.frame()
            assert frame.opcode == frames.PING
            await peer.send(frames.encode(frames.PONG, frame.payload))
        assert await Client(peer).get("/") == ["items", "mitems"]


def reached(port: int, context: ssl.SSLContext | None) -> Any:
    return open_secure_peer(port, context) if context else open_peer(port)


def check_http(base: str, context: ssl.SSLContext | None) -> None:
    expected = {"": 200, "healthz": 200, "readyz": 200, "libs/sharedstate.es.js": 200}
    expected["metrics"] = 403
    assert {path: status(f"{base}/{path}", context) for path in expected} == expected


def test_nginx() -> None:
    (block,) = of_page("nginx")
    port = free_port()
    with short_folder() as folder, serving(folder, "asyncio") as server:
        own = sockets(server)
        authority = Authority(folder)
        certificate = authority.write()
        changes = {
            f"unix:{SOCKET}": f"unix:{folder}/socket",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/app.example.org/fullchain.pem": str(certificate["cert"]),
            "/etc/ssl/app.example.org/privkey.pem": str(certificate["key"]),
            "proxy_read_timeout 60s;": f"proxy_read_timeout {PATIENCE}s;",
        }
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
            f"events {{ worker_connections 64; }}\n"
            f"http {{ access_log off;\n{folders}{replaced(block.text, changes)} }}\n"
        )
        nginx = (program("nginx"), "-e", "stderr", "-p", str(folder), "-c", "nginx.conf")
        subprocess.run([*nginx, "-t", "-q"], timeout=SECONDS, check=True)
        with proxy(port, *nginx):
            check_http(f"https://127.0.0.1:{port}", authority.trusted())
            check_kept(server, own, f"https://127.0.0.1:{port}", authority.trusted())
            anyio.run(use, port, authority.trusted())


def test_caddy() -> None:
    (block,) = of_page("caddyfile")
    port = free_port()
    with short_folder() as folder, serving(folder, "trio") as server:
        own = sockets(server)
        changes = {SOCKET: f"{folder}/socket", "app.example.org": f"http://:{port}"}
        text = "{\n    admin off\n    auto_https off\n    default_bind 127.0.0.1\n}\n"
        (folder / "Caddyfile").write_text(text + replaced(block.text, changes))
        options = ("--config", f"{folder}/Caddyfile", "--adapter", "caddyfile")
        home = {"HOME": str(folder), "XDG_DATA_HOME": f"{folder}", "XDG_CONFIG_HOME": f"{folder}"}
        caddy = program("caddy")
        subprocess.run(
            [caddy, "validate", *options],
            env={**os.environ, **home},
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        with proxy(port, caddy, "run", *options, **home):
            check_http(f"http://127.0.0.1:{port}", None)
            check_kept(server, own, f"http://127.0.0.1:{port}", None)
            anyio.run(use, port, None, backend="trio")


def test_haproxy() -> None:
    (block,) = of_page("haproxy")
    port = free_port()
    with short_folder() as folder, serving(folder, "asyncio") as server:
        own = sockets(server)
        authority = Authority(folder)
        certificate = authority.write()
        both = folder / "both.pem"
        both.write_text(
            "".join(Path(str(certificate[part])).read_text() for part in ("cert", "key"))
        )
        changes = {
            f"unix@{SOCKET}": f"unix@{folder}/socket",
            "bind :443 ssl": f"bind 127.0.0.1:{port} ssl",
            "/etc/ssl/app.example.org/both.pem": str(both),
            "timeout tunnel 60s": f"timeout tunnel {PATIENCE}s",
        }
        (folder / "haproxy.cfg").write_text(replaced(block.text, changes))
        haproxy = (program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg"))
        subprocess.run([*haproxy, "-c"], timeout=SECONDS, check=True, stdout=subprocess.DEVNULL)
        with proxy(port, *haproxy):
            check_http(f"https://127.0.0.1:{port}", authority.trusted())
            check_kept(server, own, f"https://127.0.0.1:{port}", authority.trusted())
            anyio.run(use, port, authority.trusted())


# Metrics


def monitored(folder: Path) -> dict[str, object]:
    """Return the configuration of a server that has something to tell of everything: a file, a certificate."""
    plain: dict[str, object] = {"host": "127.0.0.1", "port": 0}
    listen = [plain, {**plain, "ssl": Authority(folder).write()}]
    return {**document(sqlite("items", "items.db")), "service": {"listen": listen}}


def test_metrics(tmp_path: Path) -> None:
    """Whatever the page names is there, and the other way round."""
    (tmp_path / "config.json").write_text(json.dumps(monitored(tmp_path)))
    with started("config.json", folder=tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(url, timeout=SECONDS) as response:
            told = response.read().decode()
    found = set(re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE))
    samples = set(re.findall(r"^(\w+)[{ ]", told, re.MULTILINE))
    rest = TEXT[TEXT.index("| metric | |") :]
    table, _, rest = rest.partition("\n\n")
    first = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    named = {f"sharedstate_{name}" for name in re.findall(r"`([a-z]\w+)(?:\{[^`]*)?`", first)}
    assert named == {name for name in found if name.startswith("sharedstate_")}
    alerts = re.findall(r"\b((?:sharedstate|process)_\w+)", rest[: rest.index("## Trouble")])
    assert len(alerts) > 8
    assert set(alerts) <= samples
