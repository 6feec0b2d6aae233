"""One collection that somebody watches, reads or writes: its order, its replica, its storage operation.

The rules:

1. At most one storage operation is under way. Requests wait in one queue, in the order they came, and the next
   commit takes all updates at its head together (group commit).
2. The replica only ever holds committed states: it moves when storage says so, and then every
   subscriber in step gets the net change, and after that the authors their answers.
3. Storage numbers the versions. If its answer does not follow on the replica (another process has committed), or its
   outcome is unknown, the replica is *stale*: what changed since is loaded before anything else is done, and answers
   that depend on it wait. When to load is a matter of `freshness`.
4. While loads fail requests are answered `unavailable`.
5. A collection that nobody watches commits blind, without content in memory.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C, Commit, Doubt, Effect, Load
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import CommitResult, Committed, Cursor, Loaded

from .acknowledgements import Acknowledgements
from .freshness import LOOK_SECONDS, Freshness
from .notices import Notices
from .operations import Answer, Get, Operation, Put, Queue
from .reader import Postponed
from .replica import Replica
from .subscribers import Subscribers, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.limits import Limits
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.updates import Update

    from .desk import Deadline, Desk
    from .reader import Reader

COLLECTION_BYTES: Final = 4096
ENTRY_BYTES: Final = 400
"""About what a collection and each of its ids take beside the items' text."""


class Collection(Generic[C]):
    """The state machine of one collection."""

    def __init__(self, path: CollectionPath, desk: Desk[C, Collection[C]]) -> None:
        self.path = path
        self._desk = desk
        self._replica: Replica | None = None
        self._notices = Notices(desk.limits.part_bytes)
        self._subscribers: Subscribers[C] = Subscribers(self._notices, desk.counters)
        self._queue: Queue[C] = Queue(desk.pending)
        self._answers: Acknowledgements[C] = Acknowledgements(
            path, self._subscribers, desk.counters
        )
        self._freshness: Freshness[C] = Freshness()
        self._committing: list[Put[C]] | None = None

    def change_limits(self, limits: Limits) -> None:
        """Let other limits hold from now on."""
        self._notices.part_bytes = limits.part_bytes

    # --- what clients ask -------------------------------------------------------------------------

    def take_in(self, operation: Operation[C]) -> None:
        """Take in an update or a read; then let the collection `proceed`."""
        self._queue.append(operation)

    def subscribe(self, subscription: Subscription[C], now: float, out: list[Effect[C]]) -> None:
        """Let a subscriber in; it gets one synchronising notification, then every change."""
        self._freshness.claim(subscription, self._replica)
        self._subscribers.add(subscription)
        self._advance(now, out, subscription.reader)

    def unsubscribe(self, subscription: Subscription[C]) -> None:
        """Let a subscriber go; then let the collection `proceed`."""
        self._freshness.drop(subscription)
        self._subscribers.remove(subscription)

    def stall(self, subscription: Subscription[C]) -> None:
        """Keep no more than a cursor for this subscriber until `catch_up`."""
        self._subscribers.stall(subscription, self.cursor)

    def catch_up(self, subscription: Subscription[C], out: list[Effect[C]]) -> None:
        """Bring a subscriber from its cursor to now; later, if there is no content yet."""
        replica = self._replica
        if replica is None or self._freshness.is_awaited(subscription, replica):
            self._subscribers.wait(subscription)
        else:
            self._freshness.drop(subscription)
            cursor = subscription.cursor
            if cursor is not None and replica.is_behind(cursor):  # after a look, that is
                out.append(Doubt(self.path, cursor))
            self._subscribers.bring_to_now(subscription, replica, out)

    # --- what storage answers ---------------------------------------------------------------------

    def commit_succeeded(self, result: CommitResult, now: float, out: list[Effect[C]]) -> None:
        """The writes of the commit under way were carried out, or rejected one by one; see `results`."""
        puts = self._end_commit()
        answers = [
            Answer(
                put.author,
                put.write.update.touched,
                outcome,
                Cursor(result.epoch, outcome.version),
            )
            for put, outcome in zip(puts, result.outcomes, strict=True)
        ]
        if self._replica is not None and not self._follow(puts, answers, self._replica, out):
            self._freshness.stale = True
        if self._freshness.stale or self._replica is None:
            self._answers.hold(answers)  # those who watch are to see it first
        else:
            self._answers.give(answers, out)
        self._advance(now, out)

    def commit_failed(
        self, error: RequestError, now: float, out: list[Effect[C]], *, outcome_unknown: bool
    ) -> None:
        """The commit under way failed: nothing was stored, or nobody knows."""
        puts = self._end_commit()
        if outcome_unknown:
            self._fail_unknown(puts, out)
        else:
            for put in puts:
                put.author.fail(error, out)
        self._advance(now, out)

    def load_succeeded(self, loaded: Loaded, now: float, out: list[Effect[C]]) -> None:
        """The load under way has brought content; see `results`."""
        before = self.cursor
        if self._replica is None or loaded.base is None:
            self._replica = Replica(loaded)
        else:
            self._replica.merge(loaded)
        is_news = before != self._replica.cursor
        if self._freshness.succeeded(self._replica, is_news=is_news):
            self._desk.set_deadline(self, "look", now + LOOK_SECONDS)
        if is_news:
            self._subscribers.broadcast(before, self._replica, out)
            self._replica.prune(self._desk.limits.tombstones)
        self._advance(now, out)

    def load_failed(self, error: RequestError, now: float, out: list[Effect[C]]) -> None:
        """The load under way failed; it is tried again while somebody watches."""
        pause = self._freshness.failed(*self._desk.limits.retry_seconds)
        self._freshness.stale = self._replica is not None
        self._queue.fail(error, out)
        if len(self._subscribers):
            self._freshness.retrying = True
            self._desk.set_deadline(self, "retry", now + pause)
        self._advance(now, out)

    def changed_elsewhere(self, cursor: Cursor | None, now: float, out: list[Effect[C]]) -> None:
        """Another process has committed; `cursor` is the state it reached, if known."""
        known = self.cursor
        if known is None and not self._freshness.loading:
            return
        if known is None or cursor is None or cursor.epoch != known.epoch:
            self._freshness.stale = True
        elif self._replica is not None and self._replica.is_behind(cursor):
            self._freshness.announce(cursor)  # a commit under way may be what brought it there
        else:
            return  # nothing new: who asks all the time must not keep it from going
        self._advance(now, out)

    def deadline(self, which: Deadline, now: float, out: list[Effect[C]]) -> None:
        """A deadline has come."""
        if which == "retry":
            self._freshness.retrying = False
            self._advance(now, out)
        elif which == "look":
            self._freshness.resting = False
            if self._freshness.wants_look:
                self._advance(now, out)
        elif self._is_idle():
            self._desk.forget(self)

    def proceed(self, now: float, out: list[Effect[C]], asker: Reader[C] | None = None) -> None:
        """Go on: `asker` wants something, it is this collection's turn to load, or subscribers have gone."""
        self._advance(now, out, asker)

    @property
    def memory(self) -> int:
        """About how many bytes it takes."""
        replica = self._replica
        if replica is None:
            return COLLECTION_BYTES
        entries = len(replica) + replica.tombstones
        return COLLECTION_BYTES + replica.bytes + ENTRY_BYTES * entries

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return len(self._subscribers)

    @property
    def is_loaded(self) -> bool:
        """Whether the content is in memory."""
        return self._replica is not None

    @property
    def is_loading(self) -> bool:
        """Whether the storage operation under way is a Load."""
        return self._freshness.loading

    @property
    def committing(self) -> list[Update]:
        """The updates of the commit under way."""
        return [put.write.update for put in self._committing or ()]

    @property
    def cursor(self) -> Cursor | None:
        """The state that is in memory, which a load under way was asked to begin at; None without content."""
        return None if self._replica is None else self._replica.cursor

    @property
    def is_busy(self) -> bool:
        """Whether a request waits here for storage."""
        return bool(self._committing or self._queue or self._answers)

    # --- the one step -----------------------------------------------------------------------------

    def _advance(self, now: float, out: list[Effect[C]], asker: Reader[C] | None = None) -> None:
        """Do whatever can be done now, up to the next storage operation; `asker` is who came for it."""
        freshness = self._freshness
        self._catch_up_waiting(out)
        while not freshness.loading and self._committing is None:
            if not len(self._subscribers):  # nobody needs to see it
                self._answers.release(out)
                if freshness.is_outdated(self._replica):
                    self._replica = None
                    freshness.forget()
                    self._notices.clear()
            elif self._replica is not None and not freshness.stale:
                self._answers.release(out)
            needs_load = self._needs_load()
            if needs_load and freshness.retrying:
                self._queue.fail(RequestError("unavailable", "the storage cannot be read"), out)
                return
            if (needs_load or freshness.wants_look) and not (freshness.just_loaded and self._queue):
                if self._desk.begin_load(self, asker):
                    self._start_load(out, look=not needs_load)
                    return
                if needs_load:
                    return
            else:
                self._desk.want_no_load(self)
            if not self._queue:
                self._rest(now)
                return
            freshness.just_loaded = False
            self._serve(out)

    def _catch_up_waiting(self, out: list[Effect[C]]) -> None:
        if self._replica is not None:
            for subscription in self._subscribers.waiting():
                if not subscription.reader.blocked:  # by what it has been given just now
                    self.catch_up(subscription, out)

    def _needs_load(self) -> bool:
        if self._freshness.is_outdated(self._replica):
            return True
        if self._replica is not None:
            return False
        reads = isinstance(self._queue.head, Get)
        asked = reads or (self._queue and self._desk.limits.bound_collections)
        return bool(len(self._subscribers) or asked)

    def _start_load(self, out: list[Effect[C]], *, look: bool) -> None:
        self._freshness.begin(look=look)
        out.append(Load(self._desk.issue(self), self.path, self.cursor))

    def _serve(self, out: list[Effect[C]]) -> None:
        """Answer the read at the head of the queue, or commit the updates there."""
        head = self._queue.head
        if not isinstance(head, Get):
            puts = self._queue.take_puts(self._replica, self._desk.limits, out)
            if puts:
                self._committing = puts
                ticket = self._desk.issue(self)
                out.append(Commit(ticket, self.path, [put.write for put in puts]))
            return
        assert self._replica is not None  # noqa: S101  (_needs_load saw to it)
        reader = head.author.reader
        if reader and reader.blocked and not reader.closed:  # an answer would wait in memory
            self._postpone(reader, out)
            return
        self._queue.take()
        items = self._notices.items(self._replica)
        head.author.succeed(items, out, self._replica.cursor)

    def _postpone(self, reader: Reader[C], out: list[Effect[C]]) -> None:
        """Put off what a blocked reader asked for."""
        request, path = self._desk.request, self.path
        theirs = self._queue.take_of(reader)
        reader.postpone_again(
            [Postponed(partial(request, path, each), each.size) for each in theirs], out
        )

    def _rest(self, now: float) -> None:
        if self._is_idle():
            if self._replica is None:
                self._desk.forget(self)
            else:
                self._notices.clear()  # encoded anew for whoever comes back: that memory is not counted
                self._desk.linger(self, now)

    def _is_idle(self) -> bool:
        under_way = self._freshness.loading or self._committing is not None
        return not (under_way or self._queue or self._answers or len(self._subscribers))

    # --- outcomes ---------------------------------------------------------------------------------

    def _end_commit(self) -> list[Put[C]]:
        puts, self._committing = self._committing or [], None
        self._queue.ended(puts)
        return puts

    def _follow(
        self,
        puts: Sequence[Put[C]],
        answers: Sequence[Answer[C]],
        replica: Replica,
        out: list[Effect[C]],
    ) -> bool:
        """Move the replica by committed updates and tell everybody; False if they do not follow on it."""
        version = replica.version
        effective: list[tuple[Update, int]] = []
        for put, answer in zip(puts, answers, strict=True):
            update = put.write.update
            if isinstance(answer.outcome, Committed) and not update.is_noop:
                version += 1
                effective.append((update, version))
            if answer.cursor != Cursor(replica.epoch, version):
                return False
        before = replica.cursor
        for update, version in effective:
            replica.apply(update, version)
        if effective:
            self._subscribers.broadcast(before, replica, out)
            replica.prune(self._desk.limits.tombstones)
        return True

    def _fail_unknown(self, puts: Sequence[Put[C]], out: list[Effect[C]]) -> None:
        """Answer that nobody knows; then see what storage really holds."""
        error = RequestError("unavailable", "storage failed while the update was being committed")
        for put in puts:
            put.author.fail(error, out, outcome_unknown=True)
        self._freshness.stale = self._replica is not None
