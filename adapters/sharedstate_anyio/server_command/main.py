"""The command `sharedstate-anyio`."""

from __future__ import annotations

import dataclasses
import errno
import faulthandler
import importlib.util
import json
import logging
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.config.exposure import check_folders
from sharedstate_anyio.config.listeners import override
from sharedstate_anyio.config.schema import schema
from sharedstate_anyio.entry import STDERR
from sharedstate_anyio.logs.console import Console
from sharedstate_anyio.logs.events import about
from sharedstate_anyio.net.listening import ListenError
from sharedstate_anyio.ops import cautions, garbage, open_files
from sharedstate_anyio.server import serve
from sharedstate_anyio.storage.plugins import whereabouts
from sharedstate_anyio.version import full_version
from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError

from .backup import backup_command
from .check import check, with_file
from .concealing import conceal
from .explain import explain_command
from .migrate import migrate
from .options import check_parser, migrate_parser, parse_serve, schema_parser
from .restore import restore_command
from .saving import INTERRUPTED
from .signals import SIGNALS, Shutdown
from .systemd import inherited_sockets, notify, reloading
from .token import token_command

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.server import RunningServer

log = logging.getLogger("sharedstate")

console = Console()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit status."""
    try:
        _run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        console.fail("interrupted", INTERRUPTED, "interrupted")


def _run(arguments: list[str]) -> None:
    if arguments and arguments[0] in _COMMANDS:
        _COMMANDS[arguments[0]](arguments[1:])
    options = parse_serve(arguments, list(_COMMANDS))
    console.configure(options.log_format, options.log_level)
    # From now on, at any time: write at once where a process hangs, even in C, and continue.
    faulthandler.register(signal.SIGQUIT, file=STDERR, chain=False)
    loop = _loop(options.loop)
    config = _config(options.config)
    conceal(console, config)
    try:
        listen = override(config.listen, options.host, options.port, options.unix)
        sockets = inherited_sockets()
    except ConfigurationError as error:
        _refuse(error)
    config = dataclasses.replace(config, listen=listen)
    if too_few := open_files.too_few():
        console.fail(too_few, 1, "too_few_files")
    _allow_files(config)
    cautions.warn("running_as_root", cautions.running_as_root())

    def reread() -> Config:
        new = load_config(options.config)
        check_folders(new)
        conceal(console, config, new)
        again = override(new.listen, options.host, options.port, options.unix)
        return dataclasses.replace(new, listen=again)

    full_version()  # git is called now, if at all, not by a running server
    shutdown = Shutdown()
    shutdown.watch()
    try:
        anyio.run(
            _serve, config, sockets, reread, shutdown, backend=loop[0], backend_options=loop[1]
        )
    except Exception as error:
        match _first(error):
            case ConfigurationError() as first:
                _refuse(first)
            case StorageError() as first:
                console.fail(with_file(first, options.config), 1, "storage_unusable")
            case ListenError() as first:
                taken = first.errno == errno.EADDRINUSE and not (options.config or options.unix)
                hint = "; choose another with --port" if taken else ""
                console.fail(f"{first}{hint}", 1, "address_unusable")
            case first if console.style == "json":
                text = "the server has failed"
                log.critical(text, exc_info=first, extra=about("server_failed"))
                sys.exit(1)
            case _:
                raise


def _loop(name: str) -> tuple[str, dict[str, object]]:
    """Return anyio's name for an event loop, and its options."""
    if name != "asyncio" and importlib.util.find_spec(name) is None:
        problem = f"--loop {name} needs {name}: pip install 'sharedstate[{name}]'"
        console.fail(problem, 2, "configuration_wrong")
    return ("asyncio", {"use_uvloop": True}) if name == "uvloop" else (name, {})


def _migrate(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio migrate`."""
    options = migrate_parser().parse_args(arguments)
    # Ctrl-C ends it at once, as a power cut would: that is safe at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        complete = anyio.run(migrate, _config(options.config))
    except ConfigurationError as error:
        _refuse(error)
    except (StorageError, OutcomeUnknownError) as error:
        problem = f"{error}; nothing is lost: mend it and run this again"
        console.fail(problem, 1, "storage_unusable")
    sys.exit(0 if complete else 3)


def _check(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio check`."""
    options = check_parser().parse_args(arguments)
    sys.exit(anyio.run(check, options.config))


def _schema(arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio schema`."""
    schema_parser().parse_args(arguments)
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    sys.exit(0)


_COMMANDS: Final[Mapping[str, Callable[[Sequence[str]], NoReturn]]] = {
    "migrate": _migrate,
    "check": _check,
    "schema": _schema,
    "backup": partial(backup_command, console),
    "restore": partial(restore_command, console),
    "token": partial(token_command, console),
    "explain": partial(explain_command, console),
}


def _config(file: Path | None) -> Config:
    try:
        return load_config(file)
    except ConfigurationError as error:
        _refuse(error)


def _refuse(error: ConfigurationError) -> NoReturn:
    """Report all mistakes of the configuration, and end the process."""
    console.fail([str(each) for each in error.each], 2, "configuration_wrong")


async def _serve(
    config: Config,
    sockets: Sequence[socket.socket],
    reread: Callable[[], Config],
    shutdown: Shutdown,
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(config, sockets=sockets))
        await stack.enter_async_context(garbage.looked_for(lambda: server.size))
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            shutdown.started()
            try:
                _announce(server, config)
                if shutdown.hung_up:
                    _reload(server, reread)
                await _attend(signals, server, reread)
            except BaseException:
                shutdown.bound(1)
                raise
            shutdown.bound(0)
            await stack.aclose()  # signals that arrive meanwhile change nothing
        shutdown.watch()
    console.say("stopped", "stopped")


def _announce(server: RunningServer, config: Config) -> None:
    """Announce where it listens and what it serves."""
    version = full_version()
    name = f"SharedState {version}"
    for host, port in server.addresses:
        text = f"{name} listens on {host} port {port}"
        console.say(text, "listening", host=host, port=port, version=version)
    for path in server.paths:
        console.say(f"{name} listens on {path}", "listening", path=path, version=version)
    for service in config.services:
        text = f"  service {service.name}: {whereabouts(service)}"
        console.say(text, "service", service=service.name, store=service.store)
    hint = f"Open {server.url} in a browser. " if server.url else ""
    console.say(f"{hint}Ctrl-C stops the server.", "ready", url=server.url)
    notify("READY=1")


async def _attend(
    signals: AsyncIterator[signal.Signals], server: RunningServer, reread: Callable[[], Config]
) -> None:
    """Handle signals until one of them ends the server."""
    async for signum in signals:
        if signum == signal.SIGHUP:
            notify(*reloading())
            _reload(server, reread)
            notify("READY=1")
            continue
        notify("STOPPING=1")
        console.say(f"{signum.name}: finishing what was accepted", "stopping", signal=signum.name)
        break


def _reload(server: RunningServer, reread: Callable[[], Config]) -> None:
    """Reload the configuration; an unusable one changes nothing. Errors are reported last."""
    try:
        config = reread()
        server.reload(config)
    except ConfigurationError as error:
        server.reload()  # the certificates are reloaded anyway
        for each in error.each:
            text = "configuration not reloaded, the old one stays in force: %s"
            log.error(text, each, extra=about("reload_failed"))  # noqa: TRY400
        return
    _allow_files(config)


def _allow_files(config: Config) -> None:
    open_files.allow(config.transport.connections)
    cautions.warn("few_open_files", open_files.fewer_than(config.transport.connections))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
