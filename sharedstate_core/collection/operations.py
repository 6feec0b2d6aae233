"""What clients ask of one collection, in the order they came, until storage can carry it out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias

from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import CommitResult, Cursor, Write

from .acknowledgements import Settled
from .quota import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_core.limits import LiveLimits
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


class Queue(Generic[C]):
    """The updates and reads that wait.

    Args:
        pending: counts the updates, also those of the commit under way.

    Attributes:
        waiting: all of them, in the order they came.
    """

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._committing: Sequence[Put[C]] = ()
        self.waiting: deque[Operation[C]] = deque()

    @property
    def puts(self) -> Sequence[Put[C]]:
        """All updates, also those of the commit under way."""
        return [*self._committing, *(each for each in self.waiting if isinstance(each, Put))]

    def append(self, operation: Operation[C]) -> None:
        """Let something wait for its turn."""
        self.waiting.append(operation)
        if isinstance(operation, Put):
            self._pending.bytes += operation.size

    def take(self) -> None:
        """Take the head out."""
        self.waiting.popleft()

    def begin_commit(
        self, replica: Replica | None, live: LiveLimits, out: list[Effect[C]]
    ) -> list[Write]:
        """Take the updates at the head that go into one commit, refusing those that make the collection too large."""
        limits = live.current
        quota = Quota(replica, limits) if replica is not None and live.bound_collections else None
        puts: list[Put[C]] = []
        waiting = self.waiting
        while len(puts) < limits.group and waiting and isinstance(head := waiting[0], Put):
            if quota is not None:
                if puts and (puts[-1].write.condition or head.write.condition):
                    break  # only its outcome tells what is stored then
                if problem := quota.refusal(head.write.update):
                    self.take()
                    self._forget((head,))
                    head.author.fail(RequestError("too_large", problem), out)
                    continue
            self.take()
            puts.append(head)
        self._committing = puts
        return [put.write for put in puts]

    def end_commit(self) -> Sequence[Put[C]]:
        """Return the updates of the commit under way, which has ended."""
        puts, self._committing = self._committing, ()
        self._forget(puts)
        return puts

    def settle(self, result: CommitResult) -> list[Settled[C]]:
        """Return what came of each update of the commit under way, which has ended."""
        epoch = result.epoch
        return [
            Settled(put.author, put.write.update.touched, outcome, Cursor(epoch, outcome.version))
            for put, outcome in zip(self.end_commit(), result.outcomes, strict=True)
        ]

    def take_of(self, reader: Reader[C]) -> Sequence[Operation[C]]:
        """Take out what was asked for this reader."""
        theirs = [each for each in self.waiting if each.author.reader is reader]
        self.waiting = deque(each for each in self.waiting if each.author.reader is not reader)
        self._forget(each for each in theirs if isinstance(each, Put))
        return theirs

    def fail(self, error: RequestError, out: list[Effect[C]]) -> None:
        """Answer everything with an error."""
        waiting, self.waiting = self.waiting, deque()
        self._forget(each for each in waiting if isinstance(each, Put))
        for operation in waiting:
            operation.author.fail(error, out)

    def _forget(self, puts: Iterable[Put[C]]) -> None:
        """These, which were taken out, wait for storage no longer."""
        self._pending.bytes -= sum([put.size for put in puts])
