"""The state machine of one collection in use: its queue, its content, its storage operation.

The rules:

1. At most one storage operation is under way. Requests wait in one queue in order of arrival, and the next commit
   takes all the updates at its head together (group commit). The table in `collection_step` decides what comes next.
2. The replica only ever holds committed states. It moves when storage reports a commit or a load; then every
   subscriber in step gets the net change, and after that the authors get their answers.
3. Storage assigns the versions. If its result does not follow on from the replica (another process has committed), or
   the outcome is unknown, the replica is *stale*: what has changed since is loaded before anything else is done, and
   answers that depend on it wait. `freshness` decides when to load.
4. While loads fail, requests are answered `unavailable`.
5. A collection without subscribers commits blind, with no content in memory.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sharedstate_core.decisions.collection_step import COLLECTION_STEP, Asked, Step
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.effects import C, Commit, Doubt, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.items.replica import Replica
from sharedstate_core.messages import SPLICED_BYTES, Seen

from .author import abandon
from .long_work import LongWork
from .reader import Deferred
from .waiting_requests import Get, QueuedRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.messages import Message
    from sharedstate_core.storage import CommitResult, Cursor
    from sharedstate_core.views.definition import Definition

    from .collection_host import Deadline
    from .reader import Reader
    from .settled import Settled
    from .subscription import Subscription


class Collection(LongWork[C]):
    """The state machine of one collection."""

    # --- requests ---------------------------------------------------------------------------------

    def take_in(self, request: QueuedRequest[C]) -> None:
        """Queue an update or a read; the caller then calls `proceed`."""
        self._queue.append(request)

    def subscribe(self, subscription: Subscription[C]) -> None:
        """Add a subscriber, which is told nothing before `begin`."""
        self._use(subscription)
        self._subscribers.count += 1

    def begin(self, subscription: Subscription[C]) -> None:
        """Let a subscriber have one synchronising notification and then every change.

        The caller then calls `proceed`.
        """
        self._freshness.note_ahead(subscription, self._content.replica)
        self._subscribers.await_content(subscription)

    def unsubscribe(self, subscription: Subscription[C]) -> None:
        """Remove a subscriber; the caller then calls `proceed`."""
        self._freshness.drop(subscription)
        self._subscribers.remove(subscription)
        self._leave(subscription)

    def redefine(self, subscription: Subscription[C], definition: Definition | None) -> None:
        """Let a suspended subscriber see something else from now on, beginning with all of it."""
        self._freshness.drop(subscription)
        self._leave(subscription)
        subscription.definition, subscription.begins_anew = definition, True
        self._use(subscription)

    def suspend(self, subscription: Subscription[C]) -> None:
        """Keep nothing but a cursor for this subscriber until `catch_up`."""
        self._subscribers.suspend(subscription)

    def catch_up(
        self, subscription: Subscription[C], out: list[Effect[C]], *, proceeds: bool = False
    ) -> Sequence[Message]:
        """Return what brings a subscriber up to date, for the caller to send; nothing yet without content.

        If it has to be encoded by turns, the collection will `proceed`, unless it does so now.
        """
        replica = self._content.replica
        claimed = self._freshness.awaited_version(subscription, replica)
        is_moving = self.operation == "apply" or self.operation == "tell"
        if replica is None or claimed is not None or is_moving:
            self._subscribers.await_content(subscription, claimed)
            return ()
        view, cursor = self._view_of(subscription, replica), subscription.cursor
        if view is not None and self._has_to_move(subscription, view):
            self._move(view, replica, out)
        source, notices = (replica, self._notices) if view is None else (view, view.notices)
        if notices.takes_turns(source, subscription.audience.parts, subscription.base):
            self._subscribers.await_text(subscription, view)
            if self.operation is None and not proceeds:
                self._host.take_turns(self)
            return ()
        if replica.bytes >= SPLICED_BYTES and not subscription.reader.has_room(out):
            return ()
        self._freshness.drop(subscription)
        if cursor is not None and replica.is_behind(cursor):  # only after a probe
            out.append(Doubt(self.path, cursor))
        return self._subscribers.sync(subscription, replica, view)

    def give(self, answer: Settled[C], out: Effects[C]) -> None:
        """Answer the author of an update, once its reader has been shown it, in all its views."""
        if self._views is not None and self._is_moving:
            self._answers.hold((answer,))
        else:
            self._bring_up((answer.author.reader,), out)
            self._answers.give((answer,), out)

    # --- storage results --------------------------------------------------------------------------

    def commit_succeeded(self, commit: Commit, result: CommitResult, out: Effects[C]) -> None:
        """Handle the outcomes of the commit under way, one for each write: committed or rejected; see `results`."""
        self.operation = None
        size = self._limits.current.turn_items if self._queue.is_commit_large else None
        answers = self._queue.settle(result)
        moved = self._content.follow(commit.writes, result, size)
        if self._views is not None:
            self._answers.hold(answers)  # until their authors' views show the updates, too
            answers = []
        if isinstance(moved, Replica):
            if self._views is None:
                self._broadcast(moved, out)
            else:
                self._take_in(moved, out)
        elif moved is not None:
            self._apply(moved)
        if self._freshness.stale or self._content.replica is None or self.operation is not None:
            self._answers.hold(answers)  # subscribers must see the updates first
        else:
            self._answers.give(answers, out)
        self.proceed(out)

    def commit_failed(self, error: RequestError, out: Effects[C], *, outcome_unknown: bool) -> None:
        """Handle the failure of the commit under way: nothing was stored, or the outcome is unknown."""
        self.operation = None
        if outcome_unknown:
            text = "storage failed while the update was being committed"
            error = RequestError("unavailable", text)
            self._content.doubt()
        for put in self._queue.end_commit():
            put.fail(error, out, outcome_unknown=outcome_unknown)
        self.proceed(out)

    def changed_elsewhere(self, cursor: Cursor | None, out: Effects[C]) -> None:
        """Record that another process has committed; `cursor` is the state it reached, if known."""
        if self._content.hear(cursor):  # no news must not prolong its lingering
            self.proceed(out)

    def deadline(self, which: Deadline, out: Effects[C]) -> None:
        """Handle a deadline that has passed."""
        if which == "retry":
            self._freshness.retrying = False
            self.proceed(out)
        elif which == "probe":
            self._freshness.probe_paused = False
            if self._freshness.wants_probe:
                self.proceed(out)
        elif which == "views":
            self._closing_at = None
            self._close_views(out.now)
        elif self._is_idle():
            self._host.forget(self)

    # --- steps ------------------------------------------------------------------------------------

    def proceed(self, out: Effects[C], asker: Reader[C] | None = None) -> None:
        """Do all that can be done now, up to the next storage operation; `asker` is the reader that asked, if any."""
        self._catch_up_waiting(out)
        self._close_views(out.now)
        may_probe, left = True, self._limits.turn_requests
        while self.operation is None:
            if not left:
                self._host.take_turns(self)
                return
            if self._answers.held or self._waiting.caught_up:
                self._release_answers(out)
            match self._next_step(may_probe=may_probe):
                case "commit" | "answer" | "encode" as step:
                    self._leave_line(may_probe=may_probe)
                    self._serve(step, out)
                    left -= left if step == "commit" and self._queue.waiting else 1
                case "rest":
                    self._leave_line(may_probe=may_probe)
                    self._rest(out.now)
                    return
                case "forget":
                    self.forget_content()
                case "refuse":
                    self._refuse(RequestError("unavailable", "the storage cannot be read"), out)
                    return
                case "load":
                    self._load(asker, out, probe=False)
                    return
                case "probe":
                    may_probe = self._load(asker, out, probe=True)

    def _next_step(self, *, may_probe: bool) -> Step:
        """Return the next step; `may_probe` is false if a probe already stands in line."""
        freshness, watched = self._freshness, self._subscribers.count > 0
        waiting = self._queue.waiting
        head = waiting[0] if waiting else None
        asked: Asked = "nothing" if head is None else "read" if isinstance(head, Get) else "update"
        if freshness.stale or freshness.announced is not None:
            content = "outdated"
        elif self._content.replica is not None:
            content = "current"
        elif watched or asked == "read" or (head and self._needs_content(head)):
            content = "missing"
        else:
            content = "none"
        probe = may_probe and bool(freshness.ahead) and freshness.wants_probe
        unencoded = False
        somebody_waits = bool(self._waiting.behind)
        waits_for_text = somebody_waits and self._waiting.first_for_text() is not None
        if asked == "read" or waits_for_text:
            unencoded = self.unencoded() is not None
            if waits_for_text and not unencoded:
                self._host.take_turns(self)  # for those who need not wait any more
        return COLLECTION_STEP.decide[
            content, watched, asked, freshness.retrying, probe, freshness.just_loaded, unencoded
        ]

    def _needs_content(self, head: QueuedRequest[C]) -> bool:
        """Return whether an update depends on what is stored."""
        return self._limits.bound_collections or head.looks

    def _leave_line(self, *, may_probe: bool) -> None:
        """Leave the load queue, unless a probe waits there for its turn."""
        if self._is_in_line and may_probe:
            self._is_in_line = False
            self._host.want_no_load(self)

    def _catch_up_waiting(self, out: list[Effect[C]]) -> None:
        waiting, left = self._waiting, self._limits.turn_readers
        if not waiting.behind or self._content.replica is None or isinstance(self.operation, str):
            return
        self._wake_encoded(self._content.replica, left)
        for subscription in waiting.next(left):
            if left <= 0:
                break
            left -= subscription.effort
            reader = subscription.reader
            if reader.is_open:  # an earlier iteration may have blocked it
                reader.take(self.catch_up(subscription, out, proceeds=True), out)
            else:
                self.suspend(subscription)
        if left <= 0 and waiting.is_somebody_next:
            self._host.take_turns(self)

    def _release_answers(self, out: list[Effect[C]]) -> None:
        """Give the held answers once the subscribers have seen the updates they acknowledge."""
        has_content = self._content.replica is not None and not self._freshness.stale
        if has_content or not self._subscribers.count:
            if self._views is not None:
                held = [answer.author.reader for answer in self._answers.held]
                self._bring_up([*held, *self._waiting.caught_up], out)
            self._answers.release(out)

    def _close_views(self, now: float) -> None:
        due = None if self._views is None else self._close_unused(self._views, now)
        if due is not None and due <= now:
            self._host.take_turns(self)
        elif due is not None and due != self._closing_at:
            self._closing_at = due
            self._host.set_deadline(self, "views", due)

    def _serve(self, step: Step, out: Effects[C]) -> None:
        """Answer the read at the head of the queue, or commit the updates there, or encode what takes turns."""
        if step == "encode":
            self._encode(out)
            return
        self._freshness.just_loaded = False
        head, replica = self._queue.waiting[0], self._content.replica
        if not isinstance(head, Get):
            writes = self._queue.begin_commit(replica, self._limits, out, self._bring_up)
            if not writes and self._queue.waiting and self._queue.waiting[0] is head:
                self._check(head, out)
            elif writes:
                self.operation = Commit(self._host.issue(self), self.path, writes)
                out.append(self.operation)
            return
        assert replica is not None  # noqa: S101  (without content the next step is another)
        reader = head.author.reader
        if reader and replica.bytes >= SPLICED_BYTES:
            reader.has_room(out)  # if not, it is blocked
        if reader and DELIVERY.decide[reader.state, "read", False] == "later":
            self._defer(reader, out)
            return
        self._queue.take()
        source, notices = self._source_for(head, replica)
        shown = notices.whole(source)
        data = shown.items if shown.at is None else Seen(shown.items, shown.at, source.has_more)
        head.author.succeed(data, out, replica.cursor)
        self._end_read(head)

    def _defer(self, reader: Reader[C], out: list[Effect[C]]) -> None:
        """Defer everything queued for a blocked reader."""
        request, path = self._host.request, self.path
        theirs = [
            Deferred(partial(request, path, each), partial(abandon, each.author), each.size)
            for each in self._queue.take_of(reader)
        ]
        reader.defer_again(theirs, out)

    def _rest(self, now: float) -> None:
        if self._is_idle():
            if self._content.replica is None:
                self._host.forget(self)
            else:
                self._host.linger(self, now)

    def _is_idle(self) -> bool:
        waits = self._queue.waiting or self._answers.held or self._answers.behind
        return not (self.operation or waits or self._subscribers.count)

    def _broadcast(self, replica: Replica, out: list[Effect[C]]) -> None:
        """Send all subscribers in step the net change to the replica, and forget old tombstones, by turns if many."""
        is_done = self._subscribers.broadcast(replica, self._views, out, self._limits.turn_readers)
        limits = self._limits.current
        if is_done and (beyond := len(replica.tombstones) - limits.tombstones) > 0:
            replica.prune(limits.tombstones + max(0, beyond - limits.turn_items))
            is_done = beyond <= limits.turn_items
        if is_done:
            self.operation = None
        else:
            self.operation = "tell"
            self._host.take_turns(self)
