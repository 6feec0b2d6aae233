"""`python -m tests.support.faults.halting_backup ...`: sharedstate-anyio, whose backup waits after its first portion.

It says `waiting` then.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.server_command import main as cli
from sharedstate_backends.sqlite.backend import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sharedstate_backends.portable import Portion

MODULE: Final = __name__
SECONDS: Final = 60.0


def main(*arguments: str) -> None:
    """Run the command with these arguments."""
    dump = SqliteBackend.dump

    async def dump_and_wait(self: SqliteBackend) -> AsyncGenerator[Portion, None]:
        async for portion in dump(self):
            yield portion
            print("waiting", flush=True)
            await asyncio.sleep(SECONDS)

    SqliteBackend.dump = dump_and_wait  # type: ignore[method-assign]
    cli.main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
