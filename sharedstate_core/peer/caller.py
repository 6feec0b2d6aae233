"""Who asks by a typed input, until the answer."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic

from msgspec import Raw, Struct

from sharedstate_core.collection.operations import REQUEST_BYTES
from sharedstate_core.effects import Answer, C, Effect
from sharedstate_core.errors import RequestError

from .session import Session

if TYPE_CHECKING:
    from sharedstate_core.storage import Cursor


class Caller(Struct, Generic[C], eq=False):
    """An `Author` who is told by the effect `Answer`.

    Attributes:
        reader: the session of the connection on whose behalf it is, where it is counted (`Session.asked`), and whose
            copy must show an update before the author hears of it; None: there is none.
        author: whom the embedder tells; None: nobody.
        length: about how many bytes its connection is charged until the answer.
    """

    reader: Session[C] | None
    author: Hashable | None
    length: int

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, without what it asks for."""
        return REQUEST_BYTES

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Hear what was asked for; `cursor` is the state that it shows."""
        data = bytes(data) if isinstance(data, Raw) else data
        self._answer(Answer(self.author, data, cursor), out)

    def acknowledge(self, touched: int, cursor: Cursor, out: list[Effect[C]]) -> None:
        """Hear that an update which names so many ids is stored."""
        self._answer(Answer(self.author, touched, cursor), out)

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
        self._answer(Answer(self.author, None, cursor, plain, outcome_unknown), out)

    def _answer(self, answer: Answer, out: list[Effect[C]]) -> None:
        if answer.author is not None:
            out.append(answer)
        if self.reader is not None:
            self.reader.answered(self.length, out)
