"""A store in MariaDB: how it is reached, with TLS or without, and what is told when it is not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from sharedstate_backends import Island
from sharedstate_backends.conformance.model import (
    path,
    put,
    state_of,
    write_all,
)
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.mysql.wire import connection as mysql_connection
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_core.updates import Update
from tests.backends.opening import opened, problem
from tests.support.faults.relay import relay
from tests.support.secure import Authority
from tests.support.services.mariadb import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sharedstate_backends.mysql.wire.compound import Rows
    from tests.support.services.mariadb import MariaDb


@pytest.mark.parametrize(
    ("mode", "is_refused"), [({}, False), ({"single": "ON"}, False), ({"single": "OFF"}, True)]
)
async def test_group_replication(
    mysql: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    mode: dict[str, str],
    *,
    is_refused: bool,
) -> None:
    """A group in which every member takes writes would lose some. (What it says of itself is played here.)"""
    run = Connection.run

    async def played(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        if "group_replication" in statements:
            names = {"single": "group_replication_single_primary_mode"}
            rows = [(names[key], value) for key, value in mode.items()]
            return [[*rows, ("group_replication_group_name", "aaaaaaaa-1111")]]
        return await run(connection, statements, **options)

    monkeypatch.setattr(Connection, "run", played)
    if is_refused:
        assert "in multi-primary mode" in await problem(mysql)
    else:
        async with opened(get_service(mysql)) as backend:
            assert await write_all(backend, path(), put("a")) == 1


# --- getting in -----------------------------------------------------------------------------------


async def test_the_database_is_created(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    shared_mariadb.sql("DROP DATABASE IF EXISTS `fresh-1`")
    async with opened(get_service(mysql | {"db_name": "fresh-1"})) as backend:
        assert await write_all(backend, path(), put("a")) == 1
    async with opened(get_service(mysql | {"db_name": "fresh-1"})) as backend:
        assert list(state_of(await backend.load(path(), None))) == ["a"]


async def test_a_user_with_few_rights(mysql: dict[str, Any], shared_mariadb: MariaDb) -> None:
    shared_mariadb.sql(
        "DROP DATABASE IF EXISTS mine; DROP DATABASE IF EXISTS theirs; "
        "CREATE OR REPLACE USER ann@localhost IDENTIFIED BY 'pässword€'; "
        "CREATE OR REPLACE USER ann@'127.0.0.1' IDENTIFIED BY 'pässword€'; "
        "GRANT ALL ON mine.* TO ann@localhost; GRANT ALL ON mine.* TO ann@'127.0.0.1'; "
        "CREATE DATABASE theirs"
    )
    ann = mysql | {"db_user": "ann", "db_password": "pässword€", "db_name": "mine"}
    async with opened(get_service(ann)) as backend:
        assert await write_all(backend, path(), put("a")) == 1
    by_socket = ann | {"db_socket": shared_mariadb.socket, "db_port": 1}
    async with opened(get_service(by_socket)) as backend:
        assert await write_all(backend, path(), put("a")) == 2
    for name in ("other", "theirs"):
        told = await problem(ann | {"db_name": name})
        assert "user ann may neither use nor create it" in told
        assert f"GRANT ALL ON `{name}`.*" in told
    told = await problem(ann | {"db_password": "wrong password"})
    assert "check db_user and db_password" in told
    assert "wrong password" not in told


async def test_nobody_there(mysql: dict[str, Any], tmp_path: Path) -> None:
    with started_nothing() as port:
        told = await problem(mysql | {"db_port": port})
    assert f"database sharedstate at 127.0.0.1:{port}" in told
    assert "onnect" in told
    assert "/no/such" in await problem(mysql | {"db_socket": "/no/such"})


async def test_somebody_else_there(mysql: dict[str, Any]) -> None:
    """Who listens is no database: it says something else, or nothing at all."""
    for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None):

        async def serve(stream: anyio.abc.SocketStream, words: bytes | None = words) -> None:
            async with stream:
                if words is None:
                    await anyio.sleep_forever()
                await stream.send(words or b"")

        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, serve)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            await problem(mysql | {"db_port": port, "db_timeout": 1})
            tasks.cancel_scope.cancel()


class started_nothing:  # noqa: N801
    """A port at which nobody listens."""

    def __enter__(self) -> int:
        import socket

        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        return int(self._sock.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._sock.close()


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_mariadb(
    mariadb_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MariaDb, Path]]:
    """Return a MariaDB that speaks TLS only, and the folder with everybody's certificates."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.write("server", "127.0.0.1")
    authority.write("client", "client@example.org")
    (folder / "others").mkdir()
    Authority(folder / "others")
    options = (
        "--require-secure-transport=ON",
        "--log-bin",
        "--sync-binlog=0",
        f"--ssl-ca={folder / 'ca.pem'}",
        f"--ssl-cert={folder / 'server.pem'}",
        f"--ssl-key={folder / 'server.key'}",
    )
    with started(mariadb_template, tmp_path_factory.mktemp("db"), *options) as database:
        database.sql(
            "CREATE USER bob@'127.0.0.1' REQUIRE X509; GRANT ALL ON *.* TO bob@'127.0.0.1'"
        )
        yield database, folder


async def test_tls(tls_mariadb: tuple[MariaDb, Path]) -> None:
    database, folder = tls_mariadb
    secure = database.config(**{"ssl.enabled": True, "ssl.ca": str(folder / "ca.pem")})
    large = Update(insert={"a": b'"' + b"\\" * 3_000_000 + b'"'})
    async with opened(get_service(secure)) as backend:
        await write_all(backend, path(), large)
        assert state_of(await backend.load(path(), None)) == large.insert
    bob = secure | {"db_user": "bob"}
    shown = {"ssl.cert": str(folder / "client.pem"), "ssl.key": str(folder / "client.key")}
    async with opened(get_service(bob | shown)) as backend:
        assert (await backend.load(path(), None)).version > 0
    assert "Access denied" in await problem(bob)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_silent_server_does_not_keep_the_socket_open(
    tls_mariadb: tuple[MariaDb, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing TLS waits for the other side's word; that of a server that says nothing is not waited for."""
    monkeypatch.setattr(mysql_connection, "GOODBYE_SECONDS", 0.05)
    database, folder = tls_mariadb
    secure = database.config(**{"ssl.enabled": True, "ssl.ca": str(folder / "ca.pem")})
    async with relay(database.port) as link:
        backend = get_service(secure | {"db_port": link.port})
        async with opened(backend):
            pool = cast("Any", backend).backend._pool
            sockets = [each._driver._transport.get_extra_info("socket") for each in pool._idle]
            assert sockets
            link.hold()
        assert [sock.fileno() for sock in sockets] == [-1] * len(sockets)


async def test_a_binary_log_that_may_lose_its_end(tls_mariadb: tuple[MariaDb, Path]) -> None:
    """Then the database takes commits back, too, after a loss of power: versions may be counted anew."""
    database, folder = tls_mariadb
    config = database.config(**{"ssl.enabled": True, "ssl.ca": str(folder / "ca.pem")})

    async def epoch() -> str:
        async with opened(get_service(config)) as backend:
            return (await backend.load(path("any"), None)).epoch

    before = await epoch()
    assert await epoch() == before
    database.stop()
    await anyio.sleep(2)  # starts are told apart by seconds
    database.start()
    assert await epoch() != before
    assert await epoch() == await epoch()
    database.sql("SET GLOBAL sync_binlog = 1")
    try:
        assert await epoch() == await epoch()
    finally:
        database.sql("SET GLOBAL sync_binlog = 0")


async def test_tls_refused(tls_mariadb: tuple[MariaDb, Path], mysql: dict[str, Any]) -> None:
    """Neither an unknown authority, nor another name, nor plain text on either side will do."""
    database, folder = tls_mariadb
    secure = database.config(**{"ssl.enabled": True, "ssl.ca": str(folder / "ca.pem")})
    wrong = secure | {"ssl.ca": str(folder / "others" / "ca.pem")}
    assert "certificate verify failed" in await problem(wrong)
    assert "check ssl.enabled, ssl.ca and db_host" in await problem(wrong)
    assert "certificate verify failed" in await problem(wrong | {"ssl.check_hostname": False})
    assert "certificate verify failed" in await problem(secure | {"ssl.ca": None})
    named = secure | {"db_host": "localhost"}
    assert "certificate verify failed" in await problem(named)
    async with opened(get_service(named | {"ssl.check_hostname": False})) as backend:
        assert (await backend.load(path("nothing"), None)).version == 0
    await problem(secure | {"ssl.enabled": False})
    plain_server = mysql | {"ssl.enabled": True, "ssl.ca": str(folder / "ca.pem")}
    await problem(plain_server)


def test_tls_is_checked_by_default() -> None:
    config = {"db_type": "mysql", "db_name": "a", "db_user": "u", "ssl.enabled": True}
    island = get_service(config)
    assert isinstance(island, Island)
    assert isinstance(island._backend, MysqlBackend)
    context = island._backend._address.tls
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
