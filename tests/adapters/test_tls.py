"""TLS: with certificates made here, over real sockets, against Python's own client side."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.listeners import Certificates
from sharedstate_anyio.sockets import receive, send_all
from sharedstate_anyio.tls import CHUNK_BYTES, UNTAKEN_BYTES, Tls, TlsSocket
from sharedstate_backends import ConfigurationError
from tests.support import frames
from tests.support.command import started
from tests.support.peer import ClosedError, open_client, open_peer, upgrade_request
from tests.support.secure import Authority, open_secure_client, open_secure_peer
from tests.support.servers import document

if TYPE_CHECKING:
    from sharedstate_anyio import Config

C = "/app/items/c"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secured(ssl: dict[str, object], **limits: object) -> Config:
    base = document()
    service = {**base["service"], "ssl": ssl}  # type: ignore[dict-item]
    return parse_config({**base, "service": service, "limits": limits})


# The same server behind it


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
        await peer.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
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


# The socket itself


def _pair(authority: Authority) -> tuple[TlsSocket, socket.socket, ssl.SSLContext, socket.socket]:
    files = authority.write()
    context = Tls(Certificates(str(files["cert"]), str(files["key"]))).context
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return TlsSocket(ours, context), theirs, authority.trusted(), ours


class Reader:
    """The other side, by hand."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def exchange(self) -> None:
        if self.outgoing.pending:
            await send_all(self.sock, self.outgoing.read())
        data = await receive(self.sock)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.exchange()
            else:
                await send_all(self.sock, self.outgoing.read())
                return

    async def read_all(self) -> bytes:
        """Read up to the goodbye; raise if there is none."""
        found = bytearray()
        while True:
            try:
                data = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                await self.exchange()
            else:
                if not data:  # the goodbye; an end without it raises
                    return bytes(found)
                found += data


async def test_nothing_is_lost_or_doubled_when_the_socket_is_full(authority: Authority) -> None:
    """Pieces of every size through a socket that takes little at a time."""
    stream, theirs, trusted, ours = _pair(authority)
    chance = random.Random(1)
    pieces = [chance.randbytes(chance.choice([1, 100, CHUNK_BYTES, 300_000])) for _ in range(40)]
    got = b""
    refused = 0
    with ours, theirs:
        reader = Reader(theirs, trusted)

        async def read() -> None:
            nonlocal got
            await reader.handshake()
            got = await reader.read_all()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await stream.handshake()
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    try:
                        taken = stream.send(rest)
                    except BlockingIOError:
                        refused += 1
                        assert len(stream._untaken) <= CHUNK_BYTES * 1.1
                        await anyio.wait_writable(stream)
                    else:
                        assert taken > 0
                        rest = rest[taken:]
            stream.shutdown(socket.SHUT_WR)
    assert got == b"".join(pieces)
    assert refused > len(pieces)


async def test_what_arrives_in_single_bytes(authority: Authority) -> None:
    stream, theirs, trusted, ours = _pair(authority)
    with ours, theirs:
        reader = Reader(theirs, trusted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.handshake)
            await stream.handshake()
        reader.tls.write(b"hello")
        for byte in reader.outgoing.read():
            theirs.send(bytes([byte]))
            with contextlib.suppress(BlockingIOError):
                assert stream.recv(100) == b"hello"
        theirs.shutdown(socket.SHUT_WR)
        assert stream.recv(100) == b"", "an end without goodbye is an end"


@pytest.mark.parametrize("damage", [b"\x17\x03\x03\x00\x20" + b"x" * 32, b"GET / HTTP/1.1\r\n"])
async def test_damaged_records_end_the_connection(authority: Authority, damage: bytes) -> None:
    stream, theirs, trusted, ours = _pair(authority)
    with ours, theirs:
        reader = Reader(theirs, trusted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.handshake)
            await stream.handshake()
        theirs.send(damage)
        with pytest.raises(OSError):  # noqa: PT011
            stream.recv(1000)
        assert await receive(stream) == b""


def test_what_tls_says_by_itself_is_bounded() -> None:
    assert UNTAKEN_BYTES <= 256 * 1024


# Who does not speak it


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", upgrade_request(), b"POST ", b"\x00" * 100, b"PRI * "],
)
async def test_plain_text_gets_a_short_end(authority: Authority, said: bytes) -> None:
    async with serve(secured(authority.write())) as server, open_peer(server.port) as peer:
        await peer.send(said)
        peer.shut()
        answer = await peer.receive_all()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"\r\n\r\nthis port speaks TLS; use https:// or wss://\n")
        async with open_secure_client(server.port, authority.trusted()) as client:
            assert await client.get("/") == ["items"]


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.mark.parametrize("said", [b"", HELLO[:1], HELLO, HELLO + b"\xff" * 600])
async def test_half_a_handshake_is_dropped(authority: Authority, said: bytes) -> None:
    async with (
        serve(secured(authority.write(), head_seconds=0.2)) as server,
        open_peer(server.port) as peer,
    ):
        await peer.send(said)
        answer = await peer.receive_all()
        assert answer == b"" or answer[0] == 0x15, "nothing, or an alert"


async def test_a_silent_peer_behind_a_handshake_is_dropped(authority: Authority) -> None:
    async with (
        serve(secured(authority.write(), head_seconds=0.2)) as server,
        open_secure_peer(server.port, authority.trusted()) as peer,
    ):
        assert await peer.receive_all() == b""


async def test_tls_on_a_plain_port_gets_a_short_end(authority: Authority) -> None:
    async with serve(parse_config(document())) as server, open_peer(server.port) as peer:
        await peer.send(HELLO)
        assert (await peer.receive_all()).startswith(b"HTTP/1.1 400 ")


async def test_old_versions_are_refused(authority: Authority) -> None:
    old = authority.trusted()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serve(secured(authority.write())) as server:
        async with open_secure_client(server.port, old) as client:
            assert await client.get("/") == ["items"]
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, anyio.BrokenResourceError)):
            async with open_secure_client(server.port, old):
                pass


async def test_one_too_many_is_told_through_tls(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(secured(authority.write(), connections=1)) as server:
        trusted = authority.trusted()
        async with open_secure_client(server.port, trusted) as client:
            async with open_secure_peer(server.port, trusted) as peer:
                await peer.send(upgrade_request())
                assert (await peer.receive_all()).startswith(b"HTTP/1.1 503 ")
            async with open_peer(server.port) as plain:
                await plain.send(b"GET / HTTP/1.1\r\n")
                assert (await plain.receive_all()).startswith(b"HTTP/1.1 400 ")
            assert await client.get("/") == ["items"]
    caplog.clear()


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
    (tmp_path / "config.json").write_text(json.dumps({**base, "service": service}))
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
            ("{", None, " ERROR configuration not reloaded, the old one holds: config.json"),
            (
                json.dumps({**base, "service": service}),
                "no key",
                " ERROR certificates not reloaded",
            ),
        ):
            (tmp_path / "config.json").write_text(content)
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


# Configuration


def spelled(**service: Any) -> Certificates | None:
    (listen,) = parse_config({**document(), "service": service}).listen
    return listen.ssl


def test_both_spellings() -> None:
    files = {"cert": "c.pem", "key": "k.pem"}
    assert spelled(ssl=files) == Certificates("c.pem", "k.pem")
    assert spelled(ssl={**files, "ca": "ca.pem"}) == Certificates("c.pem", "k.pem", "ca.pem")
    assert spelled(ssl={**files, "ca": None}) == Certificates("c.pem", "k.pem")
    flat = {"ssl.enabled": True, "ssl.key": "k.pem", "ssl.ca": None, "ssl.cert": "c.pem"}
    assert spelled(**flat) == Certificates("c.pem", "k.pem")
    assert spelled(**{**flat, "ssl.enabled": False}) is None
    off = {"ssl.enabled": False, "ssl.key": None, "ssl.ca": None, "ssl.cert": None}
    assert spelled(**off) is None
    assert spelled(**{"ssl.key": None}) is None
    assert spelled(ssl=None) is None
    assert spelled() is None


@pytest.mark.parametrize(
    ("service", "place"),
    [
        ({"ssl": True}, "service.ssl: expected an object"),
        ({"ssl": {"key": "k"}}, "service.ssl.cert: is missing"),
        ({"ssl": {"cert": "c"}}, "service.ssl.key: is missing"),
        ({"ssl": {"cert": "c", "key": "k", "kye": 1}}, "service.ssl.kye: unknown key"),
        ({"ssl": {"cert": "c", "key": 7}}, "service.ssl.key: expected the name of a PEM file"),
        ({"ssl": {"cert": "", "key": "k"}}, "service.ssl.cert: expected the name"),
        ({"ssl": {"cert": "c", "key": "k", "ca": ["x"]}}, "service.ssl.ca: expected the name"),
        ({"ssl": {"cert": "c\0", "key": "k"}}, "service.ssl.cert: expected the name"),
        (
            {"ssl.enabled": True, "ssl.key": "k"},
            "service.ssl.cert: expected the name of a PEM file, found null",
        ),
        ({"ssl.enabled": "yes"}, "service.ssl.enabled: expected true or false"),
        ({"ssl.enabled": None, "ssl.cert": "c"}, "service.ssl.enabled: expected true or false"),
        ({"ssl.cert": "c", "ssl.key": "k"}, "service.ssl.enabled: is missing"),
        ({"ssl": {"cert": "c", "key": "k"}, "ssl.enabled": True}, "service.ssl.enabled: stands"),
        ({"ssl.cret": "c"}, 'service.ssl.cret: unknown key; did you mean "ssl.cert"'),
    ],
)
def test_faults(service: dict[str, object], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        spelled(**service)
    assert str(caught.value).startswith(place), caught.value
    assert str(caught.value).isprintable()


def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.write(), authority.write("other")
    cert, key = str(good["cert"]), str(good["key"])
    (tmp_path / "empty").write_text("")
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(_encrypted(key))
    damaged = tmp_path / "damaged"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    missing, empty = str(tmp_path / "missing"), str(tmp_path / "empty")
    for files, place in [
        (Certificates(missing, key), "service.ssl.cert: cannot be read: No such file"),
        (Certificates(cert, missing), "service.ssl.key: cannot be read: No such file"),
        (Certificates(str(tmp_path), key), "service.ssl.cert: cannot be read: Is a directory"),
        (Certificates(empty, key), "service.ssl.cert: holds no certificate"),
        (Certificates(key, key), "service.ssl.cert: holds no certificate"),
        (Certificates(cert, cert), "service.ssl.key: holds no private key"),
        (Certificates(str(damaged), key), "service.ssl.cert: does not fit"),
        (Certificates(cert, str(other["key"])), "service.ssl.cert: does not fit the key"),
        (Certificates(cert, str(encrypted)), "service.ssl.key: is encrypted"),
        (Certificates(cert, key, missing), "service.ssl.ca: cannot be read"),
        (Certificates(cert, key, empty), "service.ssl.ca: holds no certificate"),
        (Certificates(cert, key, str(damaged)), "service.ssl.ca: holds no certificate"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            Tls(files)
        assert str(caught.value).startswith(place), caught.value
        assert str(caught.value).isprintable()


def _encrypted(name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization

    with open(name, "rb") as file:  # noqa: PTH123
        key = serialization.load_pem_private_key(file.read(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


async def test_a_bad_file_at_the_start_is_one_line(authority: Authority, tmp_path: Path) -> None:
    base = document()
    files = {**authority.write(), "key": "missing.key"}
    service = {**base["service"], "ssl": files}  # type: ignore[dict-item]
    (tmp_path / "config.json").write_text(json.dumps({**base, "service": service}))
    with started("config.json", folder=tmp_path) as command:
        assert await command.finished() == 2
    (line,) = command.errors.splitlines()
    assert "service.ssl.key: cannot be read" in line
    assert command.output == ""


async def test_plain_clients_are_not_concerned() -> None:
    async with serve(parse_config(document())) as server, open_client(server.port) as client:
        assert await client.get("/") == ["items"]
