"""The outputs of the client core: every input returns a list of these, to be performed in order.

The JavaScript client's core has the same effects (`protocol/effects.js`). Those about a replica name its `path`, and
the `view` under which it was acquired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sharedstate_core.errors import SharedStateError
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Diff

from .views import At


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one text message, in UTF-8."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """A request is over; each is settled exactly once.

    Attributes:
        ticket: the ticket that `request` returned.
        data: JSON text of the reply's `data`; empty with an error.
        cursor: the state that the reply names, if it names one.
        at: the places of the items in `data`, if the reply names them.
        more: whether the reply leaves out older items.
        error: None if the request succeeded; otherwise a `RequestError` with the server's code, or a
            `ConnectionLostError` if the outcome is unknown.
    """

    ticket: int
    data: bytes = b""
    cursor: Cursor | None = None
    error: SharedStateError | None = None
    at: Sequence[At] | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A replica changed, in one step; there is at least one diff."""

    path: str
    diffs: Sequence[Diff]
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """A replica is in sync after a time when it was not."""

    path: str
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A replica reached another version without a `Changed` or `Synced`: its items are the same."""

    path: str
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not keep this replica in sync; acquire it again to ask again."""

    path: str
    error: SharedStateError
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """It is known whose the connection is, or that has changed.

    Attributes:
        user: what the server knows of the user; None for nobody.
        expires: when the token does, in seconds since the Unix epoch by the server's clock; None for never.
    """

    user: Mapping[str, Any] | None
    expires: float | None


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """Another token is needed, by `sign_in`; what waits for it goes on waiting.

    Attributes:
        reason: why: `expires` or `expired`, or that of a refusal; with `unavailable`, after a pause.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """A second token in a row was refused: no other is asked for on this connection."""

    error: SharedStateError


@dataclass(frozen=True, slots=True)
class Fault:
    """The server broke the protocol, and no request is to blame.

    Attributes:
        problem: a sentence on what it did.
        fatal: whether it is unknown which request or replica the message was for: the connection must be closed, which
            settles all requests and synchronises everything again.
    """

    problem: str
    fatal: bool = False


ClientEffect: TypeAlias = (
    SendText
    | Settled
    | Changed
    | Synced
    | Moved
    | Refused
    | Identified
    | TokenWanted
    | Unauthenticated
    | Fault
)
"""What a method of `ClientProtocol` returns a list of."""
