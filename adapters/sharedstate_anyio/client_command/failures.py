"""Failures of a command: their exit status and message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_anyio.client import ConnectionLostError
from sharedstate_core.client.requests import ServerRefusedError

if TYPE_CHECKING:
    from sharedstate_anyio.client import RequestError

FAILED: Final = 1
"""The server cannot be reached, refused, or went away; or a requested item does not exist."""

BAD_INPUT: Final = 2
"""The command line or a line of input is invalid."""


class CommandError(Exception):
    """The command cannot continue; the message is one line for the user.

    Attributes:
        status: exit status.
        in_doubt: whether the outcome of the last request is unknown.
    """

    def __init__(self, message: str, status: int = FAILED, *, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.in_doubt = in_doubt


def is_in_doubt(error: RequestError | ConnectionLostError) -> bool:
    """Return whether the outcome of a request that failed like this is unknown."""
    if isinstance(error, ServerRefusedError):
        return error.details.get("outcome") == "unknown"
    return isinstance(error, ConnectionLostError)
