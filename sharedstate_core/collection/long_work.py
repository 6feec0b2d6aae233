"""What a collection does by turns: to check, take in or encode what is large, to tell many groups.

The rules:

1. While it goes on, nothing else of the collection begins, as with any operation: what is encoded stays as it is.
2. While a load is taken in there is no content, and nobody is told anything.
3. Whoever waits for something that takes turns to encode waits as for content.
4. Subscribers in many groups are told by turns, with nothing new before all have been told; answers wait for that.
5. A large update is checked on what is in memory, which stays as it is.
6. While a large commit is applied, what there is in memory is no state: nobody is shown it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from sharedstate_core.effects import C, Effect, Effects, Load, Refused
from sharedstate_core.errors import LocalProtocolError, RequestError

from .checking import check_put
from .freshness import PROBE_SECONDS
from .viewing import Viewing
from .waiting_requests import Get

if TYPE_CHECKING:
    from sharedstate_core.items.applying import Applying
    from sharedstate_core.items.loading import Loading
    from sharedstate_core.items.notices import Notices
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.items.source import Source
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Loaded

    from .collection_host import CollectionHost
    from .reader import Reader
    from .waiting_requests import Put


class LongWork(Viewing[C]):
    """The loads of a collection, and what it encodes by turns."""

    def __init__(self, path: CollectionPath, host: CollectionHost[C, Any]) -> None:
        super().__init__(
            path,
            host.live_limits,
            host.counters,
            host.pending,
            host.leftovers,
            host.encoded,
            host.give,
            host.rules_version,
        )
        self._host = host
        self._is_in_line = False  # for a load
        self._refusal: RequestError | None = None  # of all that waited, by turns

    @abstractmethod
    def proceed(self, out: Effects[C], asker: Reader[C] | None = None) -> None:
        """Do all that can be done now, up to the next operation."""

    @abstractmethod
    def _broadcast(self, replica: Replica, out: list[Effect[C]]) -> None:
        """Send all subscribers in step the net change to the replica."""

    def forget_content(self) -> None:
        """Drop the content and all that was encoded of it; it takes turns to be freed if it is large."""
        super().forget_content()
        self._host.unloaded(self)

    # --- loads ------------------------------------------------------------------------------------

    def _load(self, asker: Reader[C] | None, out: list[Effect[C]], *, probe: bool) -> bool:
        """Begin a load or join the load queue; return whether it has begun."""
        self._is_in_line = not self._host.begin_load(self, asker)
        if self._is_in_line:
            return False
        self._freshness.begin(probe=probe)
        self.operation = Load(self._host.issue(self), self.path, self.cursor)
        out.append(self.operation)
        return True

    def load_succeeded(self, loaded: Loaded, out: Effects[C]) -> None:
        """Take in the content from the load under way, in turns if it is large; see `results`."""
        limits = self._limits.current
        work = self._content.load(loaded, limits.turn_items, limits.tombstones)
        self._work = self._with_news(work)
        self.go_on(out)

    def _apply(self, work: Applying) -> None:
        """Begin to apply a large commit."""
        self.operation, self._work = "apply", self._with_news(work)
        self._host.take_turns(self)

    def _take_in(self, replica: Replica, out: Effects[C]) -> None:
        """Tell of a commit once the views have taken it in, by turns if that is much."""
        work = self._viewed(replica)
        try:
            next(work)
        except StopIteration:
            self._broadcast(replica, out)
        else:
            self.operation, self._work = "apply", work
            self._host.take_turns(self)

    def _viewed(self, replica: Replica) -> Loading:
        """Let the views take in what has changed, and encode what is told of it, if that takes turns."""
        views = self._views
        if views is not None:
            yield from views.advance(replica)
            yield from self._move_authors(views, replica)
            most = self._limits.turn_requests
            for number, view in enumerate(list(views.due), 1):
                for in_parts, cursor in self._subscribers.in_step_with(view):
                    if view.notices.takes_turns(view, in_parts, cursor):
                        yield from view.notices.encode(view, in_parts, cursor)
                if number % most == 0:
                    yield
        return replica

    def _with_news(self, work: Loading | Applying) -> Loading:
        """Load or apply, and encode what subscribers in step are to be told of it, if that takes turns."""
        replica = yield from work
        for in_parts, cursor in self._subscribers.in_step():
            if self._notices.takes_turns(replica, in_parts, cursor):
                yield from self._notices.encode(replica, in_parts, cursor)
        return (yield from self._viewed(replica))

    def go_on(self, out: Effects[C]) -> None:
        """Do another portion of the long work under way, or all that can be done now."""
        operation, work = self.operation, self._work
        if work is None:
            if operation == "tell" and self._content.replica is not None:
                self._broadcast(self._content.replica, out)
            elif self._refusal is not None:
                self._refuse(self._refusal, out)
            self.proceed(out)
            return
        try:
            next(work)
        except StopIteration as end:
            self._work = None
            if isinstance(operation, Load):
                self._loaded(end.value, is_news=operation.since != end.value.cursor, out=out)
            elif operation == "apply":
                self._content.show(end.value)
                self._broadcast(end.value, out)
                self._host.take_turns(self)  # for the answers
            else:
                self.operation = None
                self.proceed(out)
        except RequestError as error:
            self.operation = self._work = None
            self._bring_up((self._queue.waiting[0].author.reader,), out)
            self._queue.refuse_head(error, out, self.cursor)
            self.proceed(out)
        except LocalProtocolError as error:
            assert isinstance(operation, Load)  # noqa: S101  (for the type checker)
            out.append(Refused(operation, error))
            self.load_failed(RequestError("unavailable", "the storage is not available"), out)
        else:
            self._host.take_turns(self)

    def _loaded(self, replica: Replica, *, is_news: bool, out: Effects[C]) -> None:
        self._end_load()
        self._content.show(replica)
        self._host.loaded(self)
        self._subscribers.waiting.wake()
        if self._freshness.succeeded(replica, is_news=is_news):
            self._host.set_deadline(self, "probe", out.now + PROBE_SECONDS)
        if is_news or (self._views is not None and self._views.due):
            self._broadcast(replica, out)
        self.proceed(out)

    def load_failed(self, error: RequestError, out: Effects[C]) -> None:
        """Handle the failure of the load under way; it is retried while there are subscribers."""
        self._end_load()
        if self._content.replica is None:
            self._host.unloaded(self)  # if there was any: what was loaded last has been used up
        pause = self._freshness.failed(*self._limits.current.retry_seconds)
        self._content.doubt()
        self._refuse(error, out)
        if self._subscribers.count:
            self._freshness.retrying = True
            self._host.set_deadline(self, "retry", out.now + pause)
        self.proceed(out)

    def _refuse(self, error: RequestError, out: Effects[C]) -> None:
        """Refuse all that waits, by turns."""
        self._queue.fail(error, out, self._limits.turn_requests)
        if self._queue.waiting:
            self.operation, self._refusal = "refuse", error
            self._host.take_turns(self)
        else:
            self.operation = self._refusal = None

    def _end_load(self) -> None:
        self.operation = self._work = None
        self._host.end_load(self)

    # --- checks -----------------------------------------------------------------------------------

    def _check(self, put: Put[C], out: Effects[C]) -> None:
        """Begin to check the head of the queue, which stays there meanwhile."""
        replica = self._content.replica if put.looks else None
        self.operation, self._work = "check", check_put(put, replica, out)
        self.go_on(out)

    # --- encoding ---------------------------------------------------------------------------------

    def unencoded(self) -> tuple[Source, Notices, bool, Cursor | None] | None:
        """Return what somebody waits for that takes turns to encode: of what, by what, whether in parts, since when."""
        replica = self._content.replica
        if replica is None:
            return None
        if (wanted := self._unencoded_of_first(replica)) is not None:
            return wanted
        head = self._queue.waiting[0] if self._queue.waiting else None
        if isinstance(head, Get):
            source, notices = self._source_for(head, replica)
            if notices.takes_turns(source, False, None):
                return source, notices, False, None
        return None

    def _unencoded_of_first(
        self, replica: Replica
    ) -> tuple[Source, Notices, bool, Cursor | None] | None:
        """Return what takes turns to encode, for which some have waited the longest; None: it does not, any more."""
        first = self._waiting.first_for_text()
        if first is None or self._freshness.awaited_version(first, replica) is not None:
            return None
        source, notices = self._source_of(first, replica)
        wanted = first.audience.parts, first.base
        return (source, notices, *wanted) if notices.takes_turns(source, *wanted) else None

    def _wake_encoded(self, replica: Replica, left: int) -> None:
        """Look next at those who need not wait any more until something is encoded, as many as one turn may."""
        while left > 0 and (first := self._waiting.first_for_text()) is not None:
            if self._unencoded_of_first(replica) is not None:
                return
            left -= first.effort * self._waiting.wake_first(max(1, left // first.effort))

    def _encode(self, out: Effects[C]) -> None:
        """Begin to encode what somebody waits for."""
        wanted = self.unencoded()
        assert wanted is not None  # noqa: S101  (that is why it is the next step)
        source, notices, in_parts, cursor = wanted
        self.operation, self._work = "encode", notices.encode(source, in_parts, cursor)
        self.go_on(out)
