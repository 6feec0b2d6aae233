"""One request of a connection, until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.collection.operations import REQUEST_BYTES
from sharedstate_core.effects import C, Effect
from sharedstate_core.wire import encode

if TYPE_CHECKING:
    from msgspec import Raw

    from sharedstate_core.errors import RequestError
    from sharedstate_core.storage import Cursor

    from .session import Session


class Request(Generic[C]):
    """A request of a connection that waits for its one answer; an `Author`.

    Args:
        session: whose. The request is counted in there.
        cmd: as it came.
        tunnel: JSON text.
        size: the length of its message.
        out: takes what follows from that.
    """

    __slots__ = ("_cmd", "_size", "reader", "tunnel")

    def __init__(
        self, session: Session[C], cmd: str | Raw, tunnel: Raw, size: int, out: list[Effect[C]]
    ) -> None:
        self.reader = session
        self.tunnel = tunnel
        self._cmd = cmd
        self._size = size
        session.asked(size, out)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, without what it asks for."""
        return REQUEST_BYTES + len(self.tunnel)

    def answer(self, message: bytes, out: list[Effect[C]]) -> None:
        """Answer with an encoded reply."""
        self.reader.send(message, out)
        self.reader.answered(self._size, out)

    def succeed(self, data: object, out: list[Effect[C]], cursor: Cursor | None = None) -> None:
        """Answer `ok: true` with `data`."""
        self.answer(encode.encode_reply(self._cmd, self.tunnel, data, cursor), out)

    def acknowledge(self, touched: int, cursor: Cursor, out: list[Effect[C]]) -> None:
        """Answer that an update is committed; `cursor` is the state after it."""
        message = encode.encode_reply(self._cmd, self.tunnel, touched, cursor)
        self.answer(message, out)

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
            self._cmd, self.tunnel, error, cursor, outcome_unknown=outcome_unknown
        )
        self.answer(message, out)
