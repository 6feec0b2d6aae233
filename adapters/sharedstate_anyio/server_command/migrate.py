"""The command `sharedstate-anyio migrate`: every service takes over its data from the first generation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from sharedstate_anyio.logs.formatting import printable
from sharedstate_anyio.storage.plugins import build_backends

if TYPE_CHECKING:
    from sharedstate_anyio.config.config import Config
    from sharedstate_backends.legacy.migration import Migratable, Migrated


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
