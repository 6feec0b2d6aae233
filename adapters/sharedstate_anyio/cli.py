"""The command `sharedstate-anyio`."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import logging
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError

from .arguments import check_parser, migrate_parser, schema_parser, serve_parser
from .check import check
from .config import load_config
from .listeners import override
from .listening import ListenError
from .migrate import migrate
from .schema import schema
from .server import serve
from .systemd import inherited_sockets, notify, reloading
from .voice import Voice

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from .config import Config, ServiceConfig

log = logging.getLogger("sharedstate")

OTHER_FILES: Final = 256
"""Files beside the connections: databases, listeners, refused peers, what Python itself opens."""

voice = Voice()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; ends the process with its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in _COMMANDS:
        _COMMANDS[arguments[0]](arguments[1:])
    parser = serve_parser()
    options = parser.parse_args(arguments)
    if options.unix is not None and (options.host is not None or options.port is not None):
        parser.error("--unix stands instead of --host and --port")
    voice.configure(options.log_format, options.log_level)
    loop: str = options.loop
    if loop != "asyncio" and importlib.util.find_spec(loop) is None:
        voice.fail(f"--loop {loop} needs {loop}: pip install 'sharedstate[{loop}]'", 2)
    config = _config(options.config)
    voice.conceal(dict(service.config) for service in config.services)
    try:
        listen = override(config.listen, options.host, options.port, options.unix)
        sockets = inherited_sockets()
    except ConfigurationError as error:
        voice.fail(str(error), 2)
    config = dataclasses.replace(config, listen=listen)
    _allow_files(config.transport.connections)
    try:
        backend = "trio" if loop == "trio" else "asyncio"
        settings = {"use_uvloop": True} if loop == "uvloop" else {}
        anyio.run(_serve, config, sockets, backend=backend, backend_options=settings)
    except Exception as error:
        match _first(error):
            case ConfigurationError() as first:
                voice.fail(str(first), 2)
            case StorageError() as first:
                voice.fail(str(first), 1)
            case ListenError() as first:
                voice.fail(str(first), 1)
            case first if voice.style == "json":
                log.critical("the server has failed", exc_info=first)
                sys.exit(1)
            case _:
                raise


def _migrate(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio migrate`."""
    options = migrate_parser().parse_args(arguments)
    # Whoever presses Ctrl-C ends it at once, as a power cut would: that is safe at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        complete = anyio.run(migrate, _config(options.config))
    except ConfigurationError as error:
        voice.fail(str(error), 2)
    except (StorageError, OutcomeUnknownError) as error:
        voice.fail(f"{error}; nothing is lost: mend it and run this again", 1)
    sys.exit(0 if complete else 3)


def _check(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio check`."""
    options = check_parser().parse_args(arguments)
    config = _config(options.config)
    sys.exit(anyio.run(check, config))


def _schema(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio schema`."""
    schema_parser().parse_args(arguments)
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    sys.exit(0)


_COMMANDS: Final = {"migrate": _migrate, "check": _check, "schema": _schema}


def _config(file: Path | None) -> Config:
    try:
        return load_config(file)
    except ConfigurationError as error:
        voice.fail(str(error), 2)


async def _serve(config: Config, sockets: Sequence[socket.socket]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with serve(config, sockets=sockets) as server:
            for host, port in server.addresses:
                voice.say(
                    f"SharedState listens on {host} port {port}", "listening", host=host, port=port
                )
            for path in server.paths:
                voice.say(f"SharedState listens on {path}", "listening", path=path)
            for service in config.services:
                text = f"  service {service.name}: {_store(service)}"
                voice.say(text, "service", service=service.name, store=service.store)
            hint = f"Open {server.url} in a browser. " if server.url else ""
            voice.say(f"{hint}Ctrl-C stops the server.", "ready", url=server.url)
            notify("READY=1")
            async for signum in signals:
                if signum == signal.SIGHUP:
                    notify(*reloading())
                    server.reload()
                    notify("READY=1")
                    continue
                notify("STOPPING=1")
                name = signal.Signals(signum).name
                voice.say(f"{name}: finishing what was accepted", "stopping", signal=name)
                break
        voice.say("stopped", "stopped")


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
