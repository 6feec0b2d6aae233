"""One connection: its requests, its subscriptions, and what it is owed.

The rules:

1. Every request is answered exactly once, unless the connection ends first.
2. While the reader is blocked nothing is sent. A subscription then costs its cursor and no more; replies are
   held, in bounded number and bytes.
3. When the reader has drained it gets the held replies that a change may follow (`PUT /subs`, `GET`), then the
   net change of each subscription, then the acknowledgements of its updates: a writer's own
   copy shows an update before its reply says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from . import encode
from .effects import C, Close, Effect, PauseReading, ResumeReading, Send, TellTime
from .errors import CLOSE_POLICY, RequestError

if TYPE_CHECKING:
    from msgspec import Raw

    from .limits import Limits
    from .storage import Cursor
    from .subscribers import Subscription


class Session(Generic[C]):
    """The core's side of one connection."""

    def __init__(self, connection: C, limits: Limits) -> None:
        self.connection = connection
        self.subscriptions: dict[str, Subscription[C]] = {}
        self.blocked = False
        self.closed = False
        self._limits = limits
        self._unanswered = 0
        self._unanswered_bytes = 0
        self._paused = False
        self._held: list[Effect[C]] = []
        self._held_acknowledgements: list[Effect[C]] = []
        self._held_bytes = 0

    def open_request(
        self, cmd: str | Raw, tunnel: Raw, size: int, out: list[Effect[C]]
    ) -> Request[C]:
        """Count a request in; `size` is the length of its message."""
        self._unanswered += 1
        self._unanswered_bytes += size
        self._control_flow(out)
        return Request(self, cmd, tunnel, size)

    @property
    def is_overrun(self) -> bool:
        """Whether more requests wait than the peer may have."""
        return self._unanswered > self._limits.unanswered

    def answered(self, size: int, out: list[Effect[C]]) -> None:
        """Count a request out."""
        self._unanswered -= 1
        self._unanswered_bytes -= size
        self._control_flow(out)

    def send(
        self, reply: Send[C] | TellTime[C], size: int, out: list[Effect[C]], *, last: bool = False
    ) -> None:
        """Send a reply of `size` bytes, or hold it while the reader is blocked.

        `last` holds it back until the reader has been brought to now, too.
        """
        if self.closed:
            return
        if not self.blocked:
            out.append(reply)
            return
        (self._held_acknowledgements if last else self._held).append(reply)
        self._held_bytes += size
        if self._held_bytes > self._limits.held_bytes:
            self.close("too many replies wait for a reader that does not read", out)

    def block(self, out: list[Effect[C]]) -> None:
        """The reader has fallen behind."""
        self.blocked = True
        self._control_flow(out)

    def drain(self, out: list[Effect[C]]) -> None:
        """The reader has caught up: bring it to now."""
        self.blocked = False
        out.extend(self._held)
        for subscription in self.subscriptions.values():
            subscription.collection.catch_up(subscription, out)
        out.extend(self._held_acknowledgements)
        self._held.clear()
        self._held_acknowledgements.clear()
        self._held_bytes = 0
        self._control_flow(out)

    def close(self, reason: str, out: list[Effect[C]]) -> None:
        """Give the connection up; its client may come back and resume."""
        if not self.closed:
            self.closed = True
            out.append(Close(self.connection, CLOSE_POLICY, reason))

    def _control_flow(self, out: list[Effect[C]]) -> None:
        if self.closed:
            return
        limits = self._limits
        if self._paused:
            if (
                not self.blocked
                and self._unanswered <= limits.unanswered // 4
                and self._unanswered_bytes <= limits.held_bytes // 4
            ):
                self._paused = False
                out.append(ResumeReading(self.connection))
        elif (
            self.blocked
            or self._unanswered > limits.unanswered // 2
            or self._unanswered_bytes > limits.held_bytes // 2
        ):
            self._paused = True
            out.append(PauseReading(self.connection))


class Request(Generic[C]):
    """A request that waits for its one answer."""

    __slots__ = ("_cmd", "_size", "session", "tunnel")

    def __init__(self, session: Session[C], cmd: str | Raw, tunnel: Raw, size: int) -> None:
        self.session = session
        self.tunnel = tunnel
        self._cmd = cmd
        self._size = size

    def answer(self, message: bytes, out: list[Effect[C]], *, acknowledges: bool = False) -> None:
        """Answer with an encoded reply."""
        reply = Send((self.session.connection,), message)
        self.session.send(reply, len(message), out, last=acknowledges)
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
        self.answer(message, out, acknowledges=True)

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
