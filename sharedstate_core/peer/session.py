"""One connection: its requests, its subscriptions, and what it is owed.

The rules:

1. Every request is answered exactly once, unless the connection ends first.
2. Nothing is sent while the reader is blocked. What it is owed waits in order: a subscription costs nothing but its
   cursor; replies are held, bounded in number and bytes; a read, and every request after it, is deferred.
3. When the reader has drained, it gets what it is owed, in that order, and by turns if it is much. Its subscriptions
   come before any later acknowledgement: a writer's own copy shows an update before the reply confirms it.
4. When its user changes, or the rules do, it is shown nothing more of a subscription before this has been examined:
   each is owed anew, and examined in its turn.
5. One input never gives a connection much more than `Limits.window_bytes`: beyond that the session blocks itself until
   the transport reports that all of it has left. It has as long for that as any slow reader.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sharedstate_core.collection.reader import Deferred, tell_nobody
from sharedstate_core.collection.subscription import Subscription
from sharedstate_core.collection.waiting_requests import REQUEST_BYTES
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.effects import (
    AwaitDrain,
    C,
    Close,
    Effect,
    Effects,
    Send,
)
from sharedstate_core.errors import CLOSE_POLICY
from sharedstate_core.identity import NOBODY
from sharedstate_core.messages import pieces_of

from .asking import Asking
from .backlog import HeldReply
from .subscriptions import Subscriptions
from .unsent_bytes import LEAST_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Sized

    from sharedstate_core.counters import Counters
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.messages import Message
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor
    from sharedstate_core.views.definition import Definition

    from .drains import Drains
    from .unsent_bytes import UnsentBytes


class Session(Asking[C]):
    """The core's side of one connection; a `Reader`, and an author of requests.

    Attributes:
        subscriptions: by path, as spelled.
        identity: whose connection it is.
        id: the public name of its client's session; None if the client has not given a key.
        is_of_user: whether there were users when it began.
        is_giving: whether it is being given what it is owed, in this very input: it is ready, but not all has come.
    """

    def __init__(
        self,
        connection: C,
        limits: LiveLimits,
        counters: Counters,
        unsent: UnsentBytes[Session[C]],
        drains: Drains[Session[C]],
        take_turns: Callable[[Session[C]], None],
        take_back: Callable[[Session[C], Subscription[C], Effects[C]], bool],
    ) -> None:
        super().__init__(connection, limits)
        self._take_turns = take_turns
        self.subscriptions: Subscriptions[C] = Subscriptions()
        self.identity = NOBODY
        self.id: str | None = None
        self.is_of_user = False
        self._counters = counters
        self._unsent = unsent
        self._drains = drains
        self._take_back = take_back
        self._awaits_examination = False
        self._examinations = 0  # those that have begun, and not ended
        self._is_full = False  # the transport has not passed on everything
        self._in_line = False  # for room
        self._has_turn = False  # to begin something large, whether there is room or not
        self._is_halfway = (
            False  # it has drained, and gets more of what it is owed in its next turn
        )
        self.is_giving = False
        self._window = 0
        unsent.readers += 1

    # --- examination ------------------------------------------------------------------------------

    @property
    def is_examined(self) -> bool:
        """Whether all that it subscribes to is what its user may see, by the rules in force."""
        return not (self._examinations or self._awaits_examination)

    def await_examination(self) -> None:
        """Count as blocked until `examine`, whatever the transport says."""
        if self.state != "closed":
            self.state, self._is_halfway, self._awaits_examination = "blocked", False, True

    def examine(self, done: Callable[[Effects[C]], None], out: Effects[C]) -> None:
        """Show it nothing more before each of its subscriptions has been examined, by turns; then call `done(out)`.

        Those that its user may not have end in their turn. What it was owed before, other than these, comes first.
        """
        self._awaits_examination = False
        if self.state == "closed":
            return
        for subscription in self.subscriptions.values():
            subscription.collection.suspend(subscription)
            self._backlog.discard(subscription)
            self._backlog.add(subscription)
        self._examinations += 1
        end = Deferred(partial(self._end_examination, done), tell_nobody, REQUEST_BYTES, 0)
        self._backlog.defer(end)
        is_held = self._is_full or self._in_line
        if self.is_giving:
            if not is_held:
                self._go_on_later()
        elif is_held:
            self._charge((end,), out)
        else:
            self._unsent.release(self)
            self._give(out)

    def _end_examination(self, done: Callable[[Effects[C]], None], out: Effects[C]) -> None:
        self._examinations -= 1
        done(out)
        if self.under_way is not None:
            self._ask_for_turn()

    # --- output -----------------------------------------------------------------------------------

    def answer(self, reply: Message, size: int, out: list[Effect[C]]) -> None:
        """Send the reply to a request, which counts as answered then."""
        self.send(reply, out)
        self.answered(size, out)

    def send(self, reply: Message, out: list[Effect[C]]) -> None:
        """Send a reply, or hold it while the reader is blocked."""
        match DELIVERY.decide[self.state, "reply", False]:
            case "now":
                out.append(Send((self.connection,), reply))
                self._given(len(reply), (reply,), out)
            case "later":
                self._backlog.hold(reply)
                if self._backlog.held_bytes > self._limits.current.held_bytes:
                    self.close("too many unread replies", out)
                else:
                    self._charge(tuple(pieces_of((reply,))), out)
            case "never":
                pass

    def take(self, messages: Sequence[Message], out: list[Effect[C]]) -> None:
        """Send messages meant for this reader alone, which may block it."""
        if messages:
            to_it = (self.connection,)
            out.extend(Send(to_it, message) for message in messages)
            self._given(sum(map(len, messages)), messages, out)

    def _given(self, size: int, messages: Sequence[Message], out: list[Effect[C]]) -> None:
        """Count what this reader alone was given; once the window is full, wait until it has left."""
        self._window += size
        self._counters.bytes += size
        most = self._limits.current.window_bytes
        if self._window > LEAST_WINDOW:
            most = self._unsent.window
        if self._window > most and self.is_open:
            self.block(out)
            out.append(AwaitDrain(self.connection))
            self._drains.expect(self)
            self._charge(tuple(pieces_of(messages)), out)

    def _charge(self, messages: Sequence[Sized], out: list[Effect[C]]) -> None:
        """Count what is kept in memory for this reader, too."""
        if self.state == "ready":  # draining: `drain` counts in the end what is still owed
            return
        self._unsent.add(self, messages, self._drains.now)
        self._evict(out)

    def _evict(self, out: list[Effect[C]]) -> None:
        """Close other readers if the server's bound is exceeded."""
        for session in self._unsent.evict(self._drains.now, self):
            session.give_up(out)

    @property
    def is_open(self) -> bool:
        """Whether it can be shown content: it is ready, or gets what it is owed by turns."""
        return self.state == "ready" or self._is_halfway

    def block(self, out: list[Effect[C]]) -> None:
        """Mark the reader as blocked: it takes nothing until it has drained."""
        self._is_full = True
        self._hold_back(out)

    def has_room(self, out: list[Effect[C]]) -> bool:
        """Return whether something large may be begun for this reader; if not, it is blocked until its turn comes."""
        if self._unsent.is_free or self._has_turn:
            self._has_turn = False
            return True
        if self.is_open:
            self._in_line = True
            self._unsent.queue(self, self._drains.now)
            self._hold_back(out)
        return False

    def _hold_back(self, out: list[Effect[C]]) -> None:
        if not self.is_open:
            return
        self.state, self._is_halfway = "blocked", False
        self._counters.blocked += 1
        for subscription in self.subscriptions.values():
            subscription.collection.suspend(subscription)
            self.owe(subscription)
        self._control_flow(out)

    def keep(self, unsent: Iterable[bytes], out: list[Effect[C]]) -> None:
        """Count what the transport keeps for the reader instead of what it was given; this is progress, too."""
        self._unsent.keep(self, [*unsent, *self._backlog.kept()], self._drains.now)
        self._evict(out)

    def drain(self, out: Effects[C]) -> None:
        """Give a reader that has caught up what it is owed, unless it waits in line for room."""
        self._is_full = False
        self._window = 0
        self._unsent.release(self)
        if self._in_line:
            self._unsent.add(self, self._backlog.kept(), self._drains.now)
        else:
            self._give(out)

    def go_on(self, out: Effects[C]) -> None:
        """Give a reader that has waited in line for room what it is owed, once it has caught up."""
        self._in_line, self._has_turn = False, True
        if not self._is_full and self.state == "blocked":
            self._unsent.release(self)
            self._give(out)

    def take_turn(self, out: Effects[C]) -> None:
        """Give a reader more of what it is owed, unless it has been blocked again; or go on with its request."""
        if self._is_halfway:
            self._unsent.release(self)
            self._give(out)
        elif self.under_way is None or self.state == "closed" or not self.is_examined:
            return  # an examination that ends will ask for another turn
        else:
            self.under_way.go_on(out)
        if self.under_way is not None:
            self._ask_for_turn()

    def _give(self, out: Effects[C]) -> None:
        """Give the reader what it is owed, until the window is full or its turn is over."""
        if self._awaits_examination:
            return
        self.state, self._is_halfway, self.is_giving = "ready", False, True
        left = self._limits.turn_readers
        while self._backlog and self.state == "ready":
            if left <= 0:
                self._go_on_later()
                break
            match owed := self._backlog.take():
                case Subscription():
                    if not (self._examinations and self._take_back(self, owed, out)):
                        self.take(owed.collection.catch_up(owed, out), out)
                    left -= owed.effort - 1
                case HeldReply(message):
                    self.send(message, out)
                case Deferred():
                    owed.resume(out)
            left -= 1
        self._has_turn = self.is_giving = False
        if kept := self._backlog.kept():
            self._unsent.add(self, kept, self._drains.now)
        self._control_flow(out)

    def _ask_for_turn(self) -> None:
        """Have what is done by turns gone on with."""
        self._take_turns(self)

    def _go_on_later(self) -> None:
        """Give the reader the rest of what it is owed in later turns."""
        self.state, self._is_halfway = "blocked", True
        self._ask_for_turn()

    def leave(self, out: list[Effect[C]]) -> None:
        """Clean up after a connection that has ended: what is deferred is abandoned, and its authors are informed."""
        self.state, self._is_halfway = "closed", False
        self._unsent.forget(self)
        self._unsent.readers -= 1
        self._drains.cancel(self)
        while self._backlog:
            match owed := self._backlog.take():
                case Deferred():
                    owed.abandon(out)
                case _:
                    pass
        if self.under_way is not None:
            self.under_way.abandon(out)
        if self.postponed is not None:
            for request in self.postponed.take():
                request.abandon(out)

    def close(
        self, reason: str, out: list[Effect[C]], code: int = CLOSE_POLICY, *, at_once: bool = False
    ) -> None:
        """Give up the connection; its client may come back and resume."""
        if self.state != "closed":
            self.state, self._is_halfway = "closed", False
            out.append(Close(self.connection, code, reason, at_once))

    def give_up(self, out: list[Effect[C]]) -> None:
        """Close the connection at once, since others need the memory."""
        self.close("the server is out of memory for slow readers", out, at_once=True)

    # --- the backlog ------------------------------------------------------------------------------

    def owe(self, subscription: Subscription[C]) -> None:
        """Bring a subscription up to date in its turn, once the reader has drained."""
        self._backlog.add(subscription)

    def owes(self, path: CollectionPath, cursor: Cursor) -> bool:
        """Return whether a subscription to a collection has yet to be brought to this state."""
        return any(
            subscription in self._backlog and not subscription.holds(cursor)
            for subscription in self.subscriptions.of.get(path, ())
        )

    def definitions(self, path: CollectionPath) -> Iterable[Definition]:
        """Return what it is shown of a collection through each of its views."""
        for subscription in self.subscriptions.of.get(path, ()):
            if subscription.definition is not None:
                yield subscription.definition

    def disown(self, subscription: Subscription[C]) -> None:
        """Drop what a subscription is owed."""
        self._backlog.discard(subscription)

    def defer(self, deferred: Deferred[C], out: list[Effect[C]]) -> None:
        """Call `deferred.resume(out)` when the reader has drained."""
        self._backlog.defer(deferred)
        self._charge((deferred,), out)

    def defer_again(self, those: Sequence[Deferred[C]], out: list[Effect[C]]) -> None:
        """Defer requests that were already under way, ahead of everything deferred so far: they came earlier."""
        for deferred in reversed(those):
            self._backlog.defer(deferred, first=True)
        self._charge(those, out)

    @property
    def has_deferred(self) -> bool:
        """Whether a request is deferred, so that all later ones must be."""
        return self._backlog.requests > 0
