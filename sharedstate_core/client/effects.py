"""The outputs of the client core: every input returns a list of these, to be performed in order.

The JavaScript client's core has the same ones (`protocol/effects.js`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sharedstate_core.errors import SharedStateError
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Diff


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one text message, UTF-8."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """A request is over; each is settled exactly once.

    Attributes:
        ticket: what `request` returned.
        data: JSON text of the reply's `data`; empty with an error.
        cursor: the state that the reply names, if it names one.
        error: None if the request succeeded; else a `RequestError` with the server's code, or a
            `ConnectionLostError`: the outcome is unknown.
    """

    ticket: int
    data: bytes = b""
    cursor: Cursor | None = None
    error: SharedStateError | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A replica changed, in one step; there is at least one diff."""

    path: str
    diffs: Sequence[Diff]


@dataclass(frozen=True, slots=True)
class Synced:
    """A replica is in sync, after it was not."""

    path: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A replica came to another version with neither `Changed` nor `Synced` to say so: its items are the same."""

    path: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not keep this replica in sync; acquiring it again asks again."""

    path: str
    error: SharedStateError


@dataclass(frozen=True, slots=True)
class Fault:
    """The server broke the protocol, and no request is to blame.

    Attributes:
        problem: what it did, as a sentence.
        fatal: whether it is unknown whom the message was for: the connection must be closed, which settles all
            requests and synchronises everything anew.
    """

    problem: str
    fatal: bool = False


ClientEffect: TypeAlias = SendText | Settled | Changed | Synced | Moved | Refused | Fault
"""What a method of `ClientProtocol` returns a list of."""
