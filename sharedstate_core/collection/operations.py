"""What clients ask of one collection, in the order they came, until storage can carry it out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias

from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import CommitResult, Committed, Cursor, Outcome, Write

from .quota import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_core.counters import Counters
    from sharedstate_core.limits import Limits
    from sharedstate_core.pending import Pending

    from .author import Author
    from .reader import Reader
    from .replica import Replica

REQUEST_BYTES: Final = 500
"""About what a request takes beside its text."""

ID_BYTES: Final = 130
"""About what each id that an update names takes beside its text."""


def put_size(write: Write, text: int) -> int:
    """Return about how many bytes of memory an update takes that came in so many bytes of text."""
    update, condition = write.update, write.condition
    ids = len(update.insert) + len(update.remove)
    if condition is not None and condition.ids:
        ids += len(condition.ids)
    return REQUEST_BYTES + text + ID_BYTES * ids


class Put(NamedTuple, Generic[C]):
    """An update that waits, and its `put_size`."""

    author: Author[C]
    write: Write
    size: int


class Get(NamedTuple, Generic[C]):
    """A read that waits."""

    author: Author[C]

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return self.author.size


Operation: TypeAlias = Put[C] | Get[C]


class Settled(NamedTuple, Generic[C]):
    """What storage said to an update, and the state after it; the update itself is kept no longer.

    Attributes:
        author: of the update.
        touched: number of ids the update named.
        outcome: of the write.
        cursor: the state after it.
    """

    author: Author[C]
    touched: int
    outcome: Outcome
    cursor: Cursor

    def give(self, counters: Counters, out: list[Effect[C]]) -> None:
        """Tell the author."""
        author, touched, outcome, cursor = self
        if isinstance(outcome, Committed):
            counters.updates += 1
            author.acknowledge(touched, cursor, out)
        else:
            counters.rejected += 1
            author.fail(RequestError(outcome.code, outcome.message), out, cursor)


def outcomes(puts: Sequence[Put[C]], result: CommitResult) -> list[Settled[C]]:
    """Return what came of each update of a commit."""
    return [
        Settled(
            put.author, put.write.update.touched, outcome, Cursor(result.epoch, outcome.version)
        )
        for put, outcome in zip(puts, result.outcomes, strict=True)
    ]


class Queue(Generic[C]):
    """The updates and reads that wait.

    Args:
        pending: counts the updates, also those that were taken out for a commit, until it has `ended`.

    Attributes:
        waiting: all of them, in the order they came.
    """

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self.waiting: deque[Operation[C]] = deque()

    def append(self, operation: Operation[C]) -> None:
        """Let something wait for its turn."""
        self.waiting.append(operation)
        if isinstance(operation, Put):
            self._pending.bytes += operation.size

    def take(self) -> None:
        """Take the head out."""
        self.waiting.popleft()

    def take_puts(
        self, replica: Replica | None, limits: Limits, out: list[Effect[C]]
    ) -> list[Put[C]]:
        """Take the updates at the head that go into one commit, refusing those that make the collection too large."""
        quota = Quota(replica, limits) if replica is not None and limits.bound_collections else None
        puts: list[Put[C]] = []
        waiting = self.waiting
        while len(puts) < limits.group and waiting and isinstance(head := waiting[0], Put):
            if quota is not None:
                if puts and (puts[-1].write.condition or head.write.condition):
                    break  # only its outcome tells what is stored then
                if problem := quota.refusal(head.write.update):
                    self.take()
                    self.ended((head,))
                    head.author.fail(RequestError("too_large", problem), out)
                    continue
            self.take()
            puts.append(head)
        return puts

    def take_of(self, reader: Reader[C]) -> Sequence[Operation[C]]:
        """Take out what was asked for this reader."""
        theirs = [each for each in self.waiting if each.author.reader is reader]
        self.waiting = deque(each for each in self.waiting if each.author.reader is not reader)
        self.ended(each for each in theirs if isinstance(each, Put))
        return theirs

    def fail(self, error: RequestError, out: list[Effect[C]]) -> None:
        """Answer everything with an error."""
        waiting, self.waiting = self.waiting, deque()
        self.ended(each for each in waiting if isinstance(each, Put))
        for operation in waiting:
            operation.author.fail(error, out)

    def ended(self, puts: Iterable[Put[C]]) -> None:
        """These, which were taken out, wait for storage no longer."""
        self._pending.bytes -= sum([put.size for put in puts])
