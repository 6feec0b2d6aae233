"""A connection's request, until it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic

from msgspec import Raw, Struct

from sharedstate_core.collection.author import is_refused
from sharedstate_core.collection.waiting_requests import REQUEST_BYTES
from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError
from sharedstate_core.messages import Items, Seen
from sharedstate_core.wire import encode

from .session import Session

if TYPE_CHECKING:
    from sharedstate_core.messages import Message
    from sharedstate_core.storage import Cursor
    from sharedstate_core.wire.page import Page


class Request(Struct, Generic[C], eq=False):
    """A request of a connection, waiting for its one answer; an `Author`.

    Attributes:
        reader: the session of the connection, which counts the request (`Session.asked`).
        cmd: the command as received.
        tunnel: JSON text of the tunnel.
        length: length of the message, in characters.
        refusal: asked before content is given: returns why it may not be.
    """

    reader: Session[C]
    cmd: str | Raw
    tunnel: Raw
    length: int
    refusal: Callable[[], RequestError | None] | None = None

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes, without what it asks for."""
        return REQUEST_BYTES + len(self.tunnel)

    def answer(self, message: Message, out: list[Effect[C]]) -> None:
        """Answer with an encoded reply."""
        self.reader.answer(message, self.length, out)

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Answer `ok: true` with `data`, unless it may not be seen."""
        if is_refused(self, out):
            return
        message: Message
        if isinstance(data, Items):
            message = encode.encode_items_reply(self.cmd, self.tunnel, data, cursor)
        elif isinstance(data, Seen):
            message = encode.encode_seen_reply(self.cmd, self.tunnel, data, cursor)
        else:
            message = encode.encode_reply(self.cmd, self.tunnel, data, cursor)
        self.reader.answer(message, self.length, out)

    def succeed_with_names(self, page: Page, out: list[Effect[C]]) -> None:
        """Answer `ok: true` with names, unless they may not be seen."""
        if is_refused(self, out):
            return
        message = encode.encode_names_reply(self.cmd, self.tunnel, page.text, more=page.more)
        self.reader.answer(message, self.length, out)

    def acknowledge(
        self, touched: int, cursor: Cursor, out: list[Effect[C]], *, duplicate: bool = False
    ) -> None:
        """Answer that an update is committed; `cursor` is the state after it."""
        if duplicate:
            message = encode.encode_duplicate(self.cmd, self.tunnel, touched, cursor)
        else:
            message = encode.encode_reply(self.cmd, self.tunnel, touched, cursor)
        self.reader.answer(message, self.length, out)

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Answer `ok: false`."""
        message = encode.encode_failure(
            self.cmd, self.tunnel, error, cursor, outcome_unknown=outcome_unknown
        )
        self.reader.answer(message, self.length, out)
