"""Unsent bytes: what is in memory only because readers have not taken it yet, for all connections together.

The rules:

1. A message counts once, however many readers were given it: its pieces are recognised by their identity.
2. What a reader is given before it must wait (its *window*) does not count, but the windows are bounded together: they
   shrink as connections get more.
3. For a blocked reader, everything counts that the transport reports it keeps, broadcasts included, and so do the
   requests deferred until it reads on.
4. While the bound is reached, nothing large is begun: whoever is due for it waits *in line* until there is room.
   Whoever reads is not slow, so this is what everybody gets who reads.
5. Beyond the bound, those readers are closed that have *stalled*, the longest first; they may come back and resume.
   Half as much again is left for what cannot wait, broadcasts to readers in step; beyond that, those who have made no
   progress for the longest are closed even if it is not long. The latest one stays: one message may exceed the bound.
"""

from __future__ import annotations

from collections import OrderedDict
from operator import is_
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence, Sized

    from sharedstate_core.limits import LiveLimits

LARGE_BYTES: Final = 64 * 1024
"""Size from which something to be given to a reader needs room; what is smaller is bounded by the windows."""

LEAST_WINDOW: Final = 16 * 1024
"""A window does not shrink below this, in bytes."""

STALLED: Final = 0.1
"""A reader has stalled after this part of `Limits.drain_seconds` without progress."""

S = TypeVar("S", bound="Hashable")
"""A session."""


class _Kept(NamedTuple):
    """What is kept for one reader, and since when it has made no progress."""

    messages: list[Sized]
    since: float


class UnsentBytes(Generic[S]):
    """Counts the bytes; the bound is `Limits.owed_bytes`.

    Attributes:
        bytes: the number of bytes that count.
        readers: number of open connections.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self.bytes = 0
        self.readers = 0
        self._limits = limits
        self._kept: OrderedDict[S, _Kept] = OrderedDict()  # the longest without progress first
        self._line: OrderedDict[S, _Kept] = OrderedDict()  # readers in line are not in `_kept`
        self._times: dict[int, int] = {}  # that a piece is kept, by its identity

    # --- what is kept -----------------------------------------------------------------------------

    @property
    def window(self) -> int:
        """Bytes that one reader is given before it must wait."""
        limits = self._limits.current
        share = max(LEAST_WINDOW, limits.owed_bytes // (4 * self.readers or 1))
        return min(limits.window_bytes, share)

    def add(self, session: S, messages: Iterable[Sized], now: float) -> None:
        """Count pieces of messages that a reader was given and must wait for to leave."""
        kept = self._line.get(session) or self._kept.get(session)
        if kept is None:
            kept = self._kept[session] = _Kept([], now)
        times = self._times
        for message in messages:
            kept.messages.append(message)
            times[id(message)] = number = times.get(id(message), 0) + 1
            if number == 1:
                self.bytes += len(message)

    def keep(self, session: S, messages: Sequence[Sized], now: float) -> None:
        """Count these for a reader instead of what was counted for it; that it got some of it is progress.

        What leaves was the first to be counted, as a rule: the rest is only compared then, not counted anew.
        """
        kept = self._line.get(session)
        if kept is None:
            earlier = self._kept.pop(session, None)
            kept = self._kept[session] = _Kept([] if earlier is None else earlier.messages, now)
        counted = kept.messages
        gone = len(counted) - len(messages)
        is_rest = gone >= 0 and all(map(is_, counted[gone:], messages))
        self._discount(counted, gone if is_rest else len(counted))
        if not is_rest:
            self.add(session, messages, now)

    def release(self, session: S) -> None:
        """Count a reader no more: it has taken everything. It stays in line."""
        kept = self._line.get(session)
        if kept is None:
            kept = self._kept.pop(session, None)
        if kept is not None:
            self._discount(kept.messages, len(kept.messages))

    def _discount(self, counted: list[Sized], number: int) -> None:
        """Stop counting the first so many of what is counted for a reader."""
        times = self._times
        for message in counted[:number]:
            times[id(message)] = others = times[id(message)] - 1
            if not others:
                del times[id(message)]
                self.bytes -= len(message)
        del counted[:number]

    def forget(self, session: S) -> None:
        """Count a reader no more, and let it wait no more: it is gone."""
        self.release(session)
        self._line.pop(session, None)

    # --- who waits for room -----------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether the bound is not reached."""
        return self.bytes < self._limits.current.owed_bytes

    @property
    def is_free(self) -> bool:
        """Whether something large may be begun by somebody who has not waited."""
        return self.has_room and not self._line

    def queue(self, session: S, now: float) -> None:
        """Let a reader wait in line."""
        kept = self._kept.pop(session, None)
        self._line[session] = _Kept([], now) if kept is None else kept

    @property
    def may_go_on(self) -> bool:
        """Whether the first in line may go on: there is room, or none that anybody else could give back."""
        return bool(self._line) and (self.has_room or not self._kept)

    def next(self, now: float) -> S | None:
        """Take the first out of the line and return it, if it may go on."""
        if not self.may_go_on:
            return None
        session, kept = self._line.popitem(last=False)
        if kept.messages:
            self._kept[session] = _Kept(kept.messages, now)
        return session

    # --- who has to go ----------------------------------------------------------------------------

    def evict(self, now: float, newest: S | None = None) -> Sequence[S]:
        """Return the readers to close, which are no longer counted; `newest` stays."""
        gone: list[S] = []
        while (session := self._first_to_go(newest)) is not None:
            if self._is_far_over or now >= self._stalls_at(session):
                self.forget(session)
                gone.append(session)
            else:
                break
        return gone

    def next_deadline(self) -> float | None:
        """Return when a reader is to be closed if it makes no progress until then."""
        session = self._first_to_go(None)
        return None if session is None else self._stalls_at(session)

    @property
    def _is_far_over(self) -> bool:
        return self.bytes > self._limits.current.owed_bytes * 3 // 2

    def _first_to_go(self, newest: S | None) -> S | None:
        """Return whose room is wanted: who has made no progress for the longest, and those in line last."""
        if self.has_room:
            return None
        if self._line or len(self._kept) > 1:
            for session in self._kept:
                if session is not newest:
                    return session
        if self._is_far_over and len(self._line) > 1:
            last = next(reversed(self._line))
            return None if last is newest else last
        return None

    def _stalls_at(self, session: S) -> float:
        kept = self._kept.get(session) or self._line[session]
        return kept.since + STALLED * self._limits.current.drain_seconds
