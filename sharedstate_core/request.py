"""One request of a connection, until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from . import encode
from .effects import C, Effect, Send, TellTime

if TYPE_CHECKING:
    from msgspec import Raw

    from .errors import RequestError
    from .session import Session
    from .storage import Cursor


REQUEST_BYTES: Final = 500
"""About what a request takes beside its text."""


class Request(Generic[C]):
    """A request that waits for its one answer."""

    __slots__ = ("_cmd", "_size", "session", "tunnel")

    def __init__(self, session: Session[C], cmd: str | Raw, tunnel: Raw, size: int) -> None:
        self.session = session
        self.tunnel = tunnel
        self._cmd = cmd
        self._size = size

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, without what it asks for."""
        return REQUEST_BYTES + len(self.tunnel)

    def answer(self, message: bytes, out: list[Effect[C]]) -> None:
        """Answer with an encoded reply."""
        reply = Send((self.session.connection,), message)
        self.session.send(reply, len(message), out)
        self.session.answered(self._size, out)

    def tell_time(self, out: list[Effect[C]]) -> None:
        """Answer with the time, which the transport fills in."""
        clock = encode.ClockReply(self.tunnel)
        size = len(clock.encode(0.0))
        self.session.send(TellTime(self.session.connection, clock), size, out)
        self.session.answered(self._size, out)

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
