"""The storage operations under way: started by the host, and ended once by their outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeAlias, cast

from sharedstate_core.effects import Commit, Doubt, Effect, ListApps, ListCollections, Load
from sharedstate_core.errors import LocalProtocolError
from sharedstate_core.storage import CommitResult, Loaded

from .peer import P

if TYPE_CHECKING:
    from sharedstate_core.server.server import Server

Operation: TypeAlias = Commit | Load | ListCollections | ListApps | Doubt
Result: TypeAlias = CommitResult | Loaded | Sequence[str] | None


class Operations(Generic[P]):
    """Passes the outcome of each operation to the core; a `Doubt` has none.

    Args:
        server: the server whose operations they are.
    """

    def __init__(self, server: Server[P]) -> None:
        self._server = server
        self._under_way: dict[int, Operation] = {}

    def begin(self, operation: Operation) -> None:
        """Record that an operation is under way."""
        if not isinstance(operation, Doubt):
            self._under_way[operation.ticket] = operation

    def is_under_way(self, operation: Operation) -> bool:
        """Return whether the outcome of an operation has yet to come."""
        return (
            not isinstance(operation, Doubt) and self._under_way.get(operation.ticket) is operation
        )

    def end(self, operation: Operation) -> None:
        """Record that an operation has ended, so that its outcome can be passed on.

        Raises:
            LocalProtocolError: it is not under way.
        """
        if isinstance(operation, Doubt):
            return
        if not self.is_under_way(operation):
            raise LocalProtocolError(f"no {type(operation).__name__} like this one is under way")
        del self._under_way[operation.ticket]

    def succeeded(self, operation: Operation, result: Result, now: float) -> list[Effect[P]]:
        """Pass a result to the core and return its effects.

        Raises:
            LocalProtocolError: the core refuses it.
        """
        server = self._server
        match operation:
            case Commit(ticket):
                return server.commit_succeeded(ticket, cast("CommitResult", result), now)
            case Load(ticket):
                return server.load_succeeded(ticket, cast("Loaded", result), now)
            case ListCollections(ticket) | ListApps(ticket):
                return server.list_succeeded(ticket, cast("Sequence[str]", result), now)
            case Doubt():
                return []

    def failed(
        self, operation: Operation, message: str | None, now: float, *, outcome_unknown: bool
    ) -> list[Effect[P]]:
        """Pass a failure to the core and return its effects."""
        text = message or "the storage is not available"
        match operation:
            case Commit(ticket):
                if outcome_unknown:
                    text = message or "the storage failed"
                return self._server.commit_failed(
                    ticket, text, now, outcome_unknown=outcome_unknown
                )
            case Load(ticket):
                return self._server.load_failed(ticket, text, now)
            case ListCollections(ticket) | ListApps(ticket):
                return self._server.list_failed(ticket, text, now)
            case Doubt():
                return []
