"""Errors, by who is at fault.

`RequestError` is the fault of a peer or of storage: it becomes a failed reply and never leaves the core.
`LocalProtocolError` is the fault of the embedding program (an input for a connection that was never opened, a ticket
that was never issued): it is raised to that program.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

ErrorCode = Literal[
    "bad_message",
    "bad_path",
    "bad_update",
    "no_service",
    "unauthenticated",
    "forbidden",
    "conflict",
    "mismatch",
    "too_large",
    "too_many",
    "unavailable",
    "internal",
]
"""The `error.code` of a failed reply; PROTOCOL.md explains each."""

AuthReason = Literal["missing", "invalid", "expired", "revoked", "unavailable"]
"""The `error.reason` of `unauthenticated`: there is no token; it is not valid; it has expired; the user was sent away;
it could not be verified at the moment."""

CLOSE_GOING_AWAY: Final = 1001
CLOSE_UNSUPPORTED_DATA: Final = 1003
CLOSE_INVALID_TEXT: Final = 1007
CLOSE_POLICY: Final = 1008
CLOSE_TOO_BIG: Final = 1009
CLOSE_INTERNAL_ERROR: Final = 1011
CLOSE_RESTARTED: Final = 1012
"""WebSocket close codes that the server uses (RFC 6455, section 7.4.1)."""

CLOSE_SENT_AWAY: Final = 4403
"""The close code that asks the client not to come back by itself."""


class SharedStateError(Exception):
    """Base of every error that this package raises.

    Attributes:
        code: machine-readable code of what happened.
    """

    code: str = "internal"


class LocalProtocolError(SharedStateError):
    """The embedding program broke the core's rules; the core's state is unchanged."""


class MismatchError(SharedStateError):
    """A patch of an update does not fit the items that there are, so that nothing of the update is done.

    Attributes:
        code: `mismatch`; `too_large` if what it leads to is too large.
        message: one readable sentence, without a final full stop.
        place: where in the update, such as `patch[2].inc.votes`.
        id: the item.
    """

    def __init__(
        self, code: Literal["mismatch", "too_large"], problem: str, place: str, id: str
    ) -> None:
        self.code: Literal["mismatch", "too_large"] = code
        self.message = f"{place}: {problem}"
        super().__init__(self.message)
        self.place = place
        self.id = id


class RequestError(SharedStateError):
    """A request cannot be carried out; it is answered with `ok: false`.

    Attributes:
        code: one of `ErrorCode`.
        message: one readable sentence, without a final full stop.
        reason: of `unauthenticated`, one of `AuthReason`.
        place: of an update, where in it the fault is, such as `insert[3].id`; None if it is not in one place.
        ids: of `mismatch`, the items that a patch does not fit.
        rule: which rule denies it, such as `rules[0].update`; None for those who may not know.
        retry_after: of `too_many`, seconds after which the same may be asked again; None if that depends on something
            else.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        reason: AuthReason | None = None,
        *,
        place: str | None = None,
        rule: str | None = None,
        retry_after: float | None = None,
        ids: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.reason = reason
        self.place = place
        self.rule = rule
        self.retry_after = retry_after
        self.ids = ids


def bad_update(place: str, problem: str) -> RequestError:
    """Return the error for an update with something wrong in one place; empty for the update as a whole."""
    message = f"{place}: {problem}" if place else problem
    return RequestError("bad_update", message, place=place or None)


class Refusal(NamedTuple):
    """The contents of a `RequestError`, without the exception, whose traceback would keep other objects alive."""

    code: ErrorCode
    message: str
    reason: AuthReason | None = None
    place: str | None = None
    rule: str | None = None
    retry_after: float | None = None
    ids: tuple[str, ...] | None = None

    @classmethod
    def of(cls, error: RequestError) -> Refusal:
        """Return the contents of an error."""
        code, message, reason = error.code, error.message, error.reason
        return cls(code, message, reason, error.place, error.rule, error.retry_after, error.ids)

    def error(self) -> RequestError:
        """Return an error with these contents, which was never raised."""
        code, message, reason, place, rule, after, ids = self
        return RequestError(
            code, message, reason, place=place, rule=rule, retry_after=after, ids=ids
        )
