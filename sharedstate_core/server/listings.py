"""All lists of names that are asked for: whose turn it is, and who shares one.

The rules:

1. Few lists are read from one service at once, whoever asks for them. The others wait, and connections take turns.
2. Those who ask the same share one list, until it begins to be read: it holds whatever was acknowledged before they
   asked.
3. A list for which nobody waits any more is not read; one that is under way then is neither put together nor encoded.
4. One input answers only so many; the rest come with the next. A reader who cannot take the answer then asks again,
   by itself, when it can: the answer waits nowhere.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.collection.author import abandon
from sharedstate_core.collection.reader import Deferred
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.messages import SPLICED_BYTES
from sharedstate_core.wire.page import Page

from .listing import Asked, Listing, ListRead
from .load_queue import LoadQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_core.collection.reader import Reader
    from sharedstate_core.errors import RequestError
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.pending import Pending

    from .listing import Question
    from .tickets import Tickets

AT_ONCE: Final = 1
"""Lists that are read from one service at once: each may cost as much as the load of a large collection."""

ANSWER_BYTES: Final = 4096
"""What an answer costs by itself, as bytes of names that cost as much: one input gives few of them, however short."""


class Listings(Generic[C]):
    """The lists of one server process.

    Args:
        services: names of the services.
        limits: `window_bytes` is about what one input gives to all who have asked.
        tickets: issues the tickets of the operations.
        pending: counts what waits for storage.
    """

    def __init__(
        self,
        services: Iterable[str],
        limits: LiveLimits,
        tickets: Tickets[C],
        pending: Pending,
    ) -> None:
        self._limits = limits
        self._tickets = tickets
        self._pending = pending
        self._queues = {name: LoadQueue[ListRead[C]](lambda: AT_ONCE) for name in services}
        self._shared: dict[Question, Listing[C]] = {}  # those that have not begun
        self._ended: deque[tuple[Listing[C], deque[Asked[C]]]] = (
            deque()
        )  # with those to be answered

    @property
    def is_answering(self) -> bool:
        """Whether `go_on` has something to do."""
        return bool(self._ended)

    def ask(self, question: Question, asked: Asked[C], out: Effects[C]) -> None:
        """Answer a question, in its turn."""
        if not question.services:
            asked.answer(Page([]), out)
            return
        listing = self._shared.get(question)
        if listing is None:
            listing = self._shared[question] = Listing(question)
        listing.add(asked)
        self._pending.read_bytes += asked.size
        for read in listing.reads:
            if self._queues[read.service].try_acquire(read, asked.author.reader):
                self._begin(read, out)

    def _begin(self, read: ListRead[C], out: list[Effect[C]]) -> None:
        question = read.listing.question
        if self._shared.get(question) is read.listing:
            del self._shared[question]
        out.append(read.operation(self._tickets.issue(read)))

    def leave(self, reader: Reader[C], out: list[Effect[C]]) -> None:
        """Drop what was asked for a reader that has left, unless it is under way."""
        gone = [read.listing for queue in self._queues.values() for read in queue.leave(reader)]
        for listing in dict.fromkeys(gone):
            for asked in listing.remove(reader):
                self._pending.read_bytes -= asked.size
                abandon(asked.author, out)
            if not listing.is_wanted:
                self._cancel(listing)

    def _cancel(self, listing: Listing[C]) -> None:
        if self._shared.get(listing.question) is listing:
            del self._shared[listing.question]
        for read in listing.reads:
            self._queues[read.service].cancel(read)

    def end(
        self,
        read: ListRead[C],
        names: Sequence[str],
        error: RequestError | None,
        out: Effects[C],
    ) -> None:
        """Take the names or the error of one service, answer those who may be answered, and begin the next list."""
        listing, queue = read.listing, self._queues[read.service]
        if listing.end(read.service, names, error) and listing.is_wanted:
            waiting = (each for reader in listing.readers() for each in listing.remove(reader))
            self._ended.append((listing, deque(waiting)))
        queue.release()
        while (following := queue.next()) is not None:
            if queue.try_acquire(following, None):
                self._begin(following, out)
        self.go_on(out)

    # --- answers ----------------------------------------------------------------------------------

    def go_on(self, out: Effects[C]) -> None:
        """Answer those who wait for a list that has ended, as many as one input may."""
        given, limit = 0, self._limits.current.window_bytes
        while self._ended and given <= limit:
            listing, waiting = self._ended[0]
            given += ANSWER_BYTES + self._answer_first(listing, waiting, out)
            if waiting:
                self._ended.rotate(-1)  # whoever waits for another list comes next
            else:
                self._ended.popleft()

    def _answer_first(self, listing: Listing[C], waiting: deque[Asked[C]], out: Effects[C]) -> int:
        """Answer the first who waits, or defer all that wait for the same reader; return the bytes that were given."""
        reader = waiting[0].author.reader
        if reader is not None and reader.state == "closed":
            abandon(self._take(waiting).author, out)
            return 0
        size = 0
        if listing.error is None and waiting[0].takes(listing.page) and reader is not None:
            size = listing.page.text.size
            if size >= SPLICED_BYTES:
                reader.has_room(out)  # if not, it is blocked
        if reader is not None and DELIVERY.decide[reader.state, "read", False] == "later":
            self._defer(reader, listing.question, waiting, out)
            return 0
        asked = self._take(waiting)
        if listing.error is not None:
            asked.author.fail(listing.error, out)
        else:
            asked.answer(listing.page, out)
        return size

    def _defer(
        self,
        reader: Reader[C],
        question: Question,
        waiting: deque[Asked[C]],
        out: Effects[C],
    ) -> None:
        """Defer those who wait first, for the same reader: they ask again when it can take the answer."""
        again: list[Deferred[C]] = []
        while waiting and waiting[0].author.reader is reader:
            asked = self._take(waiting)
            ask = partial(self.ask, question, asked)
            again.append(Deferred(ask, partial(abandon, asked.author), asked.author.size))
        reader.defer_again(again, out)

    def _take(self, waiting: deque[Asked[C]]) -> Asked[C]:
        asked = waiting.popleft()
        self._pending.read_bytes -= asked.size
        return asked
