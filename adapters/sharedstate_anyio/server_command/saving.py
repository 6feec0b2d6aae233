"""Shared by `backup` and `restore`: the choice of services, access to them, progress messages."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.config.document import shown
from sharedstate_anyio.logs.formatting import printable
from sharedstate_anyio.storage.plugins import build_backend
from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError
from sharedstate_backends.portable import portable

from .backup_file import BackupError
from .check import with_file
from .concealing import conceal
from .refusing import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.config.services import ServiceConfig
    from sharedstate_anyio.logs.console import Console
    from sharedstate_backends.portable import Portable

PROGRESS_SECONDS: Final = 2.0
"""Pause between two lines about progress."""

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
INCOMPLETE: Final = 3
INTERRUPTED: Final = 130


class Kept(NamedTuple):
    """A service whose content can be saved and restored."""

    service: ServiceConfig
    store: Portable


class Talk:
    """The messages of one run.

    Args:
        console: prints them.
        quiet: print only errors and what was left out.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._said = time.monotonic()

    def tell(self, name: str, line: str) -> None:
        """Print a line about a service, or the file."""
        if not self._quiet:
            self.warn(name, line)

    def warn(self, name: str, line: str) -> None:
        """Print a line even if quiet."""
        self._console.say(printable(f"{name}: {line}"), "saving")

    def progress(self, name: str, rows: int) -> None:
        """Print progress, if the last line is old enough."""
        now = time.monotonic()
        if now - self._said > PROGRESS_SECONDS:
            self._said = now
            self.tell(name, f"{rows:,} rows so far")


def choose(config: Config, names: Sequence[str]) -> tuple[ServiceConfig, ...]:
    """Return the services with these names; without names, all of them.

    Raises:
        ConfigurationError: there is no such service.
    """
    known = {service.name: service for service in config.services}
    for name in names:
        if name not in known:
            problem = f"there is no service {shown(name)}; the configuration has {', '.join(known)}"
            raise ConfigurationError("--service", problem)
    return tuple(service for name, service in known.items() if not names or name in names)


def kept(service: ServiceConfig) -> Kept | None:
    """Return a service that can be saved; None for one whose module cannot do so.

    Raises:
        ConfigurationError: the service cannot be set up as configured.
    """
    store = portable(build_backend(service))
    return None if store is None else Kept(service, store)


@contextmanager
def placed_errors(service: ServiceConfig, file: Path | None) -> Iterator[None]:
    """Prefix errors with the service's place."""
    try:
        yield
    except (BackupError, ConfigurationError):
        raise
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(f"{service.place}: {error}; run this again") from error
    except StorageError as error:
        raise StorageError(f"{service.place}: {with_file(error, file)}") from error
    except Exception as error:  # whatever a plugin raises is the plugin's fault
        problem = f"{service.place}: it failed: {type(error).__name__}: {error}"
        raise StorageError(problem) from error


def run(console: Console, file: Path | None, work: Callable[[Config], int]) -> NoReturn:
    """Do something with a configuration, and end the process with the exit status."""
    try:
        config = load_config(file)
        conceal(console, config)
        status = work(config)
    except ConfigurationError as error:
        refuse(console, error)
    except (StorageError, OutcomeUnknownError) as error:
        console.fail(str(error), FAILED, "storage_unusable")
    except KeyboardInterrupt as error:
        console.fail("; ".join(["interrupted", *error.args]), INTERRUPTED, "interrupted")
    raise SystemExit(status)
