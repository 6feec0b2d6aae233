"""Failures of a command: their exit status and message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_anyio.client import ConnectionLostError
from sharedstate_core.client.requests import ServerRefusedError

if TYPE_CHECKING:
    from sharedstate_anyio.client import RequestError

FAILED: Final = 1
"""The server cannot be reached, refused, or went away; an item that was asked for is not there."""

BAD_INPUT: Final = 2
"""A wrong command line, or a line of input that cannot be read."""


class CommandError(Exception):
    """The command cannot go on; the message is one line for the person at the terminal.

    Attributes:
        status: exit status.
        in_doubt: whether the outcome of what was sent last is unknown.
    """

    def __init__(self, message: str, status: int = FAILED, *, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.in_doubt = in_doubt


def is_in_doubt(error: RequestError | ConnectionLostError) -> bool:
    """Return whether the outcome of a request that failed so is unknown."""
    if isinstance(error, ServerRefusedError):
        return error.details.get("outcome") == "unknown"
    return isinstance(error, ConnectionLostError)
