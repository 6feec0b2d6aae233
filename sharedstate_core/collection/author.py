"""The author of a request, as a collection sees it; a connection's request is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_core.storage import Cursor
    from sharedstate_core.wire.page import Page

    from .reader import Reader


def abandon(author: Author[C], out: list[Effect[C]]) -> None:
    """Tell an author that its request was not carried out because its connection has ended."""
    author.fail(RequestError("unavailable", "the connection has ended"), out)


def is_refused(author: Author[C], out: list[Effect[C]]) -> bool:
    """Return whether an author may not be given content any more; then it has been told."""
    error = None if author.refusal is None else author.refusal()
    if error is not None:
        author.fail(error, out)
    return error is not None


class Author(Protocol[C]):
    """The author of an update or a read, which is answered exactly once.

    Attributes:
        refusal: asked before content is given: returns why it may not be; None if it may in any case.
    """

    refusal: Callable[[], RequestError | None] | None

    @property
    def reader(self) -> Reader[C] | None:
        """The reader that the answer goes to, after all it must be shown first; None to answer at any time."""
        ...

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes."""
        ...

    def acknowledge(
        self, touched: int, cursor: Cursor, out: list[Effect[C]], *, duplicate: bool = False
    ) -> None:
        """Report that an update naming `touched` ids is stored, or was before, and the state after it."""
        ...

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Report the data asked for; `cursor` is the state it shows."""
        ...

    def succeed_with_names(self, page: Page, out: list[Effect[C]]) -> None:
        """Report the names asked for."""
        ...

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Report that nothing was done or, with `outcome_unknown`, that the outcome is unknown."""
        ...
