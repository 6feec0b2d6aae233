"""Who asks a collection for something, as far as the collection needs to know: a request of a connection is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError

if TYPE_CHECKING:
    from sharedstate_core.storage import Cursor

    from .reader import Reader


def abandon(author: Author[C], out: list[Effect[C]]) -> None:
    """Let an author know that a request was not carried out, since the connection has ended that it was for."""
    author.fail(RequestError("unavailable", "the connection has ended"), out)


class Author(Protocol[C]):
    """The author of an update, or who reads a collection; hears exactly once what came of it."""

    @property
    def reader(self) -> Reader[C] | None:
        """Who takes the answer, after whatever it is to be shown before; None for one who takes it at any time."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        ...

    def acknowledge(self, touched: int, cursor: Cursor, out: list[Effect[C]]) -> None:
        """Hear that an update which names so many ids is stored; `cursor` is the state after it."""
        ...

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Hear what was asked for; `cursor` is the state that it shows."""
        ...

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Hear that nothing was done, or, with `outcome_unknown`, that nobody knows."""
        ...
