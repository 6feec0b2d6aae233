"""The command `sharedstate-anyio migrate`: every service takes over its data from the first generation."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn, cast

import anyio

from sharedstate_anyio.logs.formatting import printable
from sharedstate_anyio.storage.plugins import build_backends
from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError

from .options import migrate_parser
from .refusing import configured, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console
    from sharedstate_backends.legacy.migration import Migratable, Migrated


def migrate_command(console: Console, arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio migrate`."""
    options = migrate_parser().parse_args(arguments)
    # Ctrl-C ends it at once, as a power cut would: that is safe at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        complete = anyio.run(migrate, configured(console, options.config))
    except ConfigurationError as error:
        refuse(console, error)
    except (StorageError, OutcomeUnknownError) as error:
        problem = f"{error}; nothing is lost: mend it and run this again"
        console.fail(problem, 1, "storage_unusable")
    sys.exit(0 if complete else 3)


async def migrate(config: Config) -> bool:
    """Migrate one service after the other, and report on standard output; on asyncio.

    Returns:
        Whether every row was taken over. A service with nothing to migrate leaves none behind.

    Raises:
        ConfigurationError: a service cannot be set up as configured.
        StorageError: a service's database cannot be used; it is unchanged, and those before it are migrated.
        OutcomeUnknownError: the connection was lost at the very end; running the command again is safe.
    """
    complete = True
    for name, backend in build_backends(config).items():
        if not hasattr(backend, "migrate"):
            continue
        done = await cast("Migratable", backend).migrate(partial(_say, name))
        if done is None:
            _say(name, "nothing to migrate")
        else:
            complete = complete and done.taken == done.rows
            _summarise(name, done)
    return complete


def _summarise(name: str, done: Migrated) -> None:
    _say(
        name, f"{done.taken:,} of {done.rows:,} rows taken over, collections: {done.collections:,}"
    )
    _say(name, f"the old table is kept as {done.backup}; drop it when you no longer need it")
    if done.taken < done.rows:
        _say(name, f"rows left behind, in {done.backup} only: {done.rows - done.taken:,}")


def _say(name: str, line: str) -> None:
    print(printable(f"{name}: {line}"), flush=True)
