"""Performs inputs one at a time, each with all its effects, even if more inputs come from within."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, assert_never

from sharedstate_core.arguments import check_now
from sharedstate_core.effects import (
    Answer,
    Authenticate,
    AwaitDrain,
    Close,
    Commit,
    Doubt,
    Effect,
    ListApps,
    ListCollections,
    Load,
    PauseReading,
    Refused,
    ResumeReading,
    Send,
)

from .host import BroadcastingHost
from .peer import P

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sharedstate_core.messages import Message

    from .host import Host
    from .operations import Operation

    Input: TypeAlias = Callable[..., Iterable[Effect[P]]]


class Performer(Generic[P]):
    """Takes inputs in order of arrival and performs their effects.

    Args:
        host: carries out what does not concern a single peer.
        start: begins a storage operation.
        done: called when nothing is left to do.

    Attributes:
        now: the time of the current input, or of the last one.
        gone: peers that have left before the core knows: nothing is done to them.
    """

    def __init__(
        self, host: Host[P], start: Callable[[Operation], None], done: Callable[[], None]
    ) -> None:
        self.now = 0.0
        self.gone: set[P] = set()
        self._host = host
        self._broadcast = host.send if isinstance(host, BroadcastingHost) else None
        self._start = start
        self._done = done
        self._inputs: deque[tuple[float, Input[P], tuple[Any, ...]]] = deque()
        self._effects: Iterator[Effect[P]] = iter(())
        self._is_performing = False
        self._is_interrupted = False

    @property
    def is_waiting(self) -> bool:
        """Whether inputs or effects wait for their turn, or for the next input after an exception."""
        return self._is_interrupted or self._is_performing

    def take(self, now: float, take: Input[P], *arguments: object) -> None:
        """Take an input now or, from within another one, once that is done.

        Raises:
            TypeError, ValueError: `now` is not a time.
            Exception: whatever `take`, a peer or the host raises; what is left to do is done with the next input.
        """
        check_now(now)
        self._inputs.append((now, take, arguments))
        if self._is_performing:
            return
        self._is_performing = self._is_interrupted = True
        try:
            self._run()
            self._is_interrupted = False
        finally:
            self._is_performing = False
            self._done()

    def _run(self) -> None:
        perform = self._perform
        while True:
            for effect in self._effects:
                perform(effect)
            if not self._inputs:
                return
            self.now, take, arguments = self._inputs.popleft()
            self._effects = iter(take(*arguments))

    def _perform(self, effect: Effect[P]) -> None:  # noqa: C901  (one arm each)
        match effect:
            case Send():
                self._send(effect.connections, effect.message)
            case Commit() | Load() | ListCollections() | ListApps() | Doubt():
                self._start(effect)
            case Authenticate():
                self._host.authenticate(effect)
            case Answer():
                self._host.answered(effect)
            case Refused():
                self._host.report(effect.load, effect.error)
            case _ if effect.connection in self.gone:
                pass
            case AwaitDrain():
                effect.connection.await_drain()
            case PauseReading():
                effect.connection.pause_reading()
            case ResumeReading():
                effect.connection.resume_reading()
            case Close():
                effect.connection.close(effect.code, effect.reason, at_once=effect.at_once)
            case _:
                assert_never(effect)

    def _send(self, peers: Sequence[P], message: Message) -> None:
        if self._broadcast is None:
            text = bytes(message)
            for index, peer in enumerate(peers):
                if peer not in self.gone:
                    try:
                        peer.send(text)
                    except BaseException:
                        rest = Send(peers[index + 1 :], message)
                        self._effects = chain((rest,), self._effects)
                        raise
            return
        if self.gone:
            peers = [peer for peer in peers if peer not in self.gone]
        self._broadcast(peers, message)
