"""The command `kick`: signs out a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .saying import say
from .session import answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace


async def kick(options: Namespace) -> int:
    """Close all connections of a user; print how many there were."""
    how = connecting(options)
    async with session(options.target.url, how) as client:
        count = await answered(client, how.patience, client.kick(options.user))
    if not options.quiet:
        say(f"closed {count:,} connection{'s' * (count != 1)} of {options.user}")
    return 0
