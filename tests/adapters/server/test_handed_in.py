"""What a program hands to `serve` and to configurations: backends of its own, sockets, and mistakes."""

from __future__ import annotations

import dataclasses
import functools
import pydoc
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import sharedstate_anyio
from sharedstate_anyio import (
    Certificates,
    Config,
    ConfigurationError,
    Limits,
    Listen,
    ListenError,
    Origins,
    ServiceConfig,
    StorageError,
    TransportLimits,
    load_config,
    serve,
)
from sharedstate_anyio.client import connect
from sharedstate_core import RequestError, SharedStateError
from tests.backends.conformance.dictionary_backend import DictionaryBackend
from tests.support.peer import open_client
from tests.support.services.servers import config, listening, until

if TYPE_CHECKING:
    from pathlib import Path

ANYWHERE = Config((Listen(port=0),))


class Watched(DictionaryBackend):
    """A store that knows what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def open(self) -> None:
        self.calls.append("open")

    async def close(self) -> None:
        self.calls.append("close")

    async def heads(self, paths: Any) -> Any:
        self.calls.append("heads")
        return await super().heads(paths)


# --- backends -------------------------------------------------------------------------------------


async def test_a_backend_of_ones_own_serves() -> None:
    backend = Watched()
    async with serve(ANYWHERE, backends={"mine": backend}) as server:
        assert backend.calls == ["open", "heads"], "asked once whether it answers, as any service"
        backend.calls.clear()
        async with open_client(server.port) as client:
            assert await client.get("/") == ["mine"]
            assert await client.put("/app/mine/c", {"insert": [{"id": "a"}]}) == 1
            assert await client.get("/app/mine/c") == [{"id": "a"}]
            await until(lambda: "heads" in backend.calls)  # for what others have committed
            client.peer.shut()
    assert backend.calls[-1] == "close"
    assert backend.calls.count("close") == 1
    assert backend.stored["app", "c"][0] == 1


async def test_a_backend_stands_for_the_service_of_its_name() -> None:
    """In the configured place, with the configured pause; others stay, and so it is after a reload."""
    first, other = ServiceConfig("mine", "no.such.module", poll_seconds=0), config().services[0]
    wanted = dataclasses.replace(ANYWHERE, services=(first, other))
    backend = Watched()
    async with serve(wanted, backends={"mine": backend}) as server:
        async with open_client(server.port) as client:
            assert await client.get("/") == ["mine", "items"]
            client.peer.shut()
        said = server.reload(dataclasses.replace(wanted, limits=Limits(items=5)))
        assert (said.changed, said.waiting) == (("limits.items",), ()) if said else False
        with pytest.raises(TypeError, match="config: expected a Config"):
            server.reload("config.json")  # type: ignore[arg-type]
    assert backend.calls.count("heads") == 1, "at the start"


async def test_a_backend_that_cannot_be_opened() -> None:
    class Refusing(Watched):
        async def open(self) -> None:
            raise ConfigurationError("folder", "there is none")

    with pytest.raises(ConfigurationError, match=r"^backends\['mine'\].config.folder: there is"):
        async with serve(ANYWHERE, backends={"mine": Refusing()}):
            pass


TWICE = DictionaryBackend()


@pytest.mark.parametrize(
    ("backends", "error", "problem"),
    [
        (TWICE, TypeError, "backends: expected a mapping from the service's name to its backend"),
        ([TWICE], TypeError, "backends: expected a mapping"),
        ({"a/b": TWICE}, ValueError, r"backends\['a/b'\]: the name of a service: expected one"),
        ({3: TWICE}, TypeError, r"backends\[3\]: the name of a service: expected a str, found 3"),
        (
            {"a": DictionaryBackend},
            TypeError,
            r"backends\['a'\]: expected a backend, found the class Dict",
        ),
        ({"a": None}, TypeError, r"backends\['a'\]: None has no open, close, load, commit, heads"),
        ({"a": TWICE, "b": TWICE}, ValueError, r"backends\['b'\]: is the backend of 'a', too"),
        ({}, ValueError, "config: has no services; describe one, or hand in a backend"),
    ],
)
async def test_what_are_no_backends(backends: Any, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        async with serve(ANYWHERE, backends=backends):
            pass


# --- configurations -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["config.json", None, {"services": []}, Config])
async def test_what_is_no_configuration(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"config: expected a Config \(load_config reads a file"):
        async with serve(wrong):
            pass


def test_a_document_is_no_file() -> None:
    with pytest.raises(TypeError, match="expected a path; parse_config takes a document"):
        load_config({"services": []})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "problem"),
    [
        (Config, {"listen": Listen()}, TypeError, "listen: expected a tuple, found Listen"),
        (Config, {"listen": ("::1",)}, TypeError, r"listen\[0\]: expected a Listen, found str"),
        (Config, {"listen": ()}, ValueError, "listen: expected at least one Listen, found none"),
        (Config, {"services": ["items"]}, TypeError, "services: expected a tuple, found list"),
        (Config, {"limits": TransportLimits()}, TypeError, "limits: expected a Limits, found Tr"),
        (Config, {"transport": Limits()}, TypeError, "transport: expected a TransportLimits"),
        (Config, {"origins": ["*"]}, TypeError, "origins: expected an Origins, found list"),
        (Config, {"compression": True}, TypeError, "compression: .*, found True"),
        (Config, {"compression": -1}, ValueError, "compression: .*, found -1"),
        (Config, {"metrics": "all"}, ValueError, "metrics: expected one of"),
        (Listen, {"port": "9000"}, ConfigurationError, "port: expected a whole number"),
        (Listen, {"port": 70000}, ConfigurationError, "port: expected a whole number"),
        (Listen, {"host": None}, ConfigurationError, "host: expected a host name"),
        (Listen, {"unix": ""}, ConfigurationError, "unix: expected the path"),
        (Listen, {"unix": "s", "mode": "660"}, ConfigurationError, "mode: expected permissions"),
        (Listen, {"ssl": True}, ConfigurationError, "ssl: expected Certificates or None"),
        (ServiceConfig, {"name": "a/b", "module": "m"}, ConfigurationError, "name: expected one"),
        (
            ServiceConfig,
            {"name": "a", "module": "m", "poll_seconds": -1},
            ConfigurationError,
            "poll_seconds: ",
        ),
        (TransportLimits, {"connections": 0}, ValueError, "connections: expected a whole number"),
        (TransportLimits, {"connections": "5"}, TypeError, "connections: expected a whole number"),
        (TransportLimits, {"head_seconds": 0}, ValueError, "head_seconds: expected a number"),
        (TransportLimits, {"pong_seconds": float("nan")}, ValueError, "pong_seconds: expected"),
        (Limits, {"window_bytes": -5}, ValueError, "window_bytes: expected a whole number from 1"),
    ],
)
def test_wrong_values(
    kind: Any, arguments: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        kind(**arguments)


def test_right_values() -> None:
    Listen(unix="s", mode=0o600, ssl=Certificates("cert", "key"))
    TransportLimits(ping_seconds=0, connections_per_address=None)
    assert Config(origins=Origins(), compression=0, metrics="off").compression == 0


async def test_plain_functions(caplog: pytest.LogCaptureFixture) -> None:
    """Found when they are called: a plain function may return an awaitable all the same."""

    class Plain(DictionaryBackend):
        def open(self) -> None:  # type: ignore[override]
            pass

        def close(self) -> None:  # type: ignore[override]
            pass

    wrong: Any = Plain()
    with pytest.raises(StorageError, match=r"backends\['own'\]: open is not a coroutine function"):
        async with serve(ANYWHERE, backends={"own": wrong}):
            pass
    assert not caplog.records


async def test_a_plain_function_later(caplog: pytest.LogCaptureFixture) -> None:
    class Plain(DictionaryBackend):
        def collections(self, _: str) -> list[str]:  # type: ignore[override]
            return []

        def close(self) -> None:  # type: ignore[override]
            pass

    wrong: Any = Plain()
    async with serve(ANYWHERE, backends={"own": wrong}) as server, connect(server.url) as client:
        with pytest.raises(RequestError):
            await client.get("/app/own")
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    told = " ".join(each.getMessage() for each in errors)
    assert "collections is not a coroutine function, make it `async def`: it returned list" in told
    assert "backends['own']: close is not a coroutine function" in told
    assert not any(each.exc_info for each in errors if "close" in each.getMessage())
    caplog.clear()


async def test_functions_that_return_awaitables() -> None:
    backend: Any = DictionaryBackend()
    backend.commit = functools.partial(backend.commit)
    load = backend.load
    backend.load = lambda path, since: load(path, since=since)
    async with serve(ANYWHERE, backends={"own": backend}) as server, connect(server.url) as client:
        await client.update("/app/own/c", insert=[{"id": "x"}])
        assert await client.get("/app/own/c") == [{"id": "x"}]


# --- sockets --------------------------------------------------------------------------------------


async def test_sockets_that_do_not_listen() -> None:
    """Such a one would be tried every second, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as right, socket.socket() as wrong:
        wrong.bind(("127.0.0.1", 0))
        with pytest.raises(ListenError, match=r"sockets\[1\]: it does not listen; call its liste"):
            async with serve(config(), sockets=[right, wrong]):
                pass
        assert right.fileno() >= 0  # it is the program's, as nothing was begun
    with (
        socket.socket(type=socket.SOCK_DGRAM) as wrong,
        pytest.raises(ListenError, match=r"sockets\[0\]"),
    ):
        async with serve(config(), sockets=[wrong]):
            pass
    with pytest.raises(ListenError, match=r"sockets\[0\]: Bad file descriptor"):
        async with serve(config(), sockets=[wrong]):
            pass


@pytest.mark.parametrize("wrong", [3, None, [3], ["127.0.0.1:9000"]])
async def test_what_are_no_sockets(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"sockets(\[0\])?: expected a"):
        async with serve(config(), sockets=wrong):
            pass


async def test_a_single_socket() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        pytest.raises(TypeError, match="found a single one"),
    ):
        async with serve(config(), sockets=sock):  # type: ignore[arg-type]
            pass


async def test_one_socket_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock, socket.create_server(("", 0)) as other:
        same = socket.socket(fileno=sock.fileno())
        for sockets in ([sock, other, sock], [sock, other, same]):
            with pytest.raises(
                ValueError, match=r"sockets\[2\]: is the same socket as sockets\[0\]"
            ):
                async with serve(config(), sockets=sockets):
                    pass
        same.detach()
        assert sock.fileno() >= 0
        assert other.fileno() >= 0
        with sock.dup() as another:
            async with serve(config(), sockets=[sock, another]):
                pass


async def test_sockets_are_closed_if_the_server_cannot_start() -> None:
    class Broken(DictionaryBackend):
        async def open(self) -> None:
            raise StorageError("no disk")

    sock = socket.create_server(("127.0.0.1", 0))
    with pytest.raises(StorageError, match="no disk"):
        async with serve(config(), backends={"own": Broken()}, sockets=[sock]):
            pass
    assert sock.fileno() == -1


async def test_a_unix_socket_has_no_port(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    async with serve(listening({"unix": path})) as server:
        assert server.paths == [path]
        with pytest.raises(RuntimeError, match=f"listens on UNIX sockets only, {path}: no port"):
            _ = server.port


# --- names ----------------------------------------------------------------------------------------


def test_the_errors_of_the_docstring_can_be_imported() -> None:
    for error in (ConfigurationError, StorageError, ListenError):
        assert error.__name__ in str(serve.__doc__)
        assert issubclass(error, SharedStateError)
    assert issubclass(ListenError, OSError)
    with pytest.raises(ConfigurationError):
        load_config("no such file")


def test_every_name_is_there_and_shown() -> None:
    names = [name for name in sharedstate_anyio.__all__ if name != "__version__"]
    for name in names:
        assert getattr(sharedstate_anyio, name).__name__ == name
    assert set(sharedstate_anyio.__all__) <= set(dir(sharedstate_anyio))
    shown = pydoc.plain(pydoc.render_doc(sharedstate_anyio))
    for name in names:
        assert f"class {name}" in shown or f"{name}(" in shown, name
    with pytest.raises(AttributeError, match="no attribute 'Serve'"):
        _ = sharedstate_anyio.Serve


def test_to_look_at_the_package_loads_no_server() -> None:
    """Programs that are clients only start as quickly as ever."""
    code = "import sys, sharedstate_anyio as s; dir(s); print('sharedstate_anyio.server' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
