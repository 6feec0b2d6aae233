"""The command `sharedstate-anyio check`: reports everything that would make a start fail, and starts nothing."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from sharedstate_anyio.auth import Authenticator
from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.config.document import join
from sharedstate_anyio.config.exposure import check_folders
from sharedstate_anyio.config.services import open_words
from sharedstate_anyio.logs.formatting import printable, shortened
from sharedstate_anyio.logs.redactor import Redactor
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_anyio.net.listening import ListenError, load_certificates, open_listeners
from sharedstate_anyio.ops import cautions
from sharedstate_anyio.storage.contract_checks import BrokenContractError, call
from sharedstate_anyio.storage.plugins import (
    build_backend,
    check_tables,
    foreign_files,
    open_backend,
    survey,
)
from sharedstate_backends import ConfigurationError, StorageError
from sharedstate_backends.contract import OldDataError
from sharedstate_backends.error_collector import ErrorCollector

from .options import check_parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_anyio.config.auth import AuthConfig
    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.config.listeners import Listen
    from sharedstate_anyio.config.services import ServiceConfig
    from sharedstate_anyio.logs.console import Console
    from sharedstate_anyio.net.listening import Listener
    from sharedstate_backends import Backend
    from sharedstate_core import Access

OPEN_SECONDS: Final = 30.0
"""How long a service may take to open, and to close."""

ALL_WELL: Final = 0
UNUSABLE: Final = 1
WRONG: Final = 2


def check_command(console: Console, arguments: Sequence[str]) -> NoReturn:  # noqa: ARG001
    """Run `sharedstate-anyio check`."""
    options = check_parser().parse_args(arguments)
    sys.exit(anyio.run(check, options.config))


async def check(file: Path | None) -> int:
    """Check a configuration and everything that it names; print one line each.

    Args:
        file: None stands for the embedded default.

    Returns:
        The exit status: 0; 1 if something cannot be used at the moment; 2 if the configuration is wrong.
    """
    errors = ErrorCollector()
    config = errors.attempt(load_config, file, errors)
    status = _complain(errors.found)
    if config is None:
        return status
    wrong = {re.split(r"[.\[]", each.key)[0] for each in errors.found}
    # Listeners that cannot be read are replaced by the default, which nobody asked for.
    listens = _listeners(config.listen, config.access) if "service" not in wrong else ALL_WELL
    signs = await _auth(config.auth) if config.auth is not None else ALL_WELL
    _warn(cautions.incomplete_access(config.auth, config.rules))
    if config.rules is not None:
        _warn(*cautions.unknown_services(config.rules, [each.name for each in config.services]))
        _warn(*(f"{each.place}: {each.problem}" for each in config.rules.warnings()))
        _well(f"rules: {len(config.rules.entries)}")
    return max(status, listens, signs, await check_services(config, file))


def with_file(error: StorageError, file: Path | None) -> str:
    """Return a store's error, with the configuration's file if the command that fixes it needs the file."""
    command = isinstance(error, OldDataError) and file is not None
    return f"{error} {shlex.quote(str(file))}" if command else str(error)


def _listeners(listeners: Sequence[Listen], access: Access | None) -> int:
    several = len(listeners) > 1
    status = ALL_WELL
    opened: dict[str, list[Listener]] = {}
    for index, listen in enumerate(listeners):
        place = f"service.listen[{index}]" if several else "service"
        opened[str(listen)] = []
        status = max(status, _listener(listen, place, opened[str(listen)]))
    where = [name for name, found in opened.items() if any(map(cautions.is_open, found))]
    _warn(cautions.running_as_root(), cautions.open_to_anybody(where, access))
    _warn(*cautions.expiring(each.tls for found in opened.values() for each in found))
    return status


async def check_services(config: Config, file: Path | None = None) -> int:
    """Check the services of a configuration; see `check`."""
    errors = ErrorCollector()
    errors.attempt(check_folders, config)
    if not errors.found:
        for path, folder in config.files.items():
            _well(f"{join('files', path)}: {folder}")
    check_tables(config.services, errors)
    status = _complain(errors.found)
    for service in config.services:
        status = max(status, await _service(service, file))
    return status


async def _auth(auth: AuthConfig) -> int:
    """Load what verifies tokens, and fetch published keys, once."""
    try:
        authenticator = Authenticator(auth, RepeatedErrors())
    except ConfigurationError as error:
        return _complain(error.each)
    if (problem := await authenticator.check()) is not None:
        return _fault(problem, UNUSABLE)
    ways = [key for key in ("jwt", "keys", "header", "python") if getattr(auth, key)]
    return _well(f"auth: {', '.join(ways)}")


def _listener(listen: Listen, place: str, opened: list[Listener]) -> int:
    """Check one listener; what could be opened is closed, and added to `opened`."""
    try:
        (tls,) = load_certificates([listen])
        if listen.unix is None:
            # Any free port: the one configured may be in use, by the very server that is checked.
            for listener in open_listeners(dataclasses.replace(listen, port=0), tls):
                listener.close()
                opened.append(listener)
        else:
            _check_path(Path(listen.unix))
    except ConfigurationError as error:
        return _complain(error.each)
    except ListenError as error:
        return _fault(f"{place}.host: cannot listen on {listen.host}: {error.reason}", UNUSABLE)
    except FileNotFoundError as error:
        return _fault(f"{place}.unix: {error}", WRONG)
    except OSError as error:
        return _fault(f"{place}.unix: {error}", UNUSABLE)
    return _well(f"{place}: {listen}{'' if listen.ssl is None else ', TLS'}")


def _check_path(path: Path) -> None:
    """Check that a UNIX socket can be made here, unless one exists: a server listens on it, or did.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: it cannot be made; the message says why.
    """
    folder = path.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}; create it")
    if path.is_socket():
        return
    if path.exists():
        raise OSError(f"{path} exists already and is not a socket; choose another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"this user may not write to the folder {str(folder)!r}")


async def _service(service: ServiceConfig, file: Path | None) -> int:
    place = service.place
    redactor = Redactor([dict(service.config)], open_words([service]))
    try:
        backend = build_backend(service)
    except ConfigurationError as error:
        return _complain(error.each)
    except Exception as error:  # noqa: BLE001  (whatever a plugin raises is its fault)
        problem = f"{place}.module: making the service failed: {type(error).__name__}: {error}"
        return _fault(redactor(problem), WRONG)
    try:
        missing = await _look(backend, service)
    except TimeoutError:
        problem = f"{place}: opening or closing it took longer than {OPEN_SECONDS:g} s"
        return _fault(problem, UNUSABLE)
    except ConfigurationError as error:
        return _complain(error.each)
    except StorageError as error:
        return _fault(redactor(with_file(error, file)), UNUSABLE)
    except Exception as error:  # noqa: BLE001
        problem = f"{place}: opening it failed: {type(error).__name__}: {error}"
        return _fault(redactor(problem), UNUSABLE)
    foreign = foreign_files(service)
    if foreign is not None:
        return _fault(f"{place}: {foreign}", UNUSABLE)
    more = f"; {redactor(missing)}" if missing else ""
    return _well(f"{place}: {service.name}: {service.store}{more}")


async def _look(backend: Backend, service: ServiceConfig) -> str | None:
    """Open a service and close it again; if that would create something, only return what."""
    with anyio.fail_after(OPEN_SECONDS):
        missing = await survey(backend, service)
        if missing is not None:
            return missing
        try:
            await open_backend(backend, service)
        except BaseException:
            with suppress(BrokenContractError):  # a failure to close it as well is secondary
                await call(backend.close(), "close")
            raise
        await call(backend.close(), "close")
    return None


def _well(line: str) -> int:
    print(f"ok: {printable(line)}")
    return ALL_WELL


def _warn(*lines: str | None) -> None:
    for line in filter(None, lines):
        print(f"sharedstate-anyio: warning: {printable(line)}", file=sys.stderr)


def _complain(mistakes: Iterable[ConfigurationError]) -> int:
    return max((_fault(str(each), WRONG) for each in mistakes), default=ALL_WELL)


def _fault(line: str, status: int) -> int:
    print(f"sharedstate-anyio: {printable(shortened(line))}", file=sys.stderr)
    return status
