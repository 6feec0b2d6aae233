"""The command `sharedstate-anyio`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import logging
import resource
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError

from .config import load_config
from .listeners import override
from .listening import ListenError
from .migrate import migrate
from .server import serve
from .systemd import inherited_sockets, notify, reloading

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from .config import Config, ServiceConfig

EXAMPLES = """
examples:
  sharedstate-anyio                     collections in ./sharedstate.db and in memory, on port 9000
  sharedstate-anyio config.json         services, host and port of a configuration file
  sharedstate-anyio --port 0            any free port; the one chosen is printed
  sharedstate-anyio migrate config.json takes over the data of an earlier SharedState, once

exit status: 0 after Ctrl-C or SIGTERM, 1 if the server cannot run, 2 for a wrong command or configuration
"""


OTHER_FILES: Final = 256
"""Files beside the connections: databases, listeners, refused peers, what Python itself opens."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; ends the process with its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["migrate"]:
        _migrate(arguments[1:])
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.unix is not None and (options.host is not None or options.port is not None):
        parser.error("--unix stands instead of --host and --port")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    if options.loop == "trio" and importlib.util.find_spec("trio") is None:
        _fail("--loop trio needs trio: pip install 'sharedstate[trio]'", 2)
    config = _config(options.config)
    try:
        listen = override(config.listen, options.host, options.port, options.unix)
        sockets = inherited_sockets()
    except ConfigurationError as error:
        _fail(str(error), 2)
    config = dataclasses.replace(config, listen=listen)
    _allow_files(config.transport.connections)
    try:
        anyio.run(_serve, config, sockets, backend=options.loop)
    except Exception as error:
        match _first(error):
            case ConfigurationError() as first:
                _fail(str(first), 2)
            case StorageError() as first:
                _fail(str(first), 1)
            case ListenError() as first:
                _fail(str(first), 1)
            case _:
                raise


def _migrate(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio migrate`."""
    options = _migrate_parser().parse_args(arguments)
    # Whoever presses Ctrl-C ends it at once, as a power cut would: that is safe at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        complete = anyio.run(migrate, _config(options.config))
    except ConfigurationError as error:
        _fail(str(error), 2)
    except (StorageError, OutcomeUnknownError) as error:
        _fail(f"{error}; nothing is lost: mend it and run this again", 1)
    sys.exit(0 if complete else 3)


def _config(file: Path | None) -> Config:
    try:
        return load_config(file)
    except ConfigurationError as error:
        _fail(str(error), 2)


async def _serve(config: Config, sockets: Sequence[socket.socket]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with serve(config, sockets=sockets) as server:
            for host, port in server.addresses:
                print(f"SharedState listens on {host} port {port}")
            for path in server.paths:
                print(f"SharedState listens on {path}")
            for service in config.services:
                print(f"  service {service.name}: {_store(service)}")
            hint = f"Open {server.url} in a browser. " if server.url else ""
            print(f"{hint}Ctrl-C stops the server.", flush=True)
            notify("READY=1")
            async for signum in signals:
                if signum == signal.SIGHUP:
                    notify(*reloading())
                    server.reload()
                    notify("READY=1")
                    continue
                notify("STOPPING=1")
                print(f"{signal.Signals(signum).name}: finishing what was accepted", flush=True)
                break
        print("stopped", flush=True)


def _allow_files(connections: int) -> None:
    """Raise the soft limit of open files as far as the hard one lets it: a socket is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _store(service: ServiceConfig) -> str:
    """Say what keeps a service's items, to the person at the terminal."""
    if service.in_memory or service.store != "SQLite file":
        return service.store
    return f"SQLite file {Path(str(service.config.get('db_name'))).absolute()}"


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sharedstate-anyio",
        description="Serve named collections of JSON items that browsers keep in sync.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config",
        nargs="?",
        type=Path,
        help="configuration file (JSON); without: the embedded default",
    )
    parser.add_argument("--host", help="address to listen on; overrides service.host")
    parser.add_argument("--port", type=_port, help="port to listen on; overrides service.port")
    parser.add_argument("--unix", metavar="PATH", help="listen on a UNIX socket, and nowhere else")
    parser.add_argument(
        "--loop",
        choices=("asyncio", "trio"),
        default="asyncio",
        help="event loop (default: asyncio)",
    )
    version = f"sharedstate {metadata.version('sharedstate')}"
    parser.add_argument("--version", action="version", version=version)
    return parser


def _migrate_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sharedstate-anyio migrate",
        description="Take over the data of an earlier SharedState: tables with the columns app, chnl, id, "
        "ctime, data. Stop its server first. The old tables are kept, under names that end in "
        "_before_migration. It may be interrupted at any moment and run again.",
        epilog="exit status: 0 if all is done or there was nothing to do, 1 if a database cannot be used, "
        "2 for a wrong command or configuration, 3 if all is done but rows were left behind",
    )
    parser.add_argument("config", nargs="?", type=Path, help="as for the server")
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 65535, found {text!r}")


def _fail(message: str, status: int) -> NoReturn:
    print(f"sharedstate-anyio: {message}", file=sys.stderr)
    sys.exit(status)
