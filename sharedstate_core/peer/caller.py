"""Who asks by a typed input, until the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from msgspec import Raw

from sharedstate_core.collection.operations import REQUEST_BYTES
from sharedstate_core.effects import Answer, C, Effect
from sharedstate_core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.storage import Cursor

    from .session import Session


class Caller(Generic[C]):
    """An `Author` who is told by the effect `Answer`.

    Args:
        author: whom the embedder tells; None: nobody.
        session: of the connection on whose behalf it is, whose copy is to show an update before the author hears of it;
            None: there is none.
        size: about how many bytes its connection is charged until the answer.
        out: takes what follows from that.
    """

    __slots__ = ("_author", "_size", "reader")

    def __init__(
        self,
        author: Hashable | None,
        session: Session[C] | None,
        size: int,
        out: list[Effect[C]],
    ) -> None:
        self.reader = session
        self._author = author
        self._size = size
        if session is not None:
            session.asked(size, out)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, without what it asks for."""
        return REQUEST_BYTES

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Hear what was asked for; `cursor` is the state that it shows."""
        data = bytes(data) if isinstance(data, Raw) else data
        self._answer(Answer(self._author, data, cursor), out)

    def acknowledge(self, touched: int, cursor: Cursor, out: list[Effect[C]]) -> None:
        """Hear that an update which names so many ids is stored."""
        self._answer(Answer(self._author, touched, cursor), out)

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Hear that nothing was done, or, with `outcome_unknown`, that nobody knows."""
        plain = RequestError(error.code, error.message)  # without what its traceback keeps alive
        self._answer(Answer(self._author, None, cursor, plain, outcome_unknown), out)

    def _answer(self, answer: Answer, out: list[Effect[C]]) -> None:
        if answer.author is not None:
            out.append(answer)
        if self.reader is not None:
            self.reader.answered(self._size, out)
