"""The requests of one connection: how many are unanswered, and which have to wait.

The rules:

1. Every request counts from when it is read until it is answered; reading pauses while they are many.
2. While it is looked into whose connection it is, while what that user may see is examined, and while an earlier
   request is carried out by turns, all later ones wait, in order.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol

from sharedstate_core.decisions.flow_control import FLOW_CONTROL, Unanswered
from sharedstate_core.effects import C, Effect, Effects, PauseReading, ResumeReading
from sharedstate_core.errors import CLOSE_POLICY, RequestError

from .backlog import Backlog
from .postponed import Postponed

if TYPE_CHECKING:
    from sharedstate_core.collection.reader import Deferred, ReaderState
    from sharedstate_core.limits import LiveLimits


class UnderWay(Protocol[C]):
    """A request that is carried out by turns."""

    def go_on(self, out: Effects[C]) -> None:
        """Do some more of it; once that was all, call `Asking.complete`."""
        ...

    def abandon(self, out: list[Effect[C]]) -> None:
        """Give it up, since the connection has ended."""
        ...


class Asking(Generic[C]):
    """A connection as one that asks.

    Attributes:
        connection: the transport's handle.
        state: whether it can take something now.
        postponed: the requests that wait until it is known whose connection it is, and what that user may see, and an
            earlier one is carried out; None if none has to.
        under_way: the request that is carried out by turns.
        is_proving: whether a proof of whose connection it is is looked into.
        is_paused: whether the transport was asked to pause reading.
    """

    def __init__(self, connection: C, limits: LiveLimits) -> None:
        self.connection = connection
        self.state: ReaderState = "ready"
        self.postponed: Postponed[C] | None = None
        self.under_way: UnderWay[C] | None = None
        self.is_proving = self.is_paused = False
        self._limits = limits
        self._unanswered = 0
        self._unanswered_bytes = 0
        self._backlog: Backlog[C] = Backlog()

    @property
    @abstractmethod
    def is_examined(self) -> bool:
        """Whether all that it subscribes to is what its user may see, by the rules in force."""

    @abstractmethod
    def _ask_for_turn(self) -> None:
        """Have what is done by turns gone on with."""

    @abstractmethod
    def close(
        self, reason: str, out: list[Effect[C]], code: int = CLOSE_POLICY, *, at_once: bool = False
    ) -> None:
        """Give up the connection; its client may come back and resume."""

    # --- requests ---------------------------------------------------------------------------------

    def asked(self, size: int, out: list[Effect[C]]) -> None:
        """Start counting a request as unanswered; `size` is the length of its message."""
        self._unanswered += 1
        self._unanswered_bytes += size
        self._control_flow(out)

    def check_admission(self) -> None:
        """Refuse a request, already counted, if it exceeds the number that may be unanswered.

        Raises:
            RequestError: `too_many`.
        """
        limit = self._limits.current.unanswered
        if self._unanswered > limit:
            raise RequestError("too_many", f"more than {limit} requests wait for an answer")

    def answered(self, size: int, out: list[Effect[C]]) -> None:
        """Stop counting a request as unanswered."""
        self._unanswered -= 1
        self._unanswered_bytes -= size
        if self.is_paused:
            self._control_flow(out)

    # --- requests that wait, and what for ---------------------------------------------------------

    def postpone_requests(self, out: list[Effect[C]]) -> None:
        """Let all later requests wait, and read no more of them, until nothing is in their way."""
        if self.postponed is None:
            self.postponed = Postponed()
            self._control_flow(out)

    def postpone(self, request: Deferred[C], out: list[Effect[C]]) -> None:
        """Let a request wait, which came although reading should have paused: not too many of them."""
        waiting, limits = self.postponed, self._limits.current
        assert waiting is not None  # noqa: S101  (the caller has asked)
        waiting.add(request)
        if len(waiting) > limits.unanswered or waiting.bytes > limits.held_bytes:
            self.close("too many requests before earlier ones are carried out", out)

    def take_up(self, out: Effects[C]) -> None:
        """Carry out what has waited, in order, as far as nothing has to wait again."""
        waiting = self.postponed
        if waiting is None or self.is_proving or not self.is_examined or self.under_way:
            return
        self.postponed = None
        self._control_flow(out)
        for request in waiting.take():
            if self.state == "closed":
                request.abandon(out)
            elif self.postponed is not None:
                self.postpone(request, out)
            else:
                request.resume(out)

    def undertake(self, request: UnderWay[C], out: list[Effect[C]]) -> None:
        """Carry out a request by turns, beginning with the next one; all later requests wait until `complete`."""
        self.under_way = request
        self.postpone_requests(out)
        self._ask_for_turn()

    def complete(self, out: Effects[C]) -> None:
        """Take up what waited for the request that was carried out by turns."""
        self.under_way = None
        self.take_up(out)

    # --- reading ----------------------------------------------------------------------------------

    def _control_flow(self, out: list[Effect[C]]) -> None:
        owed = self.is_paused and len(self._backlog) > 0
        match FLOW_CONTROL.decide[self.state, self.is_paused, owed, self._waiting_for_answers()]:
            case "pause":
                self.is_paused = True
                out.append(PauseReading(self.connection))
            case "resume":
                self.is_paused = False
                out.append(ResumeReading(self.connection))
            case "as it is":
                pass

    def _waiting_for_answers(self) -> Unanswered:
        number, size = self._unanswered, self._unanswered_bytes
        limits = self._limits.current
        if self.postponed is not None:
            return "many"
        if number > limits.unanswered // 2 or size > limits.held_bytes // 2:
            return "many"
        if number <= limits.unanswered // 4 and size <= limits.held_bytes // 4:
            return "few"
        return "some"
