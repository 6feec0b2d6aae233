"""The author of a typed input, until it is answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic

from msgspec import Struct

from sharedstate_core.collection.author import is_refused
from sharedstate_core.collection.waiting_requests import REQUEST_BYTES
from sharedstate_core.effects import Answer, C, Effect
from sharedstate_core.errors import Refusal, RequestError
from sharedstate_core.messages import Items, Seen

from .session import Session

if TYPE_CHECKING:
    from sharedstate_core.storage import Cursor
    from sharedstate_core.wire.page import Page


class Caller(Struct, Generic[C], eq=False):
    """An `Author` that is answered with the effect `Answer`.

    Attributes:
        reader: the session of the connection that the request is made for, which counts it (`Session.asked`) and
            must be shown an update before the author is answered; None without a connection.
        author: whom the embedder answers; None for nobody.
        length: approximate bytes charged to the connection until the answer.
        refusal: asked before content is given: returns why it may not be.
    """

    reader: Session[C] | None
    author: Hashable | None
    length: int
    refusal: Callable[[], RequestError | None] | None = None

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes, without what it asks for."""
        return REQUEST_BYTES

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Report the data asked for, unless it may not be seen; `cursor` is the state it shows."""
        if is_refused(self, out):
            return
        if isinstance(data, Seen):
            places = bytes(data.at)
            answer = Answer(self.author, bytes(data.items), cursor, more=data.more, at=places)
        else:
            answer = Answer(self.author, bytes(data) if isinstance(data, Items) else data, cursor)
        self._answer(answer, out)

    def succeed_with_names(self, page: Page, out: list[Effect[C]]) -> None:
        """Report the names asked for, unless they may not be seen."""
        if is_refused(self, out):
            return
        self._answer(Answer(self.author, page.names, more=page.more), out)

    def acknowledge(
        self,
        touched: int,
        cursor: Cursor,
        out: list[Effect[C]],
        *,
        duplicate: bool = False,  # noqa: ARG002 (it has no number)
    ) -> None:
        """Report that an update naming `touched` ids is stored; `cursor` is the state after it."""
        self._answer(Answer(self.author, touched, cursor), out)

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Report that nothing was done or, with `outcome_unknown`, that the outcome is unknown."""
        plain = Refusal.of(error).error()  # without what the traceback keeps alive
        self._answer(Answer(self.author, None, cursor, plain, outcome_unknown), out)

    def _answer(self, answer: Answer, out: list[Effect[C]]) -> None:
        if answer.author is not None:
            out.append(answer)
        if self.reader is not None:
            self.reader.answered(self.length, out)
