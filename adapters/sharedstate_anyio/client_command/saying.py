"""What a command says to whoever runs it, on standard error."""

from __future__ import annotations

import sys

from sharedstate_anyio.logs.formatting import printable


def say(message: str, end: str = "\n") -> None:
    """Print a message for the user: names in it, and words of a server, may hold anything."""
    if sys.stderr is not None:
        print(f"sharedstate: {printable(message)}", end=end, file=sys.stderr, flush=True)
