"""The command `delete`: removes all items of a collection in one step."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.client import ConnectionLostError, RequestError

from .failures import FAILED, CommandError, is_in_doubt
from .lines import STDIN
from .saying import say
from .session import acquired, answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace

    from sharedstate_anyio.client import Client, Dataset, Transaction

COUNTING_SECONDS: Final = 5.0
"""How long it tries to remove exactly what it has counted. After that, in a collection that keeps changing, it removes
whatever is there."""

ANSWER_BYTES: Final = 1024


async def delete(options: Namespace) -> int:
    """Remove every item; print how many there were."""
    url, path = options.target
    how = connecting(options)
    async with session(url, how) as client:
        ds = await acquired(client, path, how.patience)
        if not len(ds):
            await answered(client, how.patience, _check_name(client, path, ds))
            say(f"{path} is empty already")
            return 0
        if not options.yes and not await _agreed(f"Remove {_count(len(ds))} from {path}?"):
            say("nothing was removed")
            return FAILED
        removed = await empty(client, path, ds, how.patience)
    if not options.quiet:
        say(f"removed {removed} from {path}")
    return 0


async def _check_name(client: Client[bytes], path: str, ds: Dataset[bytes]) -> None:
    """Raise `CommandError` if nobody has ever written to the collection.

    A server of level 1 has no versions; older servers list every collection that was ever written to.
    """
    service, _, name = path.rpartition("/")
    written = ds.cursor.version > 0 if ds.cursor is not None else False
    if not written and name not in await client.get(service):
        raise CommandError(f"there is no collection {path}: nobody has written to it")


async def _agreed(question: str) -> bool:
    """Ask, if standard input is a terminal."""
    if not (os.isatty(STDIN) and sys.stderr is not None and sys.stderr.isatty()):
        return True
    say(f"{question} [y/N] ", end="")
    await anyio.wait_readable(STDIN)
    return os.read(STDIN, ANSWER_BYTES).strip().lower() in {b"y", b"yes"}


async def empty(client: Client[bytes], path: str, ds: Dataset[bytes], patience: float) -> str:
    """Remove all items; return their number in words."""
    return await answered(client, patience, _empty(client, path, ds))


async def _empty(client: Client[bytes], path: str, ds: Dataset[bytes]) -> str:
    try:
        if ds.cursor is not None:
            with anyio.move_on_after(COUNTING_SECONDS):
                return _count(await ds.transaction(_remove_all))
        count = len(ds)
        await client.update(path, reset=True)
    except (ConnectionLostError, RequestError) as error:
        unknown = "; its items may be there or not" if is_in_doubt(error) else ""
        raise CommandError(f"{error}{unknown}") from None
    return f"about {_count(count)}"


def _remove_all(transaction: Transaction[bytes]) -> int:
    count = len(transaction)
    transaction.update(reset=True)
    return count


def _count(number: int) -> str:
    return f"{number:,} item{'s' * (number != 1)}"
