"""How a command ends, when it does not end well."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""The server cannot be reached, refused, or went away; an item that was asked for is not there."""

BAD_INPUT: Final = 2
"""A wrong command line, or a line of input that cannot be read."""

SIGNALLED: Final = 128
"""Added to the number of the signal that ended it, as shells do: 130 after Ctrl-C, 141 if nobody reads its output."""


class CommandError(Exception):
    """The command cannot go on; the message is one line for the person at the terminal."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status
