"""The server of the command line: from a configuration to the end of the process."""

from __future__ import annotations

import dataclasses
import errno
import faulthandler
import importlib.util
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from sharedstate_anyio.config.config import load_config, parse_config
from sharedstate_anyio.config.exposure import check_folders
from sharedstate_anyio.config.listeners import override
from sharedstate_anyio.entry import STDERR
from sharedstate_anyio.logs.events import about
from sharedstate_anyio.logs.first_error import first_error
from sharedstate_anyio.net.listening import ListenError
from sharedstate_anyio.ops import cautions, garbage, open_files
from sharedstate_anyio.server import serve
from sharedstate_anyio.storage.plugins import whereabouts
from sharedstate_anyio.version import full_version
from sharedstate_backends import ConfigurationError, StorageError

from .check import with_file
from .concealing import conceal
from .demo_users import DemoUsers
from .refusing import configured, refuse
from .signals import SIGNALS, Shutdown
from .systemd import inherited_sockets, notify, reloading

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import AsyncIterator, Callable, Sequence

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console
    from sharedstate_anyio.server import RunningServer

log = logging.getLogger("sharedstate")


def serve_command(console: Console, options: argparse.Namespace) -> None:
    """Run a server until it is told to stop.

    Args:
        console: says how it goes.
        options: of the command line; see `options.serve_parser`.
    """
    console.configure(options.log_format, options.log_level)
    # From now on, at any time: write at once where a process hangs, even in C, and continue.
    faulthandler.register(signal.SIGQUIT, file=STDERR, chain=False)
    loop = _loop(console, options.loop)
    demo = DemoUsers() if options.demo_users else None
    config = parse_config(demo.document) if demo else configured(console, options.config)
    conceal(console, config)
    try:
        listen = override(config.listen, options.host, options.port, options.unix)
        sockets = inherited_sockets()
    except ConfigurationError as error:
        refuse(console, error)
    if demo and sockets:
        console.fail("--demo-users is for this machine only: no sockets", 2, "configuration_wrong")
    config = dataclasses.replace(config, listen=listen)
    if too_few := open_files.too_few():
        console.fail(too_few, 1, "too_few_files")
    _allow_files(config)
    cautions.warn("running_as_root", cautions.running_as_root())

    def reread() -> Config:
        new = parse_config(demo.document) if demo else load_config(options.config)
        check_folders(new)
        conceal(console, config, new)
        again = override(new.listen, options.host, options.port, options.unix)
        return dataclasses.replace(new, listen=again)

    full_version()  # git is called now, if at all, not by a running server
    shutdown = Shutdown()
    shutdown.watch()
    try:
        anyio.run(
            _serve,
            console,
            config,
            sockets,
            reread,
            shutdown,
            demo,
            backend=loop[0],
            backend_options=loop[1],
        )
    except Exception as error:
        match first_error(error):
            case ConfigurationError() as first:
                refuse(console, first)
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


def _loop(console: Console, name: str) -> tuple[str, dict[str, object]]:
    """Return anyio's name for an event loop, and its options."""
    if name != "asyncio" and importlib.util.find_spec(name) is None:
        problem = f"--loop {name} needs {name}: pip install 'sharedstate[{name}]'"
        console.fail(problem, 2, "configuration_wrong")
    return ("asyncio", {"use_uvloop": True}) if name == "uvloop" else (name, {})


async def _serve(
    console: Console,
    config: Config,
    sockets: Sequence[socket.socket],
    reread: Callable[[], Config],
    shutdown: Shutdown,
    demo: DemoUsers | None,
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(config, sockets=sockets))
        await stack.enter_async_context(garbage.looked_for(lambda: server.size))
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            shutdown.started()
            try:
                _announce(console, server, config, demo)
                if shutdown.hung_up:
                    _reload(server, reread)
                await _attend(console, signals, server, reread)
            except BaseException:
                shutdown.bound(1)
                raise
            shutdown.bound(0)
            await stack.aclose()  # signals that arrive meanwhile change nothing
        shutdown.watch()
    console.say("stopped", "stopped")


def _announce(
    console: Console, server: RunningServer, config: Config, demo: DemoUsers | None
) -> None:
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
    url = demo.page(server.url) if demo else server.url
    hint = f"Open {url} in a browser. " if url else ""
    console.say(f"{hint}Ctrl-C stops the server.", "ready", url=url)
    notify("READY=1")


async def _attend(
    console: Console,
    signals: AsyncIterator[signal.Signals],
    server: RunningServer,
    reread: Callable[[], Config],
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
